// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register running VMs that the module does not know.
 *
 * udev's rule does that for VMs that start later. Those that ran before the module was loaded are
 * found here when the daemon starts or the module comes; on a host without udev, each when KVM
 * tells of it. No other time: a VM that an operator took out stays out. Only who could not be
 * registered because too many hang is tried again.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "aside.h"
#include "config.h"
#include "daemon.h"
#include "process.h"
#include "sysfs.h"
#include "vmm.h"

#define DEFAULT_DOMAIN "default"
#define ENROL_MS	200

static bool is_registered(const char *sysroot, int pid)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms/%d", sysroot, pid);
	return !access(path, F_OK);
}

/* Its name is in its memory, and the module looks at that as well: both wait where it hangs. */
struct newcomer {
	const char *sysroot;	/* of the command line: it stays */
	int pid;
	uint64_t start;
	uid_t uid;
	bool dry_run;
};

/* Who is to be tried again. */
static struct {
	struct newcomer *list;
	size_t n;
} refused;

static void enrol(void *what)
{
	static const struct errno_text meanings[] = { { 0 } };
	const struct newcomer *new = what;
	const char *sysroot = new->sysroot;
	struct registration r = { .pid = new->pid };
	char line[REGISTRATION_LINE_MAX], path[PATH_MAX];
	struct err e;
	int rc;

	snprintf(path, sizeof(path), "%s" CONFIG_PATH, sysroot);
	if (config_read(path, &r, &e)) {
		tell(NULL, LOG_ERR, "%s", e.text);
		return;
	}
	if (!*r.domain)
		snprintf(r.domain, sizeof(r.domain), "%s", DEFAULT_DOMAIN);
	process_vm_name(sysroot, r.pid, r.name);
	registration_format(&r, line, sizeof(line));
	/* That may have taken long, and its id be another's by now. */
	if (vmm_start(sysroot, r.pid) != new->start || !process_has_kvm(sysroot, r.pid, false)) {
		tell(NULL, LOG_INFO, "process %d is not registered: it has ended", r.pid);
		return;
	}
	if (new->dry_run) {
		printf("%s (%d): not registered, would be, in domain %s\n", r.name, r.pid,
		       r.domain);
		return;
	}
	rc = sysfs_write(sysroot, "register", line, meanings, &e);
	if (rc && rc != EEXIST && rc != ESRCH)
		tell(NULL, LOG_WARNING, "%s", e.text);
}

/* Each once: a process may make VM after VM meanwhile. */
static void keep(const struct newcomer *who)
{
	struct newcomer *list;

	for (size_t i = 0; i < refused.n; i++)
		if (refused.list[i].pid == who->pid && refused.list[i].start == who->start)
			return;
	list = reallocarray(refused.list, refused.n + 1, sizeof(*list));
	if (!list)
		return;
	refused.list = list;
	list[refused.n++] = *who;
}

/* Return: false when no thread was free for it. */
static bool enrol_aside(const struct newcomer *who)
{
	struct newcomer *new = malloc(sizeof(*new));
	struct aside *a = NULL;

	if (new) {
		*new = *who;
		a = aside_new(who->uid, enrol, free, new);
	}
	if (!a) {
		free(new);
		keep(who);
		return false;
	}
	/* The round that follows is to know it, if that is possible. */
	aside_is_over(a, ENROL_MS);
	aside_leave(a);
	return true;
}

static void enrol_unknown(const char *sysroot, int pid, bool dry_run)
{
	struct newcomer who = { .sysroot = sysroot, .pid = pid, .dry_run = dry_run };
	struct vmm vmm;

	if (!pid || is_registered(sysroot, pid) || !process_has_kvm(sysroot, pid, false) ||
	    !vmm_read(sysroot, pid, &vmm))
		return;
	who.start = vmm.start;
	who.uid = vmm.uid;
	if (!enrol_aside(&who))
		tell(NULL, LOG_WARNING, "process %d is registered later: too many VMs hang", pid);
}

void enrol_refused(const char *sysroot)
{
	struct newcomer *list = refused.list;
	size_t n = refused.n;
	struct err e;

	if (!n || (!refused.list[0].dry_run && sysfs_present(sysroot, &e)))
		return;
	refused.list = NULL;
	refused.n = 0;
	for (size_t i = 0; i < n; i++)
		if (!is_registered(sysroot, list[i].pid) &&
		    vmm_start(sysroot, list[i].pid) == list[i].start)
			enrol_aside(&list[i]);
	free(list);
}

void enrol_one(const char *sysroot, int tid, bool dry_run)
{
	struct err e;

	if (dry_run || !sysfs_present(sysroot, &e))
		enrol_unknown(sysroot, process_of_thread(sysroot, tid), dry_run);
}

void enrol_running(const char *sysroot, bool dry_run)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct err e;
	DIR *dir;

	if (!dry_run && sysfs_present(sysroot, &e))
		return;
	snprintf(path, sizeof(path), "%s/proc", sysroot);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			enrol_unknown(sysroot, atoi(entry->d_name), dry_run);
	if (dir)
		closedir(dir);
}
