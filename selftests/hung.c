// SPDX-License-Identifier: GPL-2.0-only
/*
 * hung.c: a VM whose memory map stays locked holds up itself, not other VMs and not unloading.
 *
 * A thread that populates much memory has the map locked for reading all the while, and one that wants
 * to map something waits for it: from then on nobody gets the lock.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define PAGES 256
#define PASSES 3
#define TRIES 5
/* Takes seconds to populate where processors are emulated, and a tenth of one where they are not. */
#define MUCH (512ul << 20)

/* What the process that hangs and the test tell each other. */
struct hung {
	pid_t pid;
	pid_t waiter;
	void *mem;
	size_t size;
	atomic_bool hang;
	atomic_bool over;
};

static uint64_t unlike(size_t i)
{
	return 1000 + i;
}

static uint64_t other(size_t i)
{
	return 100000 + i;
}

static void *map_something(void *arg)
{
	struct hung *hung = arg;

	hung->waiter = syscall(SYS_gettid);
	while (!atomic_load(&hung->hang))
		sched_yield();
	/* What comes before somebody populates finds nothing in the way. */
	while (!atomic_load(&hung->over))
		munmap(mmap(NULL, PF_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PF_PAGE);
	return NULL;
}

/* Hang whenever told to, until the memory is populated. */
static void hang(struct hung *hung)
{
	pthread_t thread;
	void *much;

	for (;;) {
		pthread_create(&thread, NULL, map_something, hung);
		while (!atomic_load(&hung->hang))
			sched_yield();
		much = mmap(NULL, hung->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
		madvise(much, hung->size, MADV_NOHUGEPAGE);
		madvise(much, hung->size, MADV_POPULATE_WRITE);
		atomic_store(&hung->over, true);
		pthread_join(thread, NULL);
		munmap(much, hung->size);
		atomic_store(&hung->hang, false);
	}
}

static struct hung *hung_start(void)
{
	struct hung *hung = mmap(NULL, PF_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	REQUIRE(hung != MAP_FAILED, "mmap: %s", strerror(errno));
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		void *mem = pf_map(PAGES, PF_PLAIN);

		pf_fill_all(mem, PAGES, unlike);
		pf_settle(mem);
		hung->mem = mem;
		hang(hung);
	}
	hung->pid = pid;
	REQUIRE(PF_UNTIL(*(void *volatile *)&hung->mem), "the process does not begin");
	return hung;
}

static void hung_stop(struct hung *hung)
{
	kill(hung->pid, SIGKILL);
	REQUIRE(waitpid(hung->pid, NULL, 0) == hung->pid, "waitpid");
	munmap(hung, PF_PAGE);
}

/* Does the thread that maps something wait for a lock just now? */
static bool waits_now(const struct hung *hung)
{
	char path[64], stat[512] = "";
	FILE *file;
	char *end;

	sprintf(path, "/proc/%d/task/%d/stat", hung->pid, hung->waiter);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(stat, sizeof(stat), file))
		stat[0] = 0;
	fclose(file);
	end = strrchr(stat, ')');
	return end && end[2] == 'D';
}

/* For a moment it may wait for others too. */
static bool waits(const struct hung *hung)
{
	int look;

	for (look = 0; look < 50; look++)
		if (!waits_now(hung))
			return false;
	return true;
}

/* Have it hang, for longer with each try: how long depends on how fast the host is. */
static void hung_begin(struct hung *hung, int try)
{
	const size_t most = pf_field("/proc/meminfo", "MemAvailable") * 1024 / 4;

	REQUIRE(PF_UNTIL(!atomic_load(&hung->hang)), "it hangs still");
	atomic_store(&hung->over, false);
	hung->size = MUCH << try;
	if (hung->size > most)
		hung->size = most;
	atomic_store(&hung->hang, true);
	REQUIRE(PF_UNTIL(waits(hung) || atomic_load(&hung->over)), "it does not hang");
}

/*
 * What hints name lies in a VM that hangs: whoever met them is scanned all the same, by one thread of
 * two, and folds with it afterwards.
 */
static void peer(void)
{
	void *mem = pf_map(PAGES, PF_PLAIN);
	struct hung *hung = hung_start();
	long long before = 0, passes = 0;
	int try;

	pf_set("threads", 2);
	pf_set("rest_passes_max", 0);
	pf_register(hung->pid, "");
	pf_register(getpid(), "");
	pf_run(1);
	for (try = 0; try < TRIES && passes < PASSES; try++) {
		pf_fill_all(mem, PAGES, other);
		pf_settle(mem);
		REQUIRE(pf_passes(hung->pid, 2), "it is not scanned");
		hung_begin(hung, try);
		pf_fill_all(mem, PAGES, unlike);
		before = pf_get("vms/%d/passes", getpid());
		while (!atomic_load(&hung->over) && passes < PASSES)
			passes = pf_get("vms/%d/passes", getpid()) - before;
	}
	pf_note("%d tries", try);
	CHECK(passes >= PASSES, "%lld passes while another VM hangs", passes);
	CHECK(PF_UNTIL((pf_settle(mem), pf_frames_in(getpid(), mem, PAGES) == PAGES)), "%zu folded afterwards",
	      pf_frames_in(getpid(), mem, PAGES));
	CHECK(pf_wrong(mem, PAGES, unlike) == 0, "content changed");
	hung_stop(hung);
}

/* Other VMs' working sets are sampled. */
static void sampling(void)
{
	struct hung *hung = hung_start();
	long long before, sampled = 0;
	struct pf_vm vm;
	int try;

	pf_vm_start(&vm, PAGES, PF_PLAIN, other);
	pf_sample_fast();
	pf_register(hung->pid, "");
	pf_register(vm.pid, "");
	for (try = 0; try < TRIES && sampled < PASSES * PAGES; try++) {
		hung_begin(hung, try);
		before = pf_get("vms/%d/wss_sampled_pages", vm.pid);
		while (!atomic_load(&hung->over) && sampled < PASSES * PAGES)
			sampled = pf_get("vms/%d/wss_sampled_pages", vm.pid) - before;
	}
	pf_note("%d tries", try);
	CHECK(sampled >= PASSES * PAGES, "%lld pages sampled while another VM hangs", sampled);
	pf_vm_stop(&vm);
	hung_stop(hung);
}

/* Unloading tells whoever waits for it: to unfold it, to register it, to have a thread let go of it. */
static void unloaded(void)
{
	char attr[64];
	int ret = 0, try;
	bool early = false;

	for (try = 0; try < TRIES && !early && !ret; try++) {
		struct hung *hung = hung_start(), *stranger = hung_start();
		pid_t writers[3];
		size_t i;

		if (!pf_loaded())
			pf_load();
		sprintf(attr, "vms/%d/unfold", hung->pid);
		pf_register(hung->pid, "");
		pf_run(1);
		REQUIRE(pf_passes(hung->pid, 1), "it is not scanned");
		hung_begin(hung, try);
		hung_begin(stranger, try);
		for (i = 0; i < PF_COUNT(writers); i++) {
			writers[i] = fork();
			REQUIRE(writers[i] >= 0, "fork: %s", strerror(errno));
			if (!writers[i] && i == 0)
				_exit(-pf_put(attr, "1"));
			if (!writers[i] && i == 1)
				_exit(-pf_put("register", "%d", stranger->pid));
			if (!writers[i])
				_exit(-pf_put("unregister", "%d unfold", hung->pid));
		}
		ret = pf_rmmod();
		early = !atomic_load(&hung->over) && !atomic_load(&stranger->over);
		for (i = 0; i < PF_COUNT(writers); i++)
			waitpid(writers[i], NULL, 0);
		hung_stop(hung);
		hung_stop(stranger);
	}
	pf_note("%d tries", try);
	CHECK(ret == 0, "rmmod: %s", strerror(-ret));
	CHECK(early, "unloading waited for a VM that hangs");
}

static const struct pf_test tests[] = {
	{ "peer", peer },
	{ "sampling", sampling },
	{ "unloaded", unloaded },
};

PF_MAIN(tests)
