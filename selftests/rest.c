// SPDX-License-Identifier: GPL-2.0-only
/*
 * rest.c: regions in which nothing changes are left alone, and nothing is lost by that.
 *
 * Everything here waits on counters: how long a region rests is counted in passes, not in time.
 */
#include "pf.h"

#define REGIONS	8
#define PAGES	(REGIONS * 512UL)
#define REST	7
#define LATE	256LL

static uint64_t unique(size_t i)
{
	return 1000 + i;
}

static uint64_t half(size_t i)
{
	return i % 2 ? 1 + i % 64 : 1000 + i;
}

/* Memory in whole regions. A child that had it too would not be a small VM. */
static char *map_regions(void)
{
	char *mem = pf_map(PAGES + 512, PF_PLAIN);

	madvise(mem, (PAGES + 512) * PF_PAGE, MADV_DONTFORK);
	return (char *)(((uintptr_t)mem + PF_HUGE - 1) & ~(PF_HUGE - 1));
}

static void begin(char *mem, uint64_t (*id)(size_t), long long rest)
{
	pf_fill_all(mem, PAGES, id);
	pf_settle(mem);
	pf_set("rest_passes_max", rest);
	pf_register(getpid(), "");
	pf_run(1);
}

/* All of it rests: twice as much is passed over as in a whole pass. */
static void wait_resting(void)
{
	long long rested = pf_get("rested_pages");

	REQUIRE(PF_UNTIL(pf_get("rested_pages") >= rested + 2 * (long long)PAGES), "%lld rested",
		pf_get("rested_pages"));
}

static void none(void)
{
	char *mem = map_regions();

	begin(mem, unique, 0);
	REQUIRE(pf_passes(getpid(), 4), "no passes");
	CHECK(pf_get("rested_pages") == 0, "%lld", pf_get("rested_pages"));
	CHECK(pf_get("scanned_pages") >= 4 * (long long)PAGES, "%lld", pf_get("scanned_pages"));
}

/* Of REST + 1 passes one reads a region, so most pages are passed over; and all are read at last. */
static void most(void)
{
	long long scanned, rested;
	char *mem = map_regions();

	begin(mem, unique, REST);
	wait_resting();
	/* Both are asked while nothing is scanned: what came in between would be of one alone. */
	pf_run(0);
	scanned = pf_get("scanned_pages");
	rested = pf_get("rested_pages");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("scanned_pages") >= scanned + 2 * (long long)PAGES), "rests for ever");
	pf_run(0);
	rested = pf_get("rested_pages") - rested;
	scanned = pf_get("scanned_pages") - scanned;
	CHECK(rested >= 3 * scanned, "%lld rested, %lld scanned", rested, scanned);
	CHECK(pf_get("vms/%d/rested_pages", getpid()) > 0, " ");
}

/* What is written in a region that rests is folded all the same, and what was folded is counted. */
static void changes(void)
{
	char *mem = map_regions();
	long long folded;
	size_t i;

	begin(mem, half, REST);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
	wait_resting();
	CHECK(pf_get("folded_pages") == PAGES / 2, "%lld", pf_get("folded_pages"));
	for (i = 0; i < PAGES; i += 256)
		pf_fill(pf_page(mem, i), half(i + 1));
	folded = PAGES / 2 + PAGES / 256;
	CHECK(PF_UNTIL(pf_get("folded_pages") == folded), "%lld", pf_get("folded_pages"));
	wait_resting();
	for (i = 1; i < PAGES; i += 256)
		pf_fill(pf_page(mem, i), 500000 + i);
	folded -= PAGES / 256;
	CHECK(PF_UNTIL(pf_get("folded_pages") == folded), "%lld", pf_get("folded_pages"));
	/* Between its copy and the write to it a page may be folded once more, and breaks once more then. */
	CHECK(PF_UNTIL(pf_get("cow_breaks") == pf_get("folds") - (long long)(PAGES / 2)),
	      "%lld breaks counted, %lld folds", pf_get("cow_breaks"), pf_get("folds"));
	for (i = 0; i < PAGES; i++) {
		uint64_t id = i % 256 == 0 ? half(i + 1) : i % 256 == 1 ? 500000 + i : half(i);

		if (!pf_is(pf_page(mem, i), id))
			break;
	}
	CHECK(i == PAGES, "page %zu is wrong", i);
}

/*
 * A VM that comes later folds with one that rests: at the first look, and both of a pair. The one that
 * rests has no other pass meanwhile. So small a VM does not make the hint table anew.
 */
static void latecomer(void)
{
	char *mem = map_regions();
	long long passes;
	struct pf_vm vm;

	/* Sampling of working sets makes what a scan has just read out of date, and there is one pass only. */
	pf_set("wss_period_ms", 0);
	begin(mem, unique, 255);
	wait_resting();
	pf_hold_passes(getpid());
	passes = pf_get("vms/%d/passes", getpid());
	pf_vm_start(&vm, LATE, PF_PLAIN, unique);
	pf_register(vm.pid, "");
	CHECK(PF_UNTIL(pf_get("folded_pages") >= 2 * LATE), "%lld", pf_get("folded_pages"));
	CHECK(pf_get("vms/%d/passes", getpid()) == passes, "it was looked at again");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	CHECK(pf_wrong(mem, PAGES, unique) == 0, "content changed");
	pf_vm_stop(&vm);
}

/* It takes a few passes at most, where what rests is not looked at for many. */
static void soon(char *mem, const char *attr, long long goal)
{
	int pass;

	for (pass = 0; pass < 8 && pf_get(attr) != goal; pass++) {
		pf_settle(mem);
		pf_pass(getpid());
	}
	CHECK(pf_get(attr) == goal, "%s is %lld after %d passes", attr, pf_get(attr), pass);
}

/* After unfolding, and when it is told to fold zero pages, nothing rests. */
static void anew(void)
{
	char *mem = map_regions();

	begin(mem, half, 255);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
	pf_wait_resting(PAGES);
	pf_hold_passes(getpid());
	pf_run(2);
	CHECK(pf_get("folded_pages") == 0, "%lld", pf_get("folded_pages"));
	soon(mem, "folded_pages", PAGES / 2);
	pf_set("fold_zero", 0);
	pf_fill_all(mem, 512, unique);
	memset(mem + 512 * PF_PAGE, 0, PF_HUGE);
	pf_settle(mem);
	pf_set("pass_interval_ms", 0);
	pf_wait_resting(PAGES);
	pf_hold_passes(getpid());
	pf_set("fold_zero", 1);
	soon(mem, "zero_pages", 512);
}

static const struct pf_test tests[] = {
	{ "none", none },
	{ "most", most },
	{ "changes", changes },
	{ "latecomer", latecomer },
	{ "anew", anew },
};

PF_MAIN(tests)
