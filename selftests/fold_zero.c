// SPDX-License-Identifier: GPL-2.0-only
/*
 * fold_zero.c: pages of zeros become the kernel's zero page, and come back as zeros.
 *
 * No frame is needed for them; fold_zero=0 leaves them where they are.
 */
#include "pf.h"

#define PAGES	1024

static uint64_t mostly_zero(size_t i)
{
	return i % 4 ? 0 : 1 + i;
}

static char *filled(pid_t self)
{
	char *mem = pf_map(PAGES, PF_PLAIN);

	pf_fill_all(mem, PAGES, mostly_zero);
	pf_settle(mem);
	pf_register(self, "");
	return mem;
}

static void become_zero_page(void)
{
	pid_t self = getpid();
	char *mem = filled(self);
	long long zeros = PAGES / 4 * 3;

	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", self) >= 1), "no pass");
	CHECK(pf_get("zero_pages") == zeros, "%lld in the first pass", pf_get("zero_pages"));
	/* Counters follow when the turn is over. */
	CHECK(PF_UNTIL(pf_get("zero_folds") == zeros), "%lld", pf_get("zero_folds"));
	CHECK(pf_get("vms/%d/zero_pages", self) == zeros, "%lld", pf_get("vms/%d/zero_pages", self));
	CHECK(pf_get("frames") == 0 && pf_get("folds") == 0, "%lld frames", pf_get("frames"));
	CHECK(pf_get("saved_bytes") == zeros * (long long)PF_PAGE, "%lld", pf_get("saved_bytes"));
	/* Not an empty entry: to a userfaultfd that is registered later that would be a missing page. */
	CHECK(pf_pfn(self, pf_page(mem, 1)) == pf_zero_pfn(), "not the kernel's zero page");
	CHECK(pf_smaps(self, mem, "Rss") == PAGES, "%lld KiB", pf_smaps(self, mem, "Rss"));
	CHECK(pf_wrong(mem, PAGES, mostly_zero) == 0, "%zu wrong", pf_wrong(mem, PAGES, mostly_zero));
}

static void writes_come_back(void)
{
	pid_t self = getpid();
	char *mem = filled(self);
	size_t i;

	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("zero_pages") == PAGES / 4 * 3), "%lld", pf_get("zero_pages"));
	for (i = 1; i < PAGES; i += 4)
		*(char *)pf_page(mem, i) = 1;
	for (i = 1; i < PAGES; i += 4) {
		char *page = pf_page(mem, i);

		CHECK(page[0] == 1, "page %zu lost a write", i);
		page[0] = 0;
		CHECK(pf_is(page, 0), "page %zu came back with something else than zeros", i);
		page[0] = 2;
	}
	CHECK(PF_UNTIL(pf_get("zero_breaks") >= PAGES / 4), "%lld", pf_get("zero_breaks"));
	CHECK(PF_UNTIL(pf_get("zero_pages") == PAGES / 4 * 2), "%lld", pf_get("zero_pages"));
}

/* What the guest gives back is not saved by us any more, though it reads as zeros as well. */
static void given_back(void)
{
	pid_t self = getpid();
	char *mem = filled(self);

	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("zero_pages") == PAGES / 4 * 3), "%lld", pf_get("zero_pages"));
	REQUIRE(madvise(mem, PAGES / 2 * PF_PAGE, MADV_DONTNEED) == 0, "madvise");
	CHECK(PF_UNTIL(pf_get("zero_pages") == PAGES / 8 * 3), "%lld", pf_get("zero_pages"));
	CHECK(pf_get("saved_bytes") == PAGES / 8 * 3 * (long long)PF_PAGE, "%lld",
	      pf_get("saved_bytes"));
}

static void off(void)
{
	pid_t self = getpid();
	char *mem = filled(self);

	pf_set("fold_zero", 0);
	pf_run(1);
	REQUIRE(pf_passes(self, 2), "no passes");
	CHECK(pf_get("zero_folds") == 0, "%lld with fold_zero=0", pf_get("zero_folds"));
	CHECK(pf_pfn(self, pf_page(mem, 1)) != pf_zero_pfn(), "folded with fold_zero=0");
	pf_set("fold_zero", 1);
	CHECK(PF_UNTIL(pf_get("zero_pages") == PAGES / 4 * 3), "%lld", pf_get("zero_pages"));
	CHECK(pf_wrong(mem, PAGES, mostly_zero) == 0, "content changed");
}

static const struct pf_test tests[] = {
	{ "become_zero_page", become_zero_page },
	{ "writes_come_back", writes_come_back },
	{ "given_back", given_back },
	{ "off", off },
};

PF_MAIN(tests)
