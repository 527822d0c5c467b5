// SPDX-License-Identifier: GPL-2.0-only
/*
 * soft_dirty.c: whoever tracks changes by soft-dirty bits still sees a folded page as changed.
 *
 * A migration or backup tool that clears the bits, then copies what became dirty, would else miss
 * pages that the guest wrote just before they were folded. Seeing more as changed than was is harmless.
 */
#include "pf.h"

#define PAGES 128

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

static uint64_t zeros(size_t i)
{
	return 0;
}

static size_t dirty(char *mem, size_t pages)
{
	size_t i, count = 0;

	for (i = 0; i < pages; i++)
		count += !!(pf_pagemap(getpid(), pf_page(mem, i)) & PF_PM_SOFT_DIRTY);
	return count;
}

static void clear_bits(void)
{
	REQUIRE(pf_file_write("/proc/self/clear_refs", "4"), "clear_refs: %s", strerror(errno));
}

/* Writes the first half after the bits were cleared. */
static char *half_dirty(uint64_t (*id)(size_t))
{
	char *mem = pf_map(PAGES, PF_PLAIN);

	pf_fill_all(mem, PAGES, id);
	pf_settle(mem);
	clear_bits();
	if (dirty(mem, PAGES))
		pf_skip("the kernel has no soft-dirty bits");
	pf_fill_all(mem, PAGES / 2, id);
	REQUIRE(dirty(mem, PAGES) == PAGES / 2, "%zu dirty before", dirty(mem, PAGES));
	return mem;
}

static void folded_stay_dirty(void)
{
	pid_t self = getpid();
	char *mem = half_dirty(pairs);

	pf_register(self, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == PAGES), "%lld folded",
	      pf_get("folded_pages"));
	CHECK(pf_frames_in(self, mem, PAGES) == PAGES, "%zu frames", pf_frames_in(self, mem, PAGES));
	CHECK(dirty(mem, PAGES / 2) == PAGES / 2, "%zu dirty after folding", dirty(mem, PAGES / 2));
	/* A page that the core gives back after stabilising it counts as written on 6.1: safe, if needless. */
	CHECK(pf_wrong(mem, PAGES, pairs) == 0, "content changed");
}

static void zeros_stay_dirty(void)
{
	pid_t self = getpid();
	char *mem = half_dirty(zeros);

	pf_register(self, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("zero_pages") == PAGES), "%lld zero", pf_get("zero_pages"));
	CHECK(dirty(mem, PAGES / 2) == PAGES / 2, "%zu dirty after folding", dirty(mem, PAGES / 2));
	CHECK(pf_wrong(mem, PAGES, zeros) == 0, "content changed");
}

/* Unfolding copies: it may set bits, never lose them; and a write to a frame sets its bit. */
static void write_to_frame_sets(void)
{
	pid_t self = getpid();
	char *mem = pf_map(PAGES, PF_PLAIN);
	size_t i;

	pf_fill_all(mem, PAGES, pairs);
	pf_settle(mem);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == PAGES), "%lld folded", pf_get("folded_pages"));
	pf_run(0);
	clear_bits();
	if (dirty(mem, PAGES))
		pf_skip("the kernel has no soft-dirty bits");
	for (i = 0; i < PAGES; i += 2)
		pf_fill(pf_page(mem, i), pairs(i));
	CHECK(dirty(mem, PAGES) == PAGES / 2, "%zu", dirty(mem, PAGES));
	pf_run(2);
	for (i = 0; i < PAGES; i += 2)
		CHECK(pf_pagemap(self, pf_page(mem, i)) & PF_PM_SOFT_DIRTY, "page %zu", i);
	CHECK(pf_wrong(mem, PAGES, pairs) == 0, "content changed");
}

static const struct pf_test tests[] = {
	{ "folded_stay_dirty", folded_stay_dirty },
	{ "zeros_stay_dirty", zeros_stay_dirty },
	{ "write_to_frame_sets", write_to_frame_sets },
};

PF_MAIN(tests)
