// SPDX-License-Identifier: GPL-2.0-only
/*
 * chaos.c: a process that changes its address space in every way while it is being folded.
 *
 * Each thread owns a range, knows what every page of it must hold, and does at random whatever an
 * unlucky VMM might do: unmap, move, protect, drop, fork, collapse. No page may ever differ.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <pthread.h>
#include <stdatomic.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define THREADS 3
#define PAGES 1024
/* So often a fast machine, that has folded all before anybody looks, is tried until one comes in time. */
#define ROUNDS_MAX 400

struct range {
	char *mem;
	uint64_t ids[PAGES];
	uint64_t random;
	long steps;
};

static struct range ranges[THREADS];
static atomic_bool stop;

/* Two thirds of all contents are drawn from few, so that there is always something to fold. */
static uint64_t any_id(struct range *r)
{
	uint64_t x = pf_rand(&r->random);

	return x % 6 == 0 ? 0 : x % 3 ? 1 + x / 64 % 20 : 1000 + x / 64 % 1000000;
}

static void verify(struct range *r, size_t first, size_t count)
{
	size_t i;

	for (i = first; i < first + count; i++)
		REQUIRE(pf_is(pf_page(r->mem, i), r->ids[i]), "page %zu of range %td after %ld steps", i,
			r - ranges, r->steps);
}

static void write_pages(struct range *r, size_t first, size_t count)
{
	size_t i;

	for (i = first; i < first + count; i++) {
		r->ids[i] = any_id(r);
		pf_fill(pf_page(r->mem, i), r->ids[i]);
	}
}

static void fresh(struct range *r, size_t first, size_t count)
{
	char *at = pf_page(r->mem, first);

	REQUIRE(mmap(at, count * PF_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at, "mmap: %s", strerror(errno));
	madvise(at, count * PF_PAGE, MADV_MERGEABLE);
	memset(&r->ids[first], 0, count * sizeof(r->ids[0]));
}

static void unmap(struct range *r, size_t first, size_t count)
{
	munmap(pf_page(r->mem, first), count * PF_PAGE);
	fresh(r, first, count);
	write_pages(r, first, count / 2);
}

/* Pages travel to the other half of the range with their content, and leave a hole behind. */
static void move(struct range *r, size_t first, size_t count)
{
	size_t to = (first + PAGES / 2) % PAGES;

	if (to + count > PAGES || (to < first + count && first < to + count))
		return;
	if (mremap(pf_page(r->mem, first), count * PF_PAGE, count * PF_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   pf_page(r->mem, to)) == MAP_FAILED) {
		/* Several mappings cannot move at once; the target is unmapped all the same. */
		REQUIRE(errno == EFAULT, "mremap: %s", strerror(errno));
		fresh(r, to, count);
		return;
	}
	memcpy(&r->ids[to], &r->ids[first], count * sizeof(r->ids[0]));
	fresh(r, first, count);
}

static void protect(struct range *r, size_t first, size_t count)
{
	mprotect(pf_page(r->mem, first), count * PF_PAGE, PROT_READ);
	verify(r, first, count);
	mprotect(pf_page(r->mem, first), count * PF_PAGE, PROT_NONE);
	mprotect(pf_page(r->mem, first), count * PF_PAGE, PROT_READ | PROT_WRITE);
	verify(r, first, count);
}

static void drop(struct range *r, size_t first, size_t count)
{
	madvise(pf_page(r->mem, first), count * PF_PAGE, MADV_DONTNEED);
	memset(&r->ids[first], 0, count * sizeof(r->ids[0]));
}

static void fork_one(struct range *r, size_t first, size_t count)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		verify(r, first, count);
		write_pages(r, first, count);
		verify(r, 0, PAGES);
		_exit(0);
	}
	write_pages(r, first, count / 2);
	waitpid(pid, &status, 0);
	REQUIRE(status == 0, "child: status %x", status);
}

static void huge(struct range *r, size_t first, size_t count)
{
	char *at = (char *)(((uintptr_t)r->mem + PF_HUGE - 1) & ~(PF_HUGE - 1));

	madvise(at, PF_HUGE, MADV_HUGEPAGE);
	madvise(at, PF_HUGE, MADV_COLLAPSE);
	verify(r, first, count);
}

static void lock_one(struct range *r, size_t first, size_t count)
{
	mlock(pf_page(r->mem, first), count * PF_PAGE);
	verify(r, first, count);
	munlock(pf_page(r->mem, first), count * PF_PAGE);
}

static const struct {
	void (*act)(struct range *r, size_t first, size_t count);
	int weight;
} acts[] = {
	{ write_pages, 30 }, { verify, 30 }, { unmap, 8 }, { move, 8 }, { protect, 8 }, { drop, 8 },
	{ lock_one, 4 }, { huge, 2 }, { fork_one, 2 },
};

static void *live(void *arg)
{
	struct range *r = arg;
	size_t i;

	while (!atomic_load(&stop)) {
		int dice = pf_rand(&r->random) % 100;
		size_t count = 1 + pf_rand(&r->random) % 48;
		size_t first = pf_rand(&r->random) % (PAGES - count);

		for (i = 0; i < PF_COUNT(acts) && (dice -= acts[i].weight) >= 0; i++)
			;
		acts[i].act(r, first, count);
		r->steps++;
	}
	verify(r, 0, PAGES);
	return NULL;
}

static bool enough_done(long steps, long long folds)
{
	size_t i;

	for (i = 0; i < THREADS; i++)
		if (__atomic_load_n(&ranges[i].steps, __ATOMIC_RELAXED) < steps)
			return false;
	return pf_get("folds") + pf_get("zero_folds") >= folds;
}

static void address_space(void)
{
	pthread_t threads[THREADS];
	pid_t self = getpid();
	size_t i;
	int round;

	for (i = 0; i < THREADS; i++) {
		ranges[i].random = 77 + i;
		ranges[i].mem = pf_map(PAGES, PF_MERGEABLE);
		write_pages(&ranges[i], 0, PAGES);
	}
	pf_settle(ranges[0].mem);
	pf_sample_fast();
	pf_register(self, "");
	pf_run(1);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, live, &ranges[i]);
	for (round = 1; round <= pf_scale(4); round++)
		if (!CHECK(PF_UNTIL(enough_done(round * 100, round * 2000)), "round %d: %lld folds", round,
			   pf_get("folds") + pf_get("zero_folds")))
			break;
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pf_note("%lld folds, %lld zero, %lld breaks", pf_get("folds"), pf_get("zero_folds"),
		pf_get("cow_breaks"));
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	for (i = 0; i < THREADS; i++)
		verify(&ranges[i], 0, PAGES);
}

static long long all_folds(void)
{
	return pf_get("folds") + pf_get("zero_folds");
}

static uint64_t pairs(size_t i)
{
	return i % 2 ? 0 : 1 + i / 4;
}

/*
 * Two VMs at once, killed at different depths of their first pass. Counters tell whether it was in the
 * middle: something was folded, and not all.
 */
static void killed_midfold(void)
{
	int round, middle = 0;
	struct pf_vm a, b;

	pf_sample_fast();
	pf_run(1);
	for (round = 0; round < pf_scale(20) || (!middle && round < ROUNDS_MAX); round++) {
		long long before = all_folds(), goal = before + 50 * (round % 10);

		pf_vm_start(&a, PAGES, PF_PLAIN, pairs);
		pf_vm_start(&b, PAGES, PF_PLAIN, pairs);
		pf_register(a.pid, "");
		pf_register(b.pid, "");
		REQUIRE(PF_UNTIL(all_folds() >= goal), "round %d", round);
		kill(a.pid, SIGKILL);
		kill(b.pid, SIGKILL);
		pf_vm_stop(&a);
		pf_vm_stop(&b);
		REQUIRE(PF_UNTIL(pf_get("vms_registered") == 0), "round %d: entries stay", round);
		middle += all_folds() > before && all_folds() < before + 2 * PAGES;
	}
	pf_note("%d of %d rounds in the middle", middle, round);
	CHECK(middle > 0, "no kill came in the middle of folding");
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld frames outlive their VMs", pf_get("frames"));
	CHECK(PF_UNTIL(pf_get("folded_pages") == 0 && pf_get("zero_pages") == 0), "%lld %lld",
	      pf_get("folded_pages"), pf_get("zero_pages"));
}

static void exec_midfold(void)
{
	int round, middle = 0;

	pf_sample_fast();
	pf_run(1);
	for (round = 0; round < pf_scale(20) || (!middle && round < ROUNDS_MAX); round++) {
		long long before = all_folds(), goal = before + 50 * (round % 10);
		int go[2], up[2];
		char byte = 0;
		pid_t pid;

		REQUIRE(!pipe(go) && !pipe(up), "pipe");
		pid = fork();
		if (!pid) {
			char *mem = pf_map(PAGES, PF_PLAIN);

			pf_fill_all(mem, PAGES, pairs);
			pf_settle(mem);
			REQUIRE(write(up[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1, "pipe");
			execl("/bin/busybox", "true", NULL);
			_exit(PF_FAIL);
		}
		REQUIRE(read(up[0], &byte, 1) == 1, "child died");
		pf_register(pid, "");
		REQUIRE(PF_UNTIL(all_folds() >= goal), "round %d", round);
		REQUIRE(write(go[1], &byte, 1) == 1, "child died");
		waitpid(pid, NULL, 0);
		REQUIRE(PF_UNTIL(pf_get("vms_registered") == 0), "round %d: entry stays", round);
		middle += all_folds() > before && all_folds() < before + PAGES;
		close(go[0]), close(go[1]), close(up[0]), close(up[1]);
	}
	pf_note("%d of %d rounds in the middle", middle, round);
	CHECK(middle > 0, "no exec came in the middle of folding");
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld frames outlive their VMs", pf_get("frames"));
}

/* Knobs turned at random under load: whatever they say, contents stay. */
static void knobs(void)
{
	static const struct {
		const char *attr;
		int values[4];
	} table[] = {
		{ "threads", { 1, 4, 2, 16 } }, { "fold_zero", { 0, 1, 0, 1 } },
		{ "rest_passes_max", { 0, 1, 31, 255 } },
		{ "thp_split_pages", { 1, 512, 64, 8 } }, { "lock_hold_max_us", { 50, 1000000, 200, 1000 } },
		{ "busy_hold_max_us", { 1, 1000000, 10, 1000 } },
		{ "run", { 0, 1, 2, 1 } }, { "pass_interval_ms", { 0, 1, 0, 5 } },
		{ "cpu_percent", { 100, 1, 50, 100 } }, { "wss_period_ms", { 0, 1, 30000, 1 } },
		{ "wss_samples", { 1, 10000, 100, 1000 } }, { "wss_cpu_permille", { 1000, 1, 5, 1000 } },
	};
	struct pf_vm a, b;
	int round;
	size_t i;

	pf_vm_start(&a, PAGES, PF_MERGEABLE, pairs);
	pf_vm_start(&b, PAGES, PF_MERGEABLE, pairs);
	pf_register(a.pid, "");
	pf_register(b.pid, "");
	pf_run(1);
	for (round = 0; round < pf_scale(40); round++) {
		for (i = 0; i < PF_COUNT(table); i++)
			if ((round + i) % 3 == 0)
				pf_set(table[i].attr, table[i].values[(round + i) % 4]);
		pf_vm_write(&a, round % PAGES, round);
		pf_vm_write(&b, round % PAGES, round);
		REQUIRE(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "round %d", round);
	}
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static const struct pf_test tests[] = {
	{ "address_space", address_space },
	{ "killed_midfold", killed_midfold },
	{ "exec_midfold", exec_midfold },
	{ "knobs", knobs },
};

PF_MAIN(tests)
