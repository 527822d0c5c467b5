// SPDX-License-Identifier: GPL-2.0-only
/*
 * unfold.c: every folded page gets memory of its own again: all of them, one VM's, or when it leaves.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define PAGES 2048
#define MOVED 64
#define BIG 16384

static uint64_t kinds(size_t i)
{
	return i % 4 == 0 ? 0 : 1 + i % 100;
}

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

/* No page is a frame, and no two pages are one. */
static void all_private(struct pf_vm *vm)
{
	uint64_t pfns[PAGES], zero = pf_zero_pfn();
	size_t i, k, doubled = 0;

	CHECK(pf_frames_in(vm->pid, vm->mem, PAGES) == 0, "%zu frames left",
	      pf_frames_in(vm->pid, vm->mem, PAGES));
	for (i = 0; i < PAGES; i++)
		pfns[i] = pf_pfn(vm->pid, pf_page(vm->mem, i));
	for (i = 0; i < PAGES; i++)
		for (k = i + 1; k < PAGES; k++)
			doubled += pfns[i] && pfns[i] != zero && pfns[i] == pfns[k];
	CHECK(doubled == 0, "%zu pairs of pages share memory", doubled);
	CHECK(pf_vm_wrong(vm) == 0, "content changed");
}

static void folded(struct pf_vm *vm, const char *options)
{
	long long before = pf_get("folded_pages");

	pf_vm_start(vm, PAGES, PF_PLAIN, kinds);
	pf_register(vm->pid, options);
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == before + PAGES / 4 * 3), "%lld",
		pf_get("folded_pages"));
}

static void run_2(void)
{
	struct pf_vm vm;
	long long anon;

	folded(&vm, "");
	pf_run(2);
	CHECK(pf_get("run") == 2, "%lld", pf_get("run"));
	CHECK(pf_get("folded_pages") == 0, "%lld", pf_get("folded_pages"));
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	CHECK(pf_get("frames_freed") == pf_get("frames_allocated"), " ");
	CHECK(pf_get("unfolds") >= PAGES / 4 * 3, "%lld", pf_get("unfolds"));
	CHECK(pf_get("vms/%d/unfolds", vm.pid) >= PAGES / 4 * 3, "%lld", pf_get("vms/%d/unfolds", vm.pid));
	anon = pf_smaps(vm.pid, vm.mem, "Anonymous");
	CHECK(anon >= PAGES / 4 * 3 * 4, "%lld KiB anonymous", anon);
	all_private(&vm);
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == PAGES / 4 * 3), "%lld after run=1 again",
	      pf_get("folded_pages"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

static void per_vm(void)
{
	struct pf_vm a, b;
	char attr[64];

	folded(&a, "domain=a");
	folded(&b, "domain=b");
	pf_run(0);
	sprintf(attr, "vms/%d/unfold", a.pid);
	CHECK(pf_put(attr, "1") == 0, "unfold");
	CHECK(pf_get("vms/%d/folded_pages", a.pid) == 0, "%lld", pf_get("vms/%d/folded_pages", a.pid));
	all_private(&a);
	CHECK(pf_get("vms/%d/folded_pages", b.pid) == PAGES / 4 * 3, "%lld",
	      pf_get("vms/%d/folded_pages", b.pid));
	CHECK(pf_frames_in(b.pid, b.mem, PAGES) == PAGES / 4 * 3, "the other VM was unfolded too");
	CHECK(pf_vm_wrong(&b) == 0, "content changed");
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static void unregister_unfold(void)
{
	struct pf_vm vm;

	folded(&vm, "");
	CHECK(pf_put("unregister", "%d unfold", vm.pid) == 0, "unregister unfold");
	CHECK(!pf_registered(vm.pid), "still registered");
	all_private(&vm);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	CHECK(pf_get("folded_pages") == 0, "%lld", pf_get("folded_pages"));
	pf_vm_stop(&vm);
}

/* Without "unfold" the frames stay mapped, and stay right. */
static void unregister_keeps(void)
{
	struct pf_vm vm;

	folded(&vm, "");
	pf_set("unregister", vm.pid);
	CHECK(!pf_registered(vm.pid), "still registered");
	CHECK(pf_frames_in(vm.pid, vm.mem, PAGES) == PAGES / 4 * 3, "%zu",
	      pf_frames_in(vm.pid, vm.mem, PAGES));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_write(&vm, 1, 4242);
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	/* Coming back, its pages are found where they are. */
	pf_register(vm.pid, "");
	REQUIRE(pf_passes(vm.pid, 2), "no passes");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_run(2);
	all_private(&vm);
	pf_vm_stop(&vm);
}

/* So many that unfolding the first is over long before the last one's is. */
static struct pf_vm many[12];

static void folded_many(void)
{
	static char any_page[PF_PAGE] = { 1 };
	size_t i;

	for (i = 0; i < PF_COUNT(many); i++)
		if (!many[i].pid)
			folded(&many[i], "");
	pf_run(1);
	/* What was unfolded may wait in lists of its CPU. */
	REQUIRE(PF_UNTIL((pf_settle(any_page), pf_get("folded_pages") == PF_COUNT(many) * (PAGES / 4 * 3))),
		"%lld", pf_get("folded_pages"));
}

static void many_right(void)
{
	size_t i;

	for (i = 0; i < PF_COUNT(many); i++)
		CHECK(pf_vm_wrong(&many[i]) == 0, "content changed");
}

static void many_stop(void)
{
	size_t i;

	for (i = 0; i < PF_COUNT(many); i++)
		pf_vm_stop(&many[i]);
}

static void nothing(int signal)
{
}

/* Writes in a process of its own, which ends with the error. Whoever interrupts it goes before it. */
static pid_t writer_start(const char *attr, const char *value)
{
	struct sigaction action = { .sa_handler = nothing };
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		sigaction(SIGALRM, &action, NULL);
		setpriority(PRIO_PROCESS, 0, 19);
		_exit(-pf_put(attr, "%s", value));
	}
	return pid;
}

static int writer_end(pid_t pid)
{
	int status;

	REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "the writer died");
	return -WEXITSTATUS(status);
}

static void by_signal(pid_t writer)
{
	kill(writer, SIGALRM);
}

static void by_stop(pid_t writer)
{
	CHECK(pf_put("run", "0") == 0, "run=0");
}

static long long frames_of_many(void)
{
	long long frames = 0;
	size_t i;

	for (i = 0; i < PF_COUNT(many); i++)
		frames += pf_frames_in(many[i].pid, many[i].mem, PAGES);
	return frames;
}

/*
 * Something comes when the first VM is unfolded and others are not: EINTR, run reads 0, every page is
 * right, and run=2 goes on. Whoever is kept from coming in time comes once more.
 */
static void interrupted(void (*interrupt)(pid_t writer))
{
	int ret = 0, try;

	/* The last look finds nothing folded, and may be what is interrupted. */
	for (try = 0; try < 10 && (!ret || (ret == -EINTR && !pf_get("folded_pages"))); try++) {
		long long before;
		pid_t writer;

		folded_many();
		before = pf_get("unfolds");
		writer = writer_start("run", "2");
		REQUIRE(PF_UNTIL(pf_get("unfolds") > before), "nothing is unfolded");
		interrupt(writer);
		ret = writer_end(writer);
	}
	CHECK(ret == -EINTR, "run=2 gives %s", strerror(-ret));
	CHECK(pf_get("run") == 0, "run reads %lld", pf_get("run"));
	CHECK(pf_get("folded_pages") > 0, "nothing was left to unfold");
	CHECK(pf_get("folded_pages") == frames_of_many(), "%lld counted, %lld are",
	      pf_get("folded_pages"), frames_of_many());
	many_right();
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	all_private(&many[0]);
	many_right();
	many_stop();
}

static void signalled(void)
{
	interrupted(by_signal);
}

static void stopped(void)
{
	interrupted(by_stop);
}

/*
 * A signal comes when the lower end of one VM is unfolded and the upper end is not, however that was
 * asked for: EINTR, and it goes on when it is asked for again.
 */
static void one_interrupted(struct pf_vm *vm, const char *attr, const char *value)
{
	char domain[64], *last = pf_page(vm->mem, BIG - 1);
	int ret = 0, try;

	sprintf(domain, "vms/%d/domain", vm->pid);
	/* See above. */
	for (try = 0; try < 10 && (!ret || (ret == -EINTR && !pf_is_frame(vm->pid, last))); try++) {
		static char any_page[PF_PAGE] = { 1 };
		pid_t writer;

		/* What came too late the last time is asked for again only if it is undone. */
		if (!pf_registered(vm->pid))
			pf_register(vm->pid, "");
		REQUIRE(pf_put(domain, "default") == 0, "domain");
		pf_run(1);
		REQUIRE(PF_UNTIL((pf_settle(any_page), pf_get("folded_pages") == BIG)), "%lld",
			pf_get("folded_pages"));
		pf_run(0);
		writer = writer_start(attr, value);
		REQUIRE(PF_UNTIL(!pf_is_frame(vm->pid, vm->mem)), "%s: nothing is unfolded", attr);
		by_signal(writer);
		ret = writer_end(writer);
	}
	CHECK(ret == -EINTR, "%s gives %s", attr, strerror(-ret));
	CHECK(pf_registered(vm->pid), "%s: no longer registered", attr);
	CHECK(pf_is_frame(vm->pid, last), "%s: nothing was left to unfold", attr);
	CHECK(pf_vm_wrong(vm) == 0, "%s: content changed", attr);
}

static void one_signalled(void)
{
	char attr[64], text[64];
	struct pf_vm vm;

	pf_vm_start(&vm, BIG, PF_PLAIN, pairs);
	pf_register(vm.pid, "");
	sprintf(attr, "vms/%d/unfold", vm.pid);
	one_interrupted(&vm, attr, "1");
	CHECK(pf_put(attr, "1") == 0, "unfold");
	CHECK(pf_frames_in(vm.pid, vm.mem, BIG) == 0, "unfold leaves frames");

	sprintf(attr, "vms/%d/domain", vm.pid);
	one_interrupted(&vm, attr, "other");
	CHECK(pf_read(attr, text, sizeof(text)) && !strcmp(text, "default\n"), "domain '%s'", text);
	CHECK(pf_put(attr, "other") == 0, "domain");
	CHECK(pf_frames_in(vm.pid, vm.mem, BIG) == 0, "frames of the old domain");

	sprintf(text, "%d unfold", vm.pid);
	one_interrupted(&vm, "unregister", text);
	CHECK(pf_put("unregister", "%s", text) == 0, "unregister");
	CHECK(pf_frames_in(vm.pid, vm.mem, BIG) == 0, "unregister leaves frames");
	CHECK(!pf_registered(vm.pid), "still registered");
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

/* Frames behind mappings that may not be written, or not even read, leave the domain too. */
static void hidden(void)
{
	static const struct {
		const char *what;
		int prot;
	} ways[] = { { "PROT_NONE", PROT_NONE }, { "PROT_READ", PROT_READ } };
	char attr[64], *mem = pf_map(PAGES, PF_PLAIN);
	pid_t self = getpid();
	size_t i;

	pf_fill_all(mem, PAGES, pairs);
	pf_settle(mem);
	pf_register(self, "");
	sprintf(attr, "vms/%d/domain", self);
	for (i = 0; i < PF_COUNT(ways); i++) {
		int ret;

		pf_run(1);
		REQUIRE(PF_UNTIL((pf_settle(mem), pf_frames_in(self, mem, PAGES) == PAGES)), "%zu",
			pf_frames_in(self, mem, PAGES));
		pf_run(0);
		REQUIRE(mprotect(mem, PAGES * PF_PAGE, ways[i].prot) == 0, "mprotect");
		CHECK(pf_frames_in(self, mem, PAGES) == PAGES, "%s alone unfolds", ways[i].what);
		ret = pf_put(attr, "%s", ways[i].what);
		CHECK(ret == 0, "%s: domain: %s", ways[i].what, strerror(-ret));
		CHECK(pf_frames_in(self, mem, PAGES) == 0, "%s: %zu frames of the old domain", ways[i].what,
		      pf_frames_in(self, mem, PAGES));
		REQUIRE(mprotect(mem, PAGES * PF_PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
		CHECK(pf_wrong(mem, PAGES, pairs) == 0, "%s: content changed", ways[i].what);
	}
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
}

/* A write of 0 to run is nothing to the unfolding of one VM: that was asked for by somebody else. */
static void stop_spares_others(void)
{
	pid_t stoppers[4];
	char attr[64];
	size_t i;

	folded_many();
	pf_run(0);
	/* So many that one of them waits for another most of the time. */
	for (i = 0; i < PF_COUNT(stoppers); i++) {
		stoppers[i] = fork();
		while (!stoppers[i])
			pf_put("run", "0");
	}
	for (i = 0; i < PF_COUNT(many); i++) {
		int ret;

		sprintf(attr, "vms/%d/domain", many[i].pid);
		ret = pf_put(attr, "other");
		CHECK(ret == 0, "the domain was not changed: %s", strerror(-ret));
		CHECK(pf_frames_in(many[i].pid, many[i].mem, PAGES) == 0, "frames of the old domain");
	}
	for (i = 0; i < PF_COUNT(stoppers); i++) {
		kill(stoppers[i], SIGKILL);
		waitpid(stoppers[i], NULL, 0);
	}
	many_right();
	many_stop();
}

/* Unloads while all is being unfolded. Returns how many frames that leaves. */
static long long unload_while_unfolding(void)
{
	pid_t writers[3];
	long long frames;
	size_t i;
	int ret;

	folded_many();
	writers[0] = writer_start("run", "2");
	REQUIRE(PF_UNTIL(pf_get("unfolds") > 0), "nothing is unfolded");
	/* Nobody asks to stop: that would end it too. */
	writers[1] = writer_start("run", "2");
	writers[2] = writer_start("run", "2");
	ret = pf_rmmod();
	CHECK(ret == 0, "rmmod: %s", strerror(-ret));
	for (i = 0; i < PF_COUNT(writers); i++) {
		ret = writer_end(writers[i]);
		CHECK(ret == 0 || ret == -EINTR || ret == -ENODEV || ret == -ENOENT, "writer %zu gets %s", i,
		      strerror(-ret));
	}
	frames = frames_of_many();
	many_right();
	many_stop();
	memset(many, 0, sizeof(many));
	return frames;
}

/*
 * Unloading waits neither for whoever unfolds now nor for who asked next: both are told, and what they have not
 * come to stays folded. Whoever is kept from unloading in time does it once more.
 */
static void unloaded(void)
{
	long long frames = 0;
	int try;

	for (try = 0; try < 10 && !frames; try++) {
		if (!pf_loaded())
			pf_load();
		frames = unload_while_unfolding();
	}
	CHECK(frames > 0, "all was unfolded first, %d times", try);
}

static char *slots[2];
static atomic_bool move_now;
static double move_after;

/* Carries the folded pages down, when the walk is somewhere between the two places. */
static void *mover(void *arg)
{
	double begin;

	while (!atomic_load(&move_now))
		;
	for (begin = pf_now(); pf_now() < begin + move_after;)
		;
	REQUIRE(mremap(slots[1], MOVED * PF_PAGE, MOVED * PF_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, slots[0]) ==
		slots[0], "mremap: %s", strerror(errno));
	return arg;
}

/*
 * Folded pages that move from before the walk to behind it while nothing else is folded. In between
 * lies memory that takes long to look at and does not fold. Moments all over the walk are tried.
 */
static void moved(void)
{
	size_t between = 16384, round, rounds = pf_scale(8);
	double took = 0;
	char attr[64], *mem;
	pthread_t thread;

	mem = mmap(NULL, (between + 2 * MOVED) * PF_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	madvise(mem, (between + 2 * MOVED) * PF_PAGE, MADV_NOHUGEPAGE);
	slots[0] = mem;
	slots[1] = pf_page(mem, MOVED + between);
	memset(pf_page(mem, MOVED), 1, between * PF_PAGE);
	REQUIRE(mprotect(pf_page(mem, MOVED), between * PF_PAGE, PROT_NONE) == 0, "mprotect");
	sprintf(attr, "vms/%d/domain", getpid());
	pf_register(getpid(), "");
	for (round = 0; round <= rounds; round++) {
		double begin;
		int ret;

		REQUIRE(mmap(slots[1], MOVED * PF_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == slots[1], "mmap");
		madvise(slots[1], MOVED * PF_PAGE, MADV_MERGEABLE);
		pf_fill_all(slots[1], MOVED, pairs);
		pf_settle(slots[1]);
		pf_run(1);
		REQUIRE(PF_UNTIL(pf_frames_in(getpid(), slots[1], MOVED) == MOVED), "%zu folded",
			pf_frames_in(getpid(), slots[1], MOVED));
		pf_run(0);
		/* The first round only tells how long one walk takes: two are made, to find and to find nothing. */
		atomic_store(&move_now, false);
		move_after = took / 2 * round / (rounds + 1);
		if (round)
			pthread_create(&thread, NULL, mover, NULL);
		begin = pf_now();
		atomic_store(&move_now, true);
		ret = pf_put(attr, round % 2 ? "odd" : "even");
		CHECK(ret == 0, "domain: %s", strerror(-ret));
		took = round ? took : pf_now() - begin;
		if (round)
			pthread_join(thread, NULL);
		CHECK(pf_frames_in(getpid(), slots[!round], MOVED) == 0, "round %zu: %zu frames of the old domain",
		      round, pf_frames_in(getpid(), slots[!round], MOVED));
		CHECK(pf_wrong(slots[!round], MOVED, pairs) == 0, "content changed");
		/* Not a hole: the next thread's stack might come there. */
		REQUIRE(mmap(slots[0], MOVED * PF_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
			slots[0], "mmap");
	}
	pf_note("two walks take %.3f s", took);
}

/* Nothing is there to unfold: it works and changes nothing. */
static void empty(void)
{
	pf_run(2);
	CHECK(pf_get("run") == 2, "%lld", pf_get("run"));
	CHECK(pf_get("unfolds") == 0, "%lld", pf_get("unfolds"));
}

static const struct pf_test tests[] = {
	{ "run_2", run_2 },
	{ "per_vm", per_vm },
	{ "unregister_unfold", unregister_unfold },
	{ "unregister_keeps", unregister_keeps },
	{ "signalled", signalled },
	{ "stopped", stopped },
	{ "one_signalled", one_signalled },
	{ "stop_spares_others", stop_spares_others },
	{ "hidden", hidden },
	{ "unloaded", unloaded },
	{ "moved", moved },
	{ "empty", empty },
};

PF_MAIN(tests)
