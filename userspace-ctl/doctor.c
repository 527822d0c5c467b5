// SPDX-License-Identifier: GPL-2.0-only
/*
 * What about a host stands in the way of overcommit, and what to do about it.
 *
 * Every question is a function of its own that reads a file or two. A file that is not there is an
 * answer, not an error: the doctor is for hosts that are not right yet.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "memory.h"
#include "process.h"
#include "size.h"
#include "sysfs.h"
#include "vm.h"

void doctor_add(struct findings *f, const char *check, enum verdict verdict, const char *advice,
		const char *fmt, ...)
{
	struct finding *one = &f->list[f->count];
	va_list ap;

	if (f->count == FINDINGS_MAX)
		return;
	f->count++;
	one->check = check;
	one->verdict = verdict;
	snprintf(one->advice, sizeof(one->advice), "%s", advice);
	va_start(ap, fmt);
	vsnprintf(one->found, sizeof(one->found), fmt, ap);
	va_end(ap);
}

/* The first line of a file, "" when there is none. */
static const char *line_of(const char *sysroot, const char *path, char buf[512])
{
	if (file_read(sysroot, path, buf, 512))
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

static void ask_kernel(const char *sysroot, struct findings *f)
{
	unsigned int major, minor;
	char buf[512];
	const char *release = line_of(sysroot, "/proc/sys/kernel/osrelease", buf);

	if (sscanf(release, "%3u.%3u", &major, &minor) != 2)
		doctor_add(f, "kernel", DOCTOR_NOTE, "",
			   "its release %s is none that says how old it is", QUOTE(release));
	else if (major < 6 || (major == 6 && minor < 1))
		doctor_add(f, "kernel", DOCTOR_TROUBLE,
			   "install a kernel from 6.1 on: older ones have not what the module "
			   "needs",
			   "%u.%u is too old", major, minor);
	else
		doctor_add(f, "kernel", DOCTOR_OK, "", "%u.%u", major, minor);
}

static void ask_kvm(const char *sysroot, struct findings *f)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dev/kvm", sysroot);
	if (access(path, F_OK))
		doctor_add(f, "kvm", DOCTOR_TROUBLE,
			   "modprobe kvm_intel or kvm_amd; if that fails, turn virtualization on "
			   "in the firmware",
			   "/dev/kvm is not there");
	else
		doctor_add(f, "kvm", DOCTOR_OK, "", "/dev/kvm is there");
}

static void ask_module(const char *sysroot, struct findings *f)
{
	struct host host;
	struct err e;
	int rc = host_read(sysroot, &host, &e);

	if (rc == EX_NO_MODULE) {
		doctor_add(f, "module", DOCTOR_TROUBLE, "modprobe pagefold",
			   "pagefold is not loaded");
		return;
	}
	if (rc) {
		doctor_add(f, "module", DOCTOR_TROUBLE,
			   "reload the module, and report this if it stays", "%.300s", e.text);
		return;
	}
	if (host.value[HOST_RUN] != 1)
		doctor_add(f, "module", DOCTOR_NOTE, "pagefoldctl run on",
			   "pagefold is loaded and does not scan");
	else
		doctor_add(f, "module", DOCTOR_OK, "",
			   "pagefold is loaded and scans %" PRIu64 " VMs", host.value[HOST_VMS]);
	if (host.has_profit && host.profit < 0)
		doctor_add(f, "profit", DOCTOR_NOTE,
			   "unless guests have just started: pagefoldctl run off",
			   "its bookkeeping takes %s more than folding saves",
			   SIZE_TEXT(-host.profit));
	if (!host_has(&host, HOST_WSS_SAMPLES))
		doctor_add(f, "working sets", DOCTOR_NOTE,
			   "load a newer module: plan and pagefoldd count unknown working sets as "
			   "all RAM",
			   "this module does not measure them");
	else if (!host.value[HOST_WSS_PERIOD])
		doctor_add(f, "working sets", DOCTOR_NOTE,
			   "pagefoldctl set --module wss_period_ms=30000",
			   "they are not measured now");
}

static void ask_ksm(const char *sysroot, struct findings *f)
{
	char buf[512];
	const char *run = line_of(sysroot, "/sys/kernel/mm/ksm/run", buf);

	if (!strcmp(run, "1"))
		doctor_add(f, "ksm", DOCTOR_TROUBLE,
			   "echo 2 >/sys/kernel/mm/ksm/run; disable ksmtuned",
			   "KSM scans the same memory: both pay, and neither folds what the other "
			   "has");
	else
		doctor_add(f, "ksm", DOCTOR_OK, "", "KSM is %s",
			   *run ? "off" : "not in this kernel");
}

static void ask_thp(const char *sysroot, struct findings *f)
{
	char buf[512];
	const char *mode = line_of(sysroot, "/sys/kernel/mm/transparent_hugepage/enabled", buf);

	if (strstr(mode, "[always]") || strstr(mode, "[madvise]"))
		doctor_add(f, "thp", DOCTOR_OK, "",
			   "huge pages are on; those with enough duplicates are split "
			   "(thp_split_pages)");
	else
		doctor_add(f, "thp", DOCTOR_NOTE,
			   "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled",
			   "huge pages are off: guests run slower than they need");
}

static void ask_cgroup(const char *sysroot, struct findings *f)
{
	char buf[512];
	const char *controllers = line_of(sysroot, "/sys/fs/cgroup/cgroup.controllers", buf);

	if (!*controllers)
		doctor_add(f, "cgroup", DOCTOR_TROUBLE,
			   "boot with systemd.unified_cgroup_hierarchy=1",
			   "cgroup v2 is not mounted at /sys/fs/cgroup: a guest cannot be paged "
			   "out alone");
	else if (!strstr(controllers, "memory"))
		doctor_add(f, "cgroup", DOCTOR_TROUBLE,
			   "boot without cgroup_disable=memory, and with cgroup_no_v1=memory",
			   "cgroup v2 has no memory controller");
	else
		doctor_add(f, "cgroup", DOCTOR_OK, "", "cgroup v2 has the memory controller");
}

static void ask_memory(const char *sysroot, struct findings *f)
{
	struct memory m;
	struct err e;

	if (memory_read(sysroot, &m, &e)) {
		doctor_add(f, "memory", DOCTOR_TROUBLE, "mount /proc", "%.300s", e.text);
		return;
	}
	doctor_add(f, "memory", m.available < m.total / 20 ? DOCTOR_NOTE : DOCTOR_OK,
		   m.available < m.total / 20 ? "pagefoldctl plan says how many guests fit" : "",
		   "%s of %s are available", SIZE_TEXT(m.available), SIZE_TEXT(m.total));
	if (m.has_psi)
		doctor_add(f, "psi", DOCTOR_OK, "", "the kernel tells of memory pressure");
	else
		doctor_add(f, "psi", DOCTOR_TROUBLE, "boot with psi=1",
			   "the kernel does not tell of memory pressure: pagefoldd sees free "
			   "memory alone");
	if (!m.swap_total)
		doctor_add(f, "swap", DOCTOR_TROUBLE,
			   "make one, best on zram: a guest that does not give cannot be paged "
			   "out otherwise",
			   "there is no swap");
	else
		doctor_add(f, "swap", DOCTOR_OK, "", "%s of %s are used", SIZE_TEXT(m.swap_used),
			   SIZE_TEXT(m.swap_total));
}

static void ask_overcommit(const char *sysroot, struct findings *f)
{
	char buf[512];
	const char *mode = line_of(sysroot, "/proc/sys/vm/overcommit_memory", buf);

	if (!strcmp(mode, "2"))
		doctor_add(f, "overcommit", DOCTOR_TROUBLE, "sysctl vm.overcommit_memory=0",
			   "the kernel promises no more memory than there is: guests will not "
			   "start");
	else
		doctor_add(f, "overcommit", DOCTOR_OK, "", "vm.overcommit_memory is %s",
			   *mode ? QUOTE(mode) : "not known");
}

static void ask_daemon(const char *sysroot, struct findings *f)
{
	char path[PATH_MAX], comm[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc", sysroot);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.10s/comm", entry->d_name);
		found = !file_read(sysroot, path, comm, sizeof(comm)) &&
			!strcmp(comm, "pagefoldd\n");
	}
	if (dir)
		closedir(dir);
	if (found)
		doctor_add(f, "daemon", DOCTOR_OK, "", "pagefoldd runs");
	else
		doctor_add(f, "daemon", DOCTOR_NOTE, "systemctl enable --now pagefoldd",
			   "pagefoldd does not run: guests are shared, and asked for nothing");
}

static void ask_balloon(const char *sysroot, const struct vm *vm, struct findings *f)
{
	enum balloon_device found = process_balloon(sysroot, vm->pid);

	if (found == BALLOON_NONE)
		doctor_add(f, "balloon", DOCTOR_NOTE,
			   "start QEMU with -device virtio-balloon-pci,free-page-reporting=on,"
			   "deflate-on-oom=on", "%s (%d): it has no balloon", vm->name, vm->pid);
	else if (found == BALLOON_PLAIN)
		doctor_add(f, "balloon", DOCTOR_NOTE,
			   "deflate-on-oom=on at its device (libvirt: autodeflate='on') lets the "
			   "guest take memory back before it runs out of it",
			   "%s (%d): its balloon waits for the host, however short the guest is",
			   vm->name, vm->pid);
}

/* What a VM's figures say, its balloon, and its monitor. */
static void ask_vm(const char *sysroot, const struct vm *vm, struct findings *f)
{
	if (vm->value[VM_PASSES] && vm_has(vm, VM_ELIGIBLE) && !vm->value[VM_ELIGIBLE])
		doctor_add(f, "vm", DOCTOR_TROUBLE,
			   "start QEMU with -machine mem-merge=on and anonymous RAM, or: "
			   "pagefoldctl set VM policy=always",
			   "%s (%d): nothing of its memory may be folded", vm->name, vm->pid);
	ask_balloon(sysroot, vm, f);
	doctor_qmp(sysroot, vm->pid, vm->name, f);
}

static void ask_vms(const char *sysroot, struct findings *f)
{
	struct vms vms;
	struct err e;
	int rc = vms_read(sysroot, &vms, &e);

	if (rc == EX_NO_MODULE)
		return;
	if (rc) {
		doctor_add(f, "vms", DOCTOR_TROUBLE,
			   "reload the module, and report this if it stays", "%.300s", e.text);
		return;
	}
	if (!vms.count)
		doctor_add(f, "vms", DOCTOR_NOTE,
			   "pagefoldctl register PID, or install the udev rule and start a guest",
			   "no VM is registered");
	for (size_t i = 0; i < vms.count; i++)
		ask_vm(sysroot, &vms.list[i], f);
	vms_free(&vms);
}

void doctor_look(const char *sysroot, struct findings *f)
{
	f->count = 0;
	ask_kernel(sysroot, f);
	ask_kvm(sysroot, f);
	ask_module(sysroot, f);
	ask_daemon(sysroot, f);
	ask_ksm(sysroot, f);
	ask_thp(sysroot, f);
	ask_cgroup(sysroot, f);
	ask_memory(sysroot, f);
	ask_overcommit(sysroot, f);
	ask_vms(sysroot, f);
}
