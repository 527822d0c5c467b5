// SPDX-License-Identifier: GPL-2.0-only
/*
 * fold_pair.c: two equal pages of one process fold in the first pass, and a write takes one back.
 *
 * The smallest whole story: everything else is this, many times, under something that gets in the way.
 */
#include "pf.h"

#include <pthread.h>
#include <sys/mman.h>

static uint64_t same(size_t i)
{
	return 7;
}

/* One pair at the start of a mapping of its own, between pages that stay untouched. */
static char *pair_in(pid_t self)
{
	char *mem = pf_map(16, PF_PLAIN);

	pf_fill_all(mem + 4 * PF_PAGE, 2, same);
	pf_settle(mem + 4 * PF_PAGE);
	pf_register(self, "name=pair");
	return mem + 4 * PF_PAGE;
}

static void first_pass(void)
{
	pid_t self = getpid();
	char *pair = pair_in(self);

	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", self) >= 1), "no pass was finished");
	CHECK(pf_get("vms/%d/folded_pages", self) == 2, "%lld folded", pf_get("vms/%d/folded_pages", self));
	CHECK(pf_get("folded_pages") == 2, "%lld", pf_get("folded_pages"));
	/* Counters follow when the turn is over. */
	CHECK(PF_UNTIL(pf_get("folds") == 2), "%lld", pf_get("folds"));
	CHECK(pf_get("frames") == 1, "%lld", pf_get("frames"));
	CHECK(pf_get("saved_bytes") == (long long)PF_PAGE, "%lld", pf_get("saved_bytes"));
	CHECK(pf_get("general_profit_bytes") == pf_get("saved_bytes") - pf_get("metadata_bytes"), " ");
	CHECK(pf_is_frame(self, pair) && pf_is_frame(self, pair + PF_PAGE), "pages are not frames");
	CHECK(pf_pfn(self, pair) == pf_pfn(self, pair + PF_PAGE), "the pair does not share a page");
	CHECK(pf_wrong(pair, 2, same) == 0, "content changed");
}

/* Pages that wait in a batch of the CPU on which they were written, and nothing comes after them there. */
static void fresh(void)
{
	char *mem = pf_map(16, PF_PLAIN), *pair = mem + 4 * PF_PAGE;
	pid_t self = getpid();

	pf_register(self, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 1), "no passes");
	pf_fill_all(pair, 2, same);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == 2), "%lld folded", pf_get("folded_pages"));
	CHECK(pf_is_frame(self, pair) && pf_is_frame(self, pair + PF_PAGE), "pages are not frames");
	CHECK(pf_wrong(pair, 2, same) == 0, "content changed");
}

static void write_breaks(void)
{
	pid_t self = getpid();
	char *pair = pair_in(self);

	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == 2), "%lld folded", pf_get("folded_pages"));
	pf_fill(pair, 8);
	CHECK(!pf_is_frame(self, pair), "still a frame after a write");
	CHECK(pf_is(pair, 8), "what was written is not there");
	CHECK(pf_is(pair + PF_PAGE, 7), "the write reached the other page");
	/* Between its copy and the write to it the page may be folded once more, and breaks once more then. */
	CHECK(PF_UNTIL(pf_get("cow_breaks") == pf_get("folds") - 1), "%lld breaks counted, %lld folds",
	      pf_get("cow_breaks"), pf_get("folds"));
	CHECK(PF_UNTIL(pf_get("vms/%d/cow_breaks", self) == pf_get("vms/%d/folds", self) - 1), "%lld",
	      pf_get("vms/%d/cow_breaks", self));
	CHECK(PF_UNTIL(pf_get("folded_pages") <= 1), "%lld folded", pf_get("folded_pages"));
	pf_fill(pair, 7);
	pf_settle(pair);
	CHECK(PF_UNTIL(pf_is_frame(self, pair)), "did not fold again");
	CHECK(PF_UNTIL(pf_get("folded_pages") == 2), "%lld folded", pf_get("folded_pages"));
	CHECK(pf_wrong(pair, 2, same) == 0, "content changed");
}

/* Empty memory of the VM, which is touched all the time: the faults hold the lock of its mapping. */
struct touched {
	volatile char *mem;
	size_t pages;
	volatile bool over;
};

static void *touch(void *arg)
{
	struct touched *touched = arg;
	size_t i;

	while (!touched->over) {
		for (i = 0; i < touched->pages; i++)
			(void)touched->mem[i * PF_PAGE];
		madvise((void *)touched->mem, touched->pages * PF_PAGE, MADV_DONTNEED);
	}
	return NULL;
}

static uint64_t twice(size_t i)
{
	return 1 + i % 512;
}

/* Both pages of a pair fold in the first pass, whoever faults in their mapping meanwhile. */
static void beside_faults(void)
{
	const size_t pages = 1024;
	struct touched touched = { .pages = 8192 };
	pthread_t thread[2];
	pid_t self = getpid();
	size_t i, folded;
	char *mem;

	mem = pf_map(pages + touched.pages, PF_PLAIN);
	pf_fill_all(mem, pages, twice);
	pf_settle(mem);
	touched.mem = pf_page(mem, pages);
	for (i = 0; i < PF_COUNT(thread); i++)
		REQUIRE(!pthread_create(&thread[i], NULL, touch, &touched), "pthread_create");
	pf_set("pass_interval_ms", 1000000);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", self) >= 1), "no pass");
	folded = pf_frames_in(self, mem, pages);
	touched.over = true;
	for (i = 0; i < PF_COUNT(thread); i++)
		pthread_join(thread[i], NULL);
	CHECK(folded == pages, "%zu of %zu folded", folded, pages);
	CHECK(pf_wrong(mem, pages, twice) == 0, "content changed");
}

/* A page must not fold with itself: its own hint is there on the next pass. */
static void single_stays(void)
{
	pid_t self = getpid();
	char *page = pf_map(1, PF_PLAIN);

	pf_fill(page, 9);
	pf_settle(page);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 3), "no passes");
	CHECK(pf_get("scanned_pages") >= 3, "%lld scanned", pf_get("scanned_pages"));
	CHECK(pf_get("folds") == 0, "%lld folds of a page that has no equal", pf_get("folds"));
	CHECK(!pf_is_frame(self, page), "folded alone");
	CHECK(pf_is(page, 9), "content changed");
}

/* Pages that differ in the last byte only are not equal, whatever their hashes say. */
static void near_equal_stays(void)
{
	pid_t self = getpid();
	unsigned char *mem = pf_map(64, PF_PLAIN);
	size_t i;

	for (i = 0; i < 64; i++) {
		pf_fill(pf_page(mem, i), 5);
		mem[(i + 1) * PF_PAGE - 1] = i;
	}
	pf_settle(mem);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 2), "no passes");
	CHECK(pf_get("folds") == 0, "%lld folds", pf_get("folds"));
	for (i = 0; i < 64; i++)
		CHECK(mem[(i + 1) * PF_PAGE - 1] == i, "page %zu", i);
}

/* Loading starts nothing; run=0 stops what runs. */
static void stopped(void)
{
	pid_t self = getpid();
	char *pair = pair_in(self);
	long long scanned;

	CHECK(pf_get("run") == 0, "%lld after load", pf_get("run"));
	CHECK(pf_get("scanned_pages") == 0, "scans before run=1");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == 2), "%lld folded", pf_get("folded_pages"));
	pf_run(0);
	CHECK(pf_get("run") == 0, "%lld after run=0", pf_get("run"));
	scanned = pf_get("scanned_pages");
	pf_fill(pair, 8);
	pf_fill(pair, 7);
	/* Stopped means stopped once the write has returned; frames stay. */
	CHECK(pf_get("scanned_pages") == scanned, "scans after run=0");
	CHECK(pf_is_frame(self, pair + PF_PAGE), "run=0 unfolded");
}

static const struct pf_test tests[] = {
	{ "first_pass", first_pass },
	{ "fresh", fresh },
	{ "beside_faults", beside_faults },
	{ "write_breaks", write_breaks },
	{ "single_stays", single_stays },
	{ "near_equal_stays", near_equal_stays },
	{ "stopped", stopped },
};

PF_MAIN(tests)
