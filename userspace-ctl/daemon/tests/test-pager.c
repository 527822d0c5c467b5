// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paging out: whose memory is asked for, in which order, and what comes back.
 *
 * The VM is a child with memory of its own and its true /proc; cgroups are files in a made-up tree,
 * for few build machines have version 2. Where there is swap its memory must be found in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "daemon/arith.h"
#include "daemon/pager.h"
#include "daemon/vmm.h"
#include "err.h"
#include "memory.h"
#include "tests/tap.h"
#include "tests/tree.h"

#define MIB	(1024ull * 1024)
#define SIZE	(64 * MIB)
#define SCOPE	"/sys/fs/cgroup/machine.slice/vm.scope"
#define STALLS	60000	/* of a ms each, before a pager is taken for dead */

static char root[] = "/tmp/test-pager.XXXXXX";
static int vm;
static struct pager *pager;

/* Another program, for ours has the sanitizer's memory; it waits for the last byte for ever. */
static void be_vm(int from)
{
	dup2(from, STDIN_FILENO);
	execlp("dd", "dd", "bs=64M", "iflag=fullblock", "of=/dev/null", NULL);
	exit(1);
}

/* Its memory is charged to the cgroup that it is in when it touches it. */
static void join(const char *cgroup)
{
	char path[128], text[16];
	int fd, n = snprintf(text, sizeof(text), "%d", getpid());

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, n) != n)
		exit(1);
	close(fd);
}

static void start_vm(const char *cgroup)
{
	static char text[MIB - 1];
	int fds[2];

	memset(text, 'x', sizeof(text));
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(fds, O_CLOEXEC))
		exit(1);
	vm = fork();
	if (!vm && cgroup)
		join(cgroup);
	if (!vm)
		be_vm(fds[0]);
	close(fds[0]);
	for (size_t i = 0; i < SIZE / MIB; i++)
		if (vm < 0 || write(fds[1], text, sizeof(text)) != sizeof(text))
			exit(1);
}

static void end_vm(void)
{
	kill(vm, SIGKILL);
	waitpid(vm, NULL, 0);
}

static void link_proc(const char *file)
{
	char from[128], to[PATH_MAX];

	snprintf(from, sizeof(from), "/proc/%d/%s", vm, file);
	snprintf(to, sizeof(to), "%s/proc/%d/%s", root, vm, file);
	if (symlink(from, to))
		exit(1);
}

/* A tree in which the VM is in a cgroup: its own /proc, but for that. */
static void tree(const char *cgroup)
{
	char path[128];

	tree_remove(root);
	mkdir(root, 0755);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", vm);
	tree_file(root, path, cgroup);
	link_proc("stat");
	link_proc("status");
	link_proc("maps");
}

static void procs(const char *path, int one, int other)
{
	char text[64];

	snprintf(text, sizeof(text), other ? "%d\n%d\n" : "%d\n", one, other);
	tree_file(root, path, text);
}

static struct pager_done wait_done(void)
{
	struct pager_done done = { .error = -1 };

	for (int i = 0; i < STALLS && !pager_collect(pager, &done); i++)
		usleep(1000);
	return done;
}

static struct pager_done page(uint64_t bytes, uint64_t cursor)
{
	struct pager_done none = { .error = -2 };

	if (!pager_take(pager, vm, vmm_start("", vm), bytes, cursor))
		return none;
	return wait_done();
}

static bool reclaimed(const char *path, const char *want)
{
	char text[64];
	int rc = file_read(root, path, text, sizeof(text));

	EXPECT(!rc && !strcmp(text, want), "%s: %d, \"%s\", want \"%s\"", path, rc, text, want);
	return true;
}

static bool its_own_cgroup_is_asked(void)
{
	struct pager_done d;

	tree("1:name=systemd:/\n0::/machine.slice/vm.scope\n");
	procs(SCOPE "/cgroup.procs", vm, 0);
	tree_file(root, SCOPE "/memory.reclaim", "");
	d = page(16 * MIB, 77);
	EXPECT(!d.error && d.by_cgroup && d.asked == 16 * MIB && d.pid == vm && d.cursor == 77,
	       "error %d", d.error);
	return reclaimed(SCOPE "/memory.reclaim", "16777216");
}

/* libvirt has threads in cgroups below, where no memory can be asked for. */
static bool a_cgroup_above_is_asked(void)
{
	struct pager_done d;

	tree("0::/machine.slice/vm.scope/libvirt/emulator\n");
	tree_file(root, SCOPE "/cgroup.procs", "");
	tree_file(root, SCOPE "/memory.reclaim", "");
	procs(SCOPE "/libvirt/cgroup.procs", vm, 0);
	tree_file(root, SCOPE "/libvirt/emulator/cgroup.type", "threaded\n");
	tree_file(root, SCOPE "/libvirt/vcpu0/cgroup.type", "threaded\n");
	d = page(MIB, 0);
	EXPECT(!d.error && d.by_cgroup, "error %d", d.error);
	return reclaimed(SCOPE "/memory.reclaim", "1048576");
}

/* Each of them is paged page by page: from its cgroup others would pay. */
static bool neighbours_do_not_pay(void)
{
	static const char * const nowhere[] = { "0::/\n", "0::/../../vm.scope\n",
						"4:memory:/vm.scope\n", "0::/gone\n" };
	struct pager_done d;

	tree("0::/machine.slice/vm.scope\n");
	procs(SCOPE "/cgroup.procs", vm, getpid());
	tree_file(root, SCOPE "/memory.reclaim", "");
	d = page(MIB, 0);
	EXPECT(!d.error && !d.by_cgroup, "beside it: error %d", d.error);
	if (!reclaimed(SCOPE "/memory.reclaim", ""))
		return false;
	procs(SCOPE "/cgroup.procs", vm, 0);
	procs(SCOPE "/helper/cgroup.procs", getpid(), 0);
	d = page(MIB, 0);
	EXPECT(!d.error && !d.by_cgroup, "below it: error %d", d.error);
	if (!reclaimed(SCOPE "/memory.reclaim", ""))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
		tree(nowhere[i]);
		procs("/sys/fs/cgroup/cgroup.procs", vm, 0);
		procs("/sys/vm.scope/cgroup.procs", vm, 0);
		tree_file(root, "/sys/vm.scope/memory.reclaim", "");
		tree_file(root, "/sys/fs/cgroup/memory.reclaim", "");
		d = page(MIB, 0);
		EXPECT(!d.error && !d.by_cgroup, "%s: error %d", nowhere[i], d.error);
		if (!reclaimed("/sys/fs/cgroup/memory.reclaim", ""))
			return false;
	}
	return true;
}

/* A pipe that is full refuses as the kernel does that finds no more. */
static bool less_than_asked_is_told(void)
{
	static const char text[4096];
	struct pager_done d;
	char path[PATH_MAX];
	int fd;

	tree("0::/machine.slice/vm.scope\n");
	procs(SCOPE "/cgroup.procs", vm, 0);
	snprintf(path, sizeof(path), "%s" SCOPE "/memory.reclaim", root);
	EXPECT(!mkfifo(path, 0600), "%s", strerror(errno));
	fd = open(path, O_RDWR | O_NONBLOCK);
	EXPECT(fd >= 0, "%s", strerror(errno));
	while (write(fd, text, sizeof(text)) > 0)
		;
	d = page(MIB, 0);
	EXPECT(d.error == EAGAIN && d.by_cgroup, "error %d", d.error);
	close(fd);
	/* One that takes nothing at all is no cgroup to ask. */
	d = page(MIB, 0);
	EXPECT(!d.error && !d.by_cgroup, "error %d", d.error);
	return true;
}

/* Whatever is in swap already each page gets its turn. */
static bool goes_round(uint64_t bytes)
{
	uint64_t cursor = 0, before = vmm_swapped("", vm), swapped = 0;
	struct memory memory;
	unsigned int jobs = 0;
	struct pager_done d;
	struct err e;

	tree("0::/\n");
	do {
		d = page(bytes, cursor);
		EXPECT(!d.error && !d.by_cgroup, "job %u: error %d", jobs, d.error);
		EXPECT(d.lap ? !d.cursor : d.cursor > cursor, "job %u: %llx after %llx", jobs,
		       (unsigned long long)d.cursor, (unsigned long long)cursor);
		EXPECT(d.swapped || d.lap || d.cursor >= cursor + 16 * bytes, "job %u: gave up",
		       jobs);
		cursor = d.cursor;
		swapped += d.swapped;
		jobs++;
	} while (!d.lap && jobs < 10000);
	EXPECT(d.lap && jobs >= SIZE / (16 * (bytes + 4096)), "%u jobs", jobs);
	EXPECT(!memory_read("", &memory, &e), "%s", e.text);
	printf("# %u jobs, %llu MiB of it in swap\n", jobs, (unsigned long long)(swapped / MIB));
	if (memory.swap_total - memory.swap_used > 2 * SIZE)
		EXPECT(swapped >= SIZE / 2 && vmm_swapped("", vm) >= before + SIZE / 2,
		       "swapped %llu", (unsigned long long)swapped);
	return true;
}

static bool page_by_page_it_goes_round(void)
{
	return goes_round(MIB / 4);
}

/* As they come out of a target in bytes, or of a step that is no multiple of a page. */
static bool odd_bytes_go_round_as_well(void)
{
	struct pager_done d;

	if (!goes_round(MIB / 4 + 1) || !goes_round(1300000))
		return false;
	d = page(1, 0);
	EXPECT(!d.error && d.asked == 4096, "one byte: error %d, %llu", d.error,
	       (unsigned long long)d.asked);
	return true;
}

static bool nobody_else_is_touched(void)
{
	struct pager_done d;

	tree("0::/machine.slice/vm.scope\n");
	procs(SCOPE "/cgroup.procs", vm, 0);
	tree_file(root, SCOPE "/memory.reclaim", "");
	EXPECT(pager_take(pager, vm, vmm_start("", vm) + 1, MIB, 0), "not taken");
	d = wait_done();
	EXPECT(d.error == ESRCH && !d.by_cgroup, "a later process: error %d", d.error);
	return reclaimed(SCOPE "/memory.reclaim", "");
}

/* First come, first served; nobody twice; and no more than there is room for. */
static bool all_wait_in_line(void)
{
	struct pager_done d;

	tree("0::/\n");
	for (int i = 0; i < PAGER_ROOM; i++)
		EXPECT(pager_take(pager, 1 << 23 | i, 1, MIB, 0), "number %d is not taken", i);
	EXPECT(!pager_take(pager, vm, vmm_start("", vm), MIB, 0), "more than there is room for");
	for (int i = 0; i < PAGER_ROOM; i++) {
		EXPECT(!pager_take(pager, 1 << 23 | i, 1, MIB, 0), "number %d twice", i);
		d = wait_done();
		EXPECT(d.pid == (1 << 23 | i) && d.error == ESRCH, "%d: process %d, error %d", i,
		       d.pid, d.error);
	}
	EXPECT(!pager_collect(pager, &d), "more came than went");
	d = page(MIB, 0);
	EXPECT(!d.error, "after that: error %d", d.error);
	return true;
}

static int start_idler(void)
{
	int pid = fork();

	if (pid)
		return pid;
	pause();
	exit(0);
}

/* What it would be told of its memory comes from a pipe that nobody writes to. */
static bool hangs(int pid, char path[PATH_MAX])
{
	char from[64], to[PATH_MAX];

	snprintf(path, PATH_MAX, "%s/proc/%d", root, pid);
	EXPECT(!mkdir(path, 0755), "%s: %s", path, strerror(errno));
	snprintf(from, sizeof(from), "/proc/%d/stat", pid);
	snprintf(to, sizeof(to), "%s/proc/%d/stat", root, pid);
	EXPECT(!symlink(from, to), "%s: %s", to, strerror(errno));
	snprintf(path, PATH_MAX, "%s/proc/%d/maps", root, pid);
	EXPECT(!mkfifo(path, 0600), "%s: %s", path, strerror(errno));
	EXPECT(pager_take(pager, pid, vmm_start("", pid), MIB, 0), "process %d is not taken", pid);
	return true;
}

/* As many as there may be threads but one: the others are paged, and they too once they go on. */
static bool one_that_hangs_keeps_nobody(void)
{
	int hung[3], fd;
	char path[3][PATH_MAX];
	struct pager_done d;

	tree("0::/\n");
	for (int i = 0; i < 3; i++) {
		hung[i] = start_idler();
		if (!hangs(hung[i], path[i]))
			return false;
	}
	for (int round = 0; round < 3; round++) {
		d = page(MIB, 0);
		EXPECT(d.pid == vm && !d.error, "process %d, error %d", d.pid, d.error);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT(!pager_take(pager, hung[i], vmm_start("", hung[i]), MIB, 0), "twice");
		fd = open(path[i], O_WRONLY);
		close(fd);
		d = wait_done();
		EXPECT(d.pid == hung[i] && !d.swapped, "process %d is done, not %d", d.pid, hung[i]);
		kill(hung[i], SIGKILL);
		waitpid(hung[i], NULL, 0);
	}
	d = page(MIB, 0);
	EXPECT(d.pid == vm && !d.error, "after that: process %d, error %d", d.pid, d.error);
	return true;
}

static bool write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	bool good = f && fputs(text, f) >= 0;

	return f && !fclose(f) && good;
}

/* Where there is a true cgroup of version 2 with memory, and swap: seldom on a build machine. */
static bool a_true_cgroup_gives_way(void)
{
	static const char dir[] = "/sys/fs/cgroup/pagefold-test-pager";
	struct memory memory;
	struct pager_done d;
	char path[128], text[16];
	struct err e;
	bool good;

	if (memory_read("", &memory, &e) || memory.swap_total - memory.swap_used < 2 * SIZE ||
	    !write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory") || mkdir(dir, 0755))
		SKIP("no swap or no cgroup of version 2");
	tree_remove(root);
	mkdir(root, 0755);
	snprintf(path, sizeof(path), "%s/proc", root);
	good = !symlink("/proc", path);
	snprintf(path, sizeof(path), "%s/sys", root);
	good &= !symlink("/sys", path);
	end_vm();
	start_vm(dir);
	d = page(16 * MIB, 0);
	good &= !d.error && d.by_cgroup && d.swapped >= 8 * MIB;
	printf("# error %d, by cgroup %d, %llu KiB swapped\n", d.error, d.by_cgroup,
	       (unsigned long long)d.swapped / 1024);
	unlink(path);
	snprintf(path, sizeof(path), "%s/proc", root);
	unlink(path);
	snprintf(text, sizeof(text), "%d", vm);
	write_text("/sys/fs/cgroup/cgroup.procs", text);
	rmdir(dir);
	EXPECT(good, "a cgroup that is there was not asked, or gave nothing");
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "a cgroup of its own is asked", its_own_cgroup_is_asked },
		{ "a cgroup above is asked, as libvirt has them", a_cgroup_above_is_asked },
		{ "neighbours do not pay", neighbours_do_not_pay },
		{ "less than was asked for is told", less_than_asked_is_told },
		{ "page by page it goes round", page_by_page_it_goes_round },
		{ "bytes that are no whole pages go round too", odd_bytes_go_round_as_well },
		{ "a true cgroup gives way", a_true_cgroup_gives_way },
		{ "nobody else is touched", nobody_else_is_touched },
		{ "all wait in line", all_wait_in_line },
		{ "one that hangs keeps nobody", one_that_hangs_keeps_nobody },
	};
	int failed;

	if (!mkdtemp(root))
		return 1;
	start_vm(NULL);
	pager = pager_new(root);
	failed = !pager || tap_run(tests, ARRAY_SIZE(tests));
	pager_free(pager);
	end_vm();
	tree_remove(root);
	return failed;
}
