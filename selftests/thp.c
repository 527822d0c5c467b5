// SPDX-License-Identifier: GPL-2.0-only
/*
 * thp.c: huge pages are split only where that pays.
 *
 * thp_split_pages duplicates make it pay; one less does not. Contents survive either way.
 */
#include "pf.h"

static size_t twins;

/* In the huge page the first @twins pages have an equal in the small mapping, all others are unique. */
static uint64_t huge_id(size_t i)
{
	return i < twins ? 1 + i : 100000 + i;
}

static uint64_t small_id(size_t i)
{
	return 1 + i;
}

static uint64_t some_zero(size_t i)
{
	return i < twins ? 0 : 200000 + i;
}

static void thp_mode(const char *mode)
{
	if (!pf_file_write("/sys/kernel/mm/transparent_hugepage/enabled", mode))
		pf_skip("no transparent huge pages");
	/* Or khugepaged makes a huge page again of what was split for its zeros. */
	pf_file_write("/sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none", "0");
}

static char *huge_page(uint64_t (*id)(size_t))
{
	char *huge = pf_map_huge(512, id);

	/* Without one nothing is tested here, which must not pass. */
	REQUIRE(huge, "no huge page to be had");
	pf_settle(huge);
	return huge;
}

static char *small_pages(void)
{
	char *small = pf_map(512, PF_PLAIN);

	pf_fill_all(small, twins, small_id);
	pf_settle(small);
	return small;
}

/* Where the duplicates of the huge page's pages are. */
enum equals { BELOW, ABOVE, ZERO };

/* A pass goes upwards: which of two mappings finds the other one depends on where they are. */
static void threshold(size_t limit, size_t duplicates, enum equals equals, bool split)
{
	bool zeros = equals == ZERO;
	uint64_t (*id)(size_t) = zeros ? some_zero : huge_id;
	char *huge, *small = NULL;
	pid_t self = getpid();

	twins = duplicates;
	thp_mode("madvise");
	if (equals == ABOVE)
		small = small_pages();
	huge = huge_page(id);
	if (equals == BELOW)
		small = small_pages();
	REQUIRE(zeros || (small > huge) == (equals == ABOVE), "mapped elsewhere");
	pf_set("thp_split_pages", limit);
	pf_register(self, "");
	pf_run(1);
	if (split) {
		CHECK(PF_UNTIL(pf_smaps(self, huge, "AnonHugePages") == 0), "%zu of %zu not split",
		      duplicates, limit);
		CHECK(PF_UNTIL(pf_get("folded_pages") + pf_get("zero_pages") ==
			       (long long)(zeros ? twins : 2 * twins)), "%lld and %lld zero",
		      pf_get("folded_pages"), pf_get("zero_pages"));
		CHECK(PF_UNTIL(pf_get("huge_splits") == 1), "%lld", pf_get("huge_splits"));
	} else {
		REQUIRE(pf_passes(self, 4), "no passes");
		CHECK(pf_smaps(self, huge, "AnonHugePages") == 2048, "%zu of %zu were split",
		      duplicates, limit);
		CHECK(pf_get("huge_splits") == 0, "%lld", pf_get("huge_splits"));
		CHECK(pf_get("skipped/huge_sparse") > 0, "not counted as skipped");
		/* Of a pair of which one stays a fold saves nothing. */
		CHECK(pf_get("frames") == 0, "%lld frames", pf_get("frames"));
		CHECK(pf_get("folded_pages") == 0, "%lld folded", pf_get("folded_pages"));
	}
	CHECK(pf_wrong(huge, 512, id) == 0, "%zu wrong", pf_wrong(huge, 512, id));
	CHECK(zeros || pf_wrong(small, twins, small_id) == 0, "%zu wrong",
	      pf_wrong(small, twins, small_id));
}

static void enough(void)
{
	threshold(64, 64, BELOW, true);
}

static void one_too_few(void)
{
	threshold(64, 63, BELOW, false);
}

static void enough_above(void)
{
	threshold(64, 64, ABOVE, true);
}

static void one_too_few_above(void)
{
	threshold(64, 63, ABOVE, false);
}

static void enough_zeros(void)
{
	threshold(64, 64, ZERO, true);
}

static void too_few_zeros(void)
{
	threshold(64, 63, ZERO, false);
}

static void one_is_enough(void)
{
	threshold(1, 1, BELOW, true);
}

static void all_or_nothing(void)
{
	threshold(512, 511, BELOW, false);
}

static void all(void)
{
	threshold(512, 512, BELOW, true);
}

/* The default is what the ABI document says. */
static void default_threshold(void)
{
	CHECK(pf_get("thp_split_pages") == 64, "%lld", pf_get("thp_split_pages"));
}

static uint64_t quarters(size_t i)
{
	return i % 4 == 0 ? 0 : i % 4 == 1 ? 1 + i / 4 % 100 : 300000 + i;
}

/* Whatever the host's THP mode, equal content gets folded and nothing else changes. */
static void mode(const char *name)
{
	const size_t pages = 4 * 512;
	pid_t self = getpid();
	long long huge;
	char *mem;
	size_t i;

	thp_mode(name);
	mem = pf_map(pages, PF_MERGEABLE | PF_HUGEPAGE);
	pf_fill_all(mem, pages, quarters);
	pf_settle(mem);
	huge = pf_smaps(self, mem, "AnonHugePages");
	REQUIRE(!huge == !strcmp(name, "never"), "THP %s: %lld KiB huge", name, huge);
	pf_register(self, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == (long long)pages / 4), "%lld",
	      pf_get("folded_pages"));
	CHECK(PF_UNTIL(pf_get("zero_pages") == (long long)pages / 4), "%lld", pf_get("zero_pages"));
	CHECK(pf_wrong(mem, pages, quarters) == 0, "%zu wrong", pf_wrong(mem, pages, quarters));
	for (i = 0; i < pages; i++)
		pf_fill(pf_page(mem, i), quarters(i));
	CHECK(pf_wrong(mem, pages, quarters) == 0, "%zu wrong", pf_wrong(mem, pages, quarters));
	thp_mode("madvise");
}

static void mode_always(void)
{
	mode("always");
}

static void mode_madvise(void)
{
	mode("madvise");
}

static void mode_never(void)
{
	mode("never");
}

static const struct pf_test tests[] = {
	{ "default_threshold", default_threshold },
	{ "enough", enough },
	{ "one_too_few", one_too_few },
	{ "enough_above", enough_above },
	{ "one_too_few_above", one_too_few_above },
	{ "enough_zeros", enough_zeros },
	{ "too_few_zeros", too_few_zeros },
	{ "one_is_enough", one_is_enough },
	{ "all_or_nothing", all_or_nothing },
	{ "all", all },
	{ "mode_always", mode_always },
	{ "mode_madvise", mode_madvise },
	{ "mode_never", mode_never },
};

PF_MAIN(tests)
