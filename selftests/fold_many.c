// SPDX-License-Identifier: GPL-2.0-only
/*
 * fold_many.c: half-duplicate memory folds exactly as far as its contents allow, in two passes.
 *
 * Counts are exact: what is missing would be a page lost to a race that nothing here provokes.
 */
#include "pf.h"

#define PAGES	8192	/* 32 MiB */
#define KINDS	500

static uint64_t half(size_t i)
{
	return i % 2 ? 1 + i / 2 % KINDS : 1000000 + i;
}

static uint64_t rewritten(size_t i)
{
	return i % 3 ? half(i) : 2000000 + i;
}

static void exact(long long folded)
{
	CHECK(PF_UNTIL(pf_get("folded_pages") == folded), "%lld folded", pf_get("folded_pages"));
	CHECK(PF_UNTIL(pf_get("frames") == KINDS), "%lld frames", pf_get("frames"));
	CHECK(pf_get("saved_bytes") == (folded - KINDS) * (long long)PF_PAGE, "%lld",
	      pf_get("saved_bytes"));
}

static void half_duplicate(void)
{
	pid_t self = getpid();
	long long anon, file, moved = PAGES / 2 * 4;
	char *mem = pf_map(PAGES, PF_PLAIN);
	size_t frames;

	pf_fill_all(mem, PAGES, half);
	pf_settle(mem);
	anon = pf_field("/proc/self/status", "RssAnon");
	file = pf_field("/proc/self/status", "RssFile");
	pf_register(self, "");
	pf_set("pass_interval_ms", 3600000);
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", self) == 1), "no pass");
	/* All but what somebody else held or locked just then, and what met another's tag. */
	CHECK(pf_get("folded_pages") >= PAGES / 2 * 99 / 100, "%lld folded in the first pass",
	      pf_get("folded_pages"));
	pf_note("%lld of %d folded in the first pass", pf_get("folded_pages"), PAGES / 2);
	pf_set("pass_interval_ms", 0);
	exact(PAGES / 2);
	/* Counters follow when the turn is over. */
	CHECK(PF_UNTIL(pf_get("folds") == PAGES / 2), "%lld folds", pf_get("folds"));
	CHECK(pf_get("frames_allocated") - pf_get("frames_freed") == pf_get("frames"), " ");
	CHECK(pf_get("vms/%d/folded_pages", self) == PAGES / 2, "%lld",
	      pf_get("vms/%d/folded_pages", self));
	CHECK(pf_get("vms/%d/eligible_bytes", self) == PAGES * (long long)PF_PAGE, "%lld",
	      pf_get("vms/%d/eligible_bytes", self));
	CHECK(pf_get("metadata_bytes") > 0, "no metadata?");
	frames = pf_frames_in(self, mem, PAGES);
	CHECK(frames == PAGES / 2, "%zu pages mapped from frames", frames);
	/* Per-CPU batches keep these counters off by some pages per CPU; smaps is exact. */
	anon -= pf_field("/proc/self/status", "RssAnon");
	file = pf_field("/proc/self/status", "RssFile") - file;
	CHECK(llabs(anon - moved) < 2048, "RssAnon fell by %lld KiB, not %lld", anon, moved);
	CHECK(llabs(file - moved) < 2048, "RssFile rose by %lld KiB, not %lld", file, moved);
	CHECK(pf_smaps(self, mem, "Anonymous") == PAGES / 2 * 4, "%lld",
	      pf_smaps(self, mem, "Anonymous"));
	CHECK(pf_smaps(self, mem, "Rss") == PAGES * 4, "%lld", pf_smaps(self, mem, "Rss"));
	CHECK(pf_wrong(mem, PAGES, half) == 0, "%zu pages wrong", pf_wrong(mem, PAGES, half));
}

static void rewrite(void)
{
	pid_t self = getpid();
	char *mem = pf_map(PAGES, PF_PLAIN);
	long long broken = 0;
	size_t i;

	pf_fill_all(mem, PAGES, half);
	pf_settle(mem);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
	for (i = 0; i < PAGES; i += 3) {
		broken += pf_is_frame(self, pf_page(mem, i));
		pf_fill(pf_page(mem, i), rewritten(i));
	}
	/*
	 * Between the copy and the write that asked for it a page is what it was, and may be folded once
	 * more: then it breaks once more.
	 */
	CHECK(PF_UNTIL(pf_get("cow_breaks") == broken + pf_get("folds") - PAGES / 2),
	      "%lld breaks counted, %lld made, %lld folds", pf_get("cow_breaks"), broken, pf_get("folds"));
	CHECK(PF_UNTIL(pf_get("folded_pages") == PAGES / 2 - broken), "%lld", pf_get("folded_pages"));
	CHECK(pf_wrong(mem, PAGES, rewritten) == 0, "%zu pages wrong", pf_wrong(mem, PAGES, rewritten));
}

/* Memory goes back: unmapping folded pages frees their frames, sooner or later. */
static void unmapped(void)
{
	pid_t self = getpid();
	char *mem = pf_map(PAGES, PF_PLAIN);

	pf_fill_all(mem, PAGES, half);
	pf_settle(mem);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
	munmap(mem, PAGES * PF_PAGE);
	CHECK(PF_UNTIL(pf_get("folded_pages") == 0), "%lld folded", pf_get("folded_pages"));
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld frames unused but kept", pf_get("frames"));
	CHECK(pf_get("frames_freed") == pf_get("frames_allocated"), "%lld of %lld freed",
	      pf_get("frames_freed"), pf_get("frames_allocated"));
}

/*
 * Pages that differ from others in their last 8 bytes alone: what tells them apart is found out, and
 * each folds with its like, whether that is the next one or @kinds away.
 */
static void alike_in(size_t pages, size_t kinds, bool next)
{
	char *mem = pf_map(pages, PF_PLAIN);
	size_t i, wrong = 0;

	for (i = 0; i < pages; i++) {
		pf_fill(pf_page(mem, i), 7);
		((uint64_t *)pf_page(mem, i + 1))[-1] = next ? i / (pages / kinds) : i % kinds;
	}
	pf_settle(mem);
	pf_register(getpid(), "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == (long long)pages), "%lld", pf_get("folded_pages"));
	CHECK(pf_get("frames") == (long long)kinds, "%lld", pf_get("frames"));
	for (i = 0; i < pages; i++)
		wrong += ((uint64_t *)pf_page(mem, i + 1))[-1] !=
			 (next ? i / (pages / kinds) : i % kinds);
	CHECK(wrong == 0, "%zu pages wrong", wrong);
}

static void alike(void)
{
	alike_in(2048, 1024, true);
}

/* The third of each content finds the frame that the first two made before enough was learnt. */
static void alike_thrice(void)
{
	alike_in(2100, 700, false);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * A frame is a page of its own, never one of those that are folded with it: a VM must not choose
 * where it lies. And frames, which nobody can move, lie side by side, by fours at least.
 */
static void frames_apart(void)
{
	static uint64_t was[2 * KINDS], frame[KINDS];
	size_t i, taken = 0, blocks = 1;
	pid_t self = getpid();
	char *mem = pf_map(2 * KINDS, PF_PLAIN);

	for (i = 0; i < 2 * KINDS; i++)
		pf_fill(pf_page(mem, i), 1 + i % KINDS);
	pf_settle(mem);
	for (i = 0; i < 2 * KINDS; i++)
		was[i] = pf_pfn(self, pf_page(mem, i));
	pf_register(self, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == 2 * KINDS), "%lld", pf_get("folded_pages"));
	for (i = 0; i < KINDS; i++) {
		frame[i] = pf_pfn(self, pf_page(mem, i));
		taken += frame[i] == was[i] || frame[i] == was[i + KINDS];
	}
	CHECK(taken == 0, "%zu frames are pages of the VM", taken);
	qsort(frame, KINDS, sizeof(frame[0]), by_number);
	for (i = 1; i < KINDS; i++)
		blocks += frame[i] / 4 != frame[i - 1] / 4;
	CHECK(blocks <= KINDS / 3, "%d frames lie in %zu blocks of 4 pages", KINDS, blocks);
}

static uint64_t unique(size_t i)
{
	return 1 + i;
}

/* At most 16 bytes for each page looked at, and none of them once the VM is gone. */
static void metadata(void)
{
	const size_t pages = 49152;
	long long before, most;
	struct pf_vm vm;

	/* With all that is kept by default. */
	pf_set("rest_passes_max", 31);
	pf_set("wss_period_ms", 30000);
	pf_run(1);
	before = pf_get("metadata_bytes");
	pf_vm_start(&vm, pages, PF_PLAIN, unique);
	pf_register(vm.pid, "");
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", vm.pid) >= 2), "no two passes");
	most = pf_get("metadata_bytes");
	pf_note("%.1f bytes a page", (double)most / pages);
	CHECK(most > before, "nothing is kept about %zu pages?", pages);
	CHECK(most <= 16LL * (long long)pages, "%.1f bytes a page", (double)most / pages);
	pf_vm_stop(&vm);
	CHECK(PF_UNTIL(pf_get("metadata_bytes") <= before), "%lld bytes kept, %lld before",
	      pf_get("metadata_bytes"), before);
}

/* Nor is it more while the VM gives memory back, and while the table follows. */
static void metadata_shrinks(void)
{
	const size_t pages = 49152;
	long long before;
	size_t left;
	char *mem;

	pf_set("rest_passes_max", 31);
	pf_run(1);
	before = pf_get("metadata_bytes");
	mem = pf_map(pages, PF_PLAIN);
	pf_fill_all(mem, pages, unique);
	pf_register(getpid(), "");
	for (left = pages; left > pages / 2; left -= pages / 64) {
		madvise(pf_page(mem, left), (pages - left) * PF_PAGE, MADV_DONTNEED);
		/* What is gone is seen at the next look at its region. */
		CHECK(PF_UNTIL(pf_get("metadata_bytes") - before <= 16 * (long long)left),
		      "%.1f bytes for each of %zu pages",
		      (double)(pf_get("metadata_bytes") - before) / left, left);
	}
}

static const struct pf_test tests[] = {
	{ "half_duplicate", half_duplicate },
	{ "rewrite", rewrite },
	{ "unmapped", unmapped },
	{ "alike", alike },
	{ "alike_thrice", alike_thrice },
	{ "frames_apart", frames_apart },
	{ "metadata", metadata },
	{ "metadata_shrinks", metadata_shrinks },
};

PF_MAIN(tests)
