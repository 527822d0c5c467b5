// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is registered, on a made-up host; and that a look at a process's files holds up nobody.
 *
 * The module's register is a pipe, so that all that was written is read. Instead of a process with so
 * many files that the look takes long there is one at which it waits until it is told to go on.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <time.h>

#include "daemon/aside.h"
#include "daemon/daemon.h"
#include "daemon/kvm.h"
#include "tests/tap.h"
#include "tests/tree.h"

#define STALLS	60000	/* of a ms each, before what is waited for is taken not to come */
#define FIRST	1000	/* process */
#define VMS	100	/* at once */
#define SLOW	5000	/* the one that takes long */

static char root[] = "/tmp/test-enrol.XXXXXX";
static int registered_fd;
static char registered[65536];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static bool held;
static unsigned int waiting, looks;

bool __real_process_has_kvm(const char *sysroot, int pid, bool device);
bool __wrap_process_has_kvm(const char *sysroot, int pid, bool device);

bool __wrap_process_has_kvm(const char *sysroot, int pid, bool device)
{
	pthread_mutex_lock(&lock);
	looks++;
	waiting += pid == SLOW && held;
	while (pid == SLOW && held)
		pthread_cond_wait(&wake, &lock);
	pthread_mutex_unlock(&lock);
	return __real_process_has_kvm(sysroot, pid, device);
}

static void hold(bool is)
{
	pthread_mutex_lock(&lock);
	held = is;
	waiting = 0;
	looks = 0;
	pthread_cond_broadcast(&wake);
	pthread_mutex_unlock(&lock);
}

static unsigned int count(const unsigned int *what)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = *what;
	pthread_mutex_unlock(&lock);
	return n;
}

/* guest.c's. */
void tell(const struct guest *g, int priority, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	(void)g;
	(void)priority;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("# told: %s\n", text);
}

static void module(void)
{
	char path[128];

	tree_remove(root);
	mkdir(root, 0755);
	tree_file(root, "/sys/kernel/pagefold/vms/none", "");
	tree_file(root, "/proc/none", "");
	snprintf(path, sizeof(path), "%s/sys/kernel/pagefold/register", root);
	if (registered_fd > 0)
		close(registered_fd);
	registered[0] = '\0';
	if (mkfifo(path, 0600) || (registered_fd = open(path, O_RDWR | O_NONBLOCK)) < 0)
		exit(1);
}

static uint64_t ticks_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * sysconf(_SC_CLK_TCK);
}

static void process(int pid, uint64_t start, bool vm)
{
	char path[128], text[256];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	snprintf(text, sizeof(text), "%d (vmm) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %llu 0\n",
		 pid, (unsigned long long)start);
	tree_file(root, path, text);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\tvmm\nTgid:\t%d\nUid:\t0\t0\t0\t0\n", pid);
	tree_file(root, path, text);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	tree_file(root, path, "vmm\n");
	snprintf(path, sizeof(path), "/proc/%d/fd/none", pid);
	tree_file(root, path, "");
	snprintf(path, sizeof(path), "%s/proc/%d/fd/3", root, pid);
	if (vm && symlink("anon_inode:kvm-vm", path))
		exit(1);
}

static bool is_registered(int pid)
{
	size_t len = strlen(registered);
	ssize_t n = read(registered_fd, registered + len, sizeof(registered) - 1 - len);
	char line[16];

	registered[n > 0 ? len + n : len] = '\0';
	snprintf(line, sizeof(line), "%d ", pid);
	/* The module takes one a write, and nothing stands between them. */
	for (const char *at = registered; (at = strstr(at, line)); at++)
		if (at == registered || !isdigit((unsigned char)at[-1]))
			return true;
	return false;
}

static void round_of(void)
{
	aside_begin_round();
	enrol_round(root, false);
}

static bool comes(int pid)
{
	for (int i = 0; i < STALLS && !is_registered(pid); i++) {
		round_of();
		usleep(1000);
	}
	EXPECT(is_registered(pid), "process %d is not registered", pid);
	return true;
}

static bool who_runs_is_registered(void)
{
	module();
	process(FIRST, 1, true);
	process(FIRST + 1, 1, false);
	enrol_running();
	if (!comes(FIRST))
		return false;
	EXPECT(!is_registered(FIRST + 1), "it is no VM");
	return true;
}

/* More than are noted; and who was there before, and was taken out, stays out. */
static bool many_at_once_are_all_registered(void)
{
	uint64_t now = ticks_now();

	module();
	process(SLOW + 1, 1, true);
	for (int i = 0; i < VMS; i++) {
		process(FIRST + i, now, true);
		enrol_expect(FIRST + i);
	}
	for (int i = 0; i < VMS; i++)
		if (!comes(FIRST + i))
			return false;
	EXPECT(!is_registered(SLOW + 1), "one that began with the host is registered");
	return true;
}

/* Whose files are many: the rounds go on, and others that begin are registered. */
static bool many_files_hold_up_nobody(void)
{
	module();
	process(SLOW, 1, true);
	hold(true);
	enrol_running();
	for (int i = 0; i < STALLS && !count(&waiting); i++) {
		round_of();
		usleep(1000);
	}
	EXPECT(count(&waiting) == 1, "nobody looks at it");
	process(FIRST, 1, true);
	enrol_expect(FIRST);
	if (!comes(FIRST))
		return false;
	EXPECT(count(&waiting) == 1 && !is_registered(SLOW), "%u look at it", count(&waiting));
	hold(false);
	return comes(SLOW);
}

static bool one_that_begins_with_many_holds_up_nobody(void)
{
	module();
	process(SLOW, 1, true);
	process(FIRST, 1, true);
	hold(true);
	enrol_expect(SLOW);
	enrol_expect(FIRST);
	if (!comes(FIRST))
		return false;
	EXPECT(!is_registered(SLOW), "it was not looked at");
	hold(false);
	return comes(SLOW);
}

/* A VM's own files, round after round. */
static bool kvm_is_looked_for_once(void)
{
	struct kvm k = { 0 };

	module();
	process(SLOW, 1, true);
	hold(true);
	for (int i = 0; i < 100; i++)
		EXPECT(!kvm_is_there(&k, root, SLOW, 0, 1 + i), "nobody has looked");
	for (int i = 0; i < STALLS && !count(&waiting); i++)
		usleep(1000);
	EXPECT(count(&waiting) == 1, "%u look at it", count(&waiting));
	hold(false);
	for (int i = 0; i < STALLS && !kvm_is_there(&k, root, SLOW, 0, 200); i++)
		usleep(1000);
	for (int i = 0; i < 100; i++)
		EXPECT(kvm_is_there(&k, root, SLOW, 0, 300000 * i), "forgotten");
	EXPECT(!count(&looks), "%u looked again", count(&looks));
	kvm_leave(&k);
	return true;
}

/* Who has none may make a VM later. */
static bool who_has_no_kvm_is_looked_at_seldom(void)
{
	struct kvm k = { 0 };
	char path[128];

	module();
	process(FIRST, 1, false);
	hold(false);
	aside_begin_round();
	for (int i = 0; i < STALLS && !k.again_ms; i++) {
		EXPECT(!kvm_is_there(&k, root, FIRST, 0, 1), "it has none");
		usleep(1000);
	}
	snprintf(path, sizeof(path), "%s/proc/%d/fd/3", root, FIRST);
	EXPECT(!symlink("anon_inode:kvm-vm", path), "%s", strerror(errno));
	for (int i = 0; i < 100; i++)
		EXPECT(!kvm_is_there(&k, root, FIRST, 0, 2 + i), "looked at again at once");
	EXPECT(count(&looks) == 1, "%u looks", count(&looks));
	for (int i = 0; i < STALLS && !kvm_is_there(&k, root, FIRST, 0, 100000); i++)
		usleep(1000);
	EXPECT(kvm_is_there(&k, root, FIRST, 0, 100000), "not looked at again");
	kvm_leave(&k);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "who runs is registered", who_runs_is_registered },
		{ "many that begin at once are all registered", many_at_once_are_all_registered },
		{ "a process with many files holds up nobody", many_files_hold_up_nobody },
		{ "nor does one that begins", one_that_begins_with_many_holds_up_nobody },
		{ "whether a VM has KVM is looked for once", kvm_is_looked_for_once },
		{ "who has no KVM is looked at seldom", who_has_no_kvm_is_looked_at_seldom },
	};
	int failed;

	if (!mkdtemp(root))
		return 1;
	/* Who waits for what is held waits for ever. */
	alarm(4 * STALLS / 1000);
	failed = tap_run(tests, ARRAY_SIZE(tests));
	tree_remove(root);
	return failed;
}
