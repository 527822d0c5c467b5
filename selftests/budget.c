// SPDX-License-Identifier: GPL-2.0-only
/*
 * budget.c: how much CPU scanning takes, how turns are shared, and how long a lock is held.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define SMALL 256
#define LARGE 16384
#define LARGE_PASSES 32
#define THREADS_MAX 16
#define SLACK_NS (20 * 1000 * 1000)
#define AUTO_FIRST 10	/* what auto begins with */

static uint64_t unique(size_t i)
{
	return 1 + i;
}

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

static bool is_scan_thread(const char *pid)
{
	char path[300], comm[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(comm, sizeof(comm), file))
		comm[0] = 0;
	fclose(file);
	return !strncmp(comm, "pagefold/", 9) && isdigit(comm[9]);
}

static pid_t threads[THREADS_MAX];
static size_t nr_threads;

/* Who they are, which changes when run or the number of threads does. */
static void find_threads(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	REQUIRE(proc, "/proc: %s", strerror(errno));
	nr_threads = 0;
	while ((entry = readdir(proc)))
		if (nr_threads < THREADS_MAX && isdigit(entry->d_name[0]) && is_scan_thread(entry->d_name))
			threads[nr_threads++] = atoi(entry->d_name);
	closedir(proc);
	REQUIRE(nr_threads == (size_t)pf_get("threads"), "%zu scan threads", nr_threads);
}

/* CPU time of the scan threads in ns, of which the kernel keeps account and not the module. */
static long long threads_ns(void)
{
	long long sum = 0;
	size_t i;

	for (i = 0; i < nr_threads; i++) {
		char path[64];
		long long ns;

		sprintf(path, "/proc/%d/schedstat", threads[i]);
		ns = pf_file_number(path);
		REQUIRE(ns >= 0, "%s: %s", path, strerror(errno));
		sum += ns;
	}
	return sum;
}

/* Percent of one CPU over the time in which the scan threads used @ns of it, and what the module says. */
struct window {
	double percent;
	long long used_ns, counted_ns;
};

static struct window window_over(long long ns)
{
	long long begin = threads_ns(), counted = pf_get("cpu_ns");
	struct window window;
	double start = pf_now();

	REQUIRE(PF_UNTIL(threads_ns() - begin >= ns), "used %lld ns", threads_ns() - begin);
	window.used_ns = threads_ns() - begin;
	window.percent = window.used_ns / (pf_now() - start) / 1e7;
	window.counted_ns = pf_get("cpu_ns") - counted;
	return window;
}

/* The module says what the kernel says: to a tenth, and to a tick and a turn of each thread. */
static bool agrees(const struct window *window)
{
	return llabs(window->counted_ns - window->used_ns) <=
	       window->used_ns / 10 + (long long)nr_threads * SLACK_NS;
}

static bool within(const struct window *window, double least, double most)
{
	return window->percent >= least && window->percent <= most;
}

/*
 * Is a budget kept, and time counted? On a busy host a thread may get less than it asks for, and what the
 * host takes for others counts as its own, in the middle of a turn too, which the module counts when it is
 * over; so it is enough that one window of several has it right.
 */
static void keeps(long long ns, double least, double most)
{
	struct window window;
	int try = 0;

	do
		window = window_over(ns);
	while (++try < 20 && !(agrees(&window) && within(&window, least, most)));
	pf_note("used %.1f %%, try %d", window.percent, try);
	CHECK(within(&window, least, most), "used %.1f %%, not %.0f to %.0f", window.percent, least, most);
	CHECK(agrees(&window), "cpu_ns says %lld ns, the kernel %lld", window.counted_ns, window.used_ns);
}

static void keeps_budget(int budget, double least, double most)
{
	pf_set("cpu_percent", budget);
	/* The first slice may be whole before the first pause. */
	window_over(20 * 1000 * 1000);
	keeps(budget * 25 * 1000 * 1000LL, least, most);
}

static void percent(void)
{
	struct pf_vm vm;

	pf_vm_start(&vm, LARGE, PF_PLAIN, unique);
	pf_register(vm.pid, "");
	pf_set("cpu_percent", 10);
	CHECK(pf_get("cpu_percent_now") == 0, "%lld while stopped", pf_get("cpu_percent_now"));
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("cpu_percent_now") == 10), "%lld", pf_get("cpu_percent_now"));
	find_threads();
	keeps_budget(10, 4, 16);
	keeps_budget(40, 16, 55);
	pf_vm_stop(&vm);
}

/* Time is counted of all threads, and all of it. */
static void accounts(void)
{
	struct pf_vm a, b;

	pf_vm_start(&a, LARGE, PF_PLAIN, unique);
	pf_vm_start(&b, LARGE, PF_PLAIN, pairs);
	pf_register(a.pid, "");
	pf_register(b.pid, "");
	pf_set("threads", 2);
	pf_run(1);
	find_threads();
	/* Whatever they get. */
	keeps(2000 * 1000 * 1000LL, 0, 1000);
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

/* auto spends more while it finds, and less once there is nothing left to find. */
static void automatic(void)
{
	long long most = 0, now;
	struct pf_vm vm;

	pf_vm_start(&vm, LARGE, PF_PLAIN, pairs);
	pf_register(vm.pid, "");
	REQUIRE(pf_put("cpu_percent", "auto") == 0, "auto");
	pf_run(1);
	CHECK(PF_UNTIL((now = pf_get("cpu_percent_now"), most = now > most ? now : most,
			pf_get("folded_pages") == LARGE)), "%lld folded", pf_get("folded_pages"));
	CHECK(most > AUTO_FIRST && most <= 50, "%lld %% while it found", most);
	CHECK(PF_UNTIL(pf_get("cpu_percent_now") < most), "stays at %lld with nothing to find", most);
	pf_note("at most %lld %%, %lld %% when idle", most, pf_get("cpu_percent_now"));
	pf_vm_stop(&vm);
}

/* A small VM beside a huge one makes its passes: it need not wait for the huge one's. */
static void share(void)
{
	struct pf_vm small, large;
	long long passes;

	pf_vm_start(&large, LARGE, PF_PLAIN, unique);
	pf_vm_start(&small, SMALL, PF_PLAIN, unique);
	pf_register(large.pid, "domain=large");
	pf_register(small.pid, "domain=small");
	pf_run(1);
	/* Many, because the host may take the CPU from one's turn for as long as a pass of the other one takes. */
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", large.pid) >= LARGE_PASSES), "no passes");
	passes = pf_get("vms/%d/passes", small.pid);
	CHECK(passes >= 4 * LARGE_PASSES, "%lld passes of the small VM in %d of the large one", passes, LARGE_PASSES);
	pf_vm_stop(&small);
	pf_vm_stop(&large);
}

/* Equal VMs of unequal share get pages in about that proportion. */
static void shares_weigh(void)
{
	struct pf_vm a, b;
	long long of_a, of_b;

	pf_vm_start(&a, LARGE / 2, PF_PLAIN, unique);
	pf_vm_start(&b, LARGE / 2, PF_PLAIN, unique);
	pf_register(a.pid, "domain=a share=400");
	pf_register(b.pid, "domain=b share=100");
	pf_run(1);
	/* Many, because a turn is charged for what the host takes from it: so long that it does not decide. */
	REQUIRE(PF_UNTIL(pf_get("vms/%d/scanned_pages", a.pid) >= 128 * LARGE), "%lld",
		pf_get("vms/%d/scanned_pages", a.pid));
	pf_run(0);
	of_a = pf_get("vms/%d/scanned_pages", a.pid);
	of_b = pf_get("vms/%d/scanned_pages", b.pid);
	pf_note("%lld against %lld pages", of_a, of_b);
	CHECK(of_a > 2 * of_b, "%lld against %lld", of_a, of_b);
	CHECK(of_b > of_a / 16, "%lld against %lld: starved", of_a, of_b);
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static const int edges[] = { 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072,
			     262144, 524288 };

/* How many batches there were in each bucket of the histogram since @counts was filled; fills it anew. */
static void holds_since(long long *counts, long long *since)
{
	size_t i;

	for (i = 0; i <= PF_COUNT(edges); i++) {
		long long now = i < PF_COUNT(edges) ? pf_get("lock_hold/lt_%dus", edges[i]) :
						      pf_get("lock_hold/ge_524288us");

		since[i] = now - counts[i];
		counts[i] = now;
	}
}

/* Below how many us nine tenths of the batches held the lock. */
static int ninetieth(const long long *counts)
{
	long long sum = 0, so_far = 0;
	size_t i;

	for (i = 0; i <= PF_COUNT(edges); i++)
		sum += counts[i];
	for (i = 0; i < PF_COUNT(edges); i++) {
		so_far += counts[i];
		if (so_far * 10 >= sum * 9)
			return edges[i];
	}
	return 2 * edges[PF_COUNT(edges) - 1];
}

/* Sum over the histogram, and whether the longest hold is in the last bucket that counts. */
static long long holds(void)
{
	long long sum = 0, count, last = 0, max = pf_get("lock_hold/max_us");
	size_t i;

	for (i = 0; i < PF_COUNT(edges); i++) {
		count = pf_get("lock_hold/lt_%dus", edges[i]);
		sum += count;
		if (count)
			last = edges[i];
	}
	count = pf_get("lock_hold/ge_524288us");
	sum += count;
	if (!count && sum)
		CHECK(max < last && max >= (last == 16 ? 0 : last / 2), "max %lld us, last bucket below %lld us",
		      max, last);
	return sum;
}

/* Soon each page has a frame to fold with, so that a batch is as long as it may be. */
static uint64_t common(size_t i)
{
	return 1 + i % 16;
}

/* How many batches it takes with this knob, and their 90th percentile in us. */
static long long batches_with(int limit_us, int *percentile)
{
	static long long counts[PF_COUNT(edges) + 1];
	long long batches, since[PF_COUNT(edges) + 1];
	struct pf_vm vm;

	pf_set("run", 0);
	batches = holds();
	holds_since(counts, since);
	pf_set("lock_hold_max_us", limit_us);
	/* We want the CPU now and then as well. */
	pf_set("busy_hold_max_us", limit_us);
	pf_vm_start(&vm, LARGE / 4, PF_PLAIN, common);
	pf_register(vm.pid, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == LARGE / 4), "%lld", pf_get("folded_pages"));
	pf_run(0);
	batches = holds() - batches;
	holds_since(counts, since);
	*percentile = ninetieth(since);
	pf_note("%d us: %lld batches, nine tenths below %d us, longest %lld us", limit_us, batches, *percentile,
		pf_get("lock_hold/max_us"));
	pf_vm_stop(&vm);
	REQUIRE(PF_UNTIL(pf_get("vms_registered") == 0), "entry stays");
	return batches;
}

static void lock_hold(void)
{
	long long few, many;
	int large, small;

	CHECK(holds() == 0, "%lld before any scan", holds());
	few = batches_with(1000000, &large);
	CHECK(few > 0 && few <= LARGE / 4, "%lld", few);
	many = batches_with(50, &small);
	CHECK(many > few, "%lld batches of at most 50 us, %lld of at most a second", many, few);
	/*
	 * How long a page takes depends on the machine, so what is compared is the same machine's; one step
	 * of the histogram may be noise. Where a batch as long as can be takes little more than 50 us there is
	 * nothing to compare.
	 */
	CHECK(small * 4 <= large || small <= 128,
	      "the knob goes from 50 us to a second, the 90th percentile from %d to %d us", small, large);
}

/* As the kernel has it; the C library of today has no name for it. */
struct attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

static struct attributes attributes_of(pid_t pid)
{
	struct attributes attr;

	REQUIRE(syscall(SYS_sched_getattr, pid, &attr, sizeof(attr), 0) == 0, "%d: %s", pid, strerror(errno));
	return attr;
}

/* Whoever wakes goes before a scan thread: those have slices longer than ours, where slices are told. */
static void gives_way(void)
{
	struct attributes ours = attributes_of(0), theirs;
	size_t i;

	pf_set("threads", 2);
	pf_run(1);
	find_threads();
	for (i = 0; i < nr_threads; i++) {
		theirs = attributes_of(threads[i]);
		CHECK(theirs.policy == SCHED_BATCH, "policy %u", theirs.policy);
		CHECK(theirs.nice == 5, "nice %d", theirs.nice);
		CHECK(!ours.runtime || theirs.runtime > ours.runtime, "slices of %llu and %llu ns",
		      (unsigned long long)theirs.runtime, (unsigned long long)ours.runtime);
	}
}

static void stay_on_cpu(pid_t pid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	REQUIRE(sched_setaffinity(pid, sizeof(cpus), &cpus) == 0, "%d: %s", pid, strerror(errno));
}

/* Somebody who wants the first CPU every millisecond, until it is killed. */
static pid_t crowd_new(void)
{
	const struct timespec nap = { .tv_nsec = 1000 * 1000 };
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on_cpu(0, 0);
	for (;;)
		nanosleep(&nap, NULL);
}

/* How many batches it takes on a CPU that others want, with this knob. */
static long long batches_busy(int limit_us)
{
	struct pf_vm vm;
	long long batches;

	pf_set("lock_hold_max_us", 1000000);
	pf_set("busy_hold_max_us", limit_us);
	pf_run(1);
	find_threads();
	stay_on_cpu(threads[0], 0);
	pf_vm_start(&vm, LARGE / 4, PF_PLAIN, common);
	batches = holds();
	pf_register(vm.pid, "");
	CHECK(PF_UNTIL(pf_get("folded_pages") == LARGE / 4), "%lld", pf_get("folded_pages"));
	pf_run(0);
	batches = holds() - batches;
	pf_note("%d us: %lld batches", limit_us, batches);
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
	REQUIRE(PF_UNTIL(pf_get("vms_registered") == 0), "entry stays");
	return batches;
}

/*
 * Others wait for a batch: where they keep coming to its CPU there are more of them, and elsewhere, if there is
 * such a CPU for us who look on, there are not.
 */
static void busy_hold(void)
{
	pid_t crowd = crowd_new();
	long long few = batches_busy(1000000), many = batches_busy(1), alone;

	CHECK(many > 2 * few, "%lld batches of at most 1 us, %lld of at most a second", many, few);
	kill(crowd, SIGKILL);
	waitpid(crowd, NULL, 0);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return;
	stay_on_cpu(0, 1);
	alone = batches_busy(1);
	CHECK(alone < many / 2, "%lld batches where nobody comes, %lld where somebody does", alone, many);
}

static const struct pf_test tests[] = {
	{ "gives_way", gives_way },
	{ "busy_hold", busy_hold },
	{ "percent", percent },
	{ "accounts", accounts },
	{ "automatic", automatic },
	{ "share", share },
	{ "shares_weigh", shares_weigh },
	{ "lock_hold", lock_hold },
};

PF_MAIN(tests)
