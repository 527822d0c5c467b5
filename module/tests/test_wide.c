// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of pages compared with wide registers: they answer what the loops answer, and are used
 * where they may be only.
 */
#include <stdlib.h>
#include <string.h>

#include <asm/cpufeature.h>
#include <asm/fpu/api.h>

#include "test.h"
#include "wide.h"

static u8 *page, *other;

/* Two pages of their own, so that ASan sees what the loops of hash.h read beyond them. */
static void begin(void)
{
	u64 state = 21;
	size_t i;

	pf_wide_init();
	page = malloc(PF_PAGE_BYTES);
	other = malloc(PF_PAGE_BYTES);
	for (i = 0; i < PF_PAGE_BYTES; i++)
		page[i] = next_random(&state);
	memcpy(other, page, PF_PAGE_BYTES);
}

static bool end(bool passed)
{
	free(page);
	free(other);
	return passed;
}

static bool all_bits_differ(void)
{
	size_t bit;

	EXPECT(pf_wide_differ(page, other) == PF_PAGE_LINES, "equal pages differ");
	for (bit = 0; bit < PF_PAGE_BYTES * 8; bit++) {
		other[bit / 8] ^= 1 << bit % 8;
		EXPECT(pf_wide_differ(page, other) == bit / 8 / PF_LINE_BYTES, "bit %zu: line %u",
		       bit, pf_wide_differ(page, other));
		EXPECT(pf_wide_differ(other, page) == bit / 8 / PF_LINE_BYTES, "bit %zu", bit);
		EXPECT(!pf_wide_equal(page, other), "bit %zu", bit);
		other[bit / 8] ^= 1 << bit % 8;
	}
	EXPECT(pf_wide_equal(page, other), "equal pages differ");
	return true;
}

static bool every_bit_is_compared(void)
{
	begin();
	return end(all_bits_differ());
}

static bool first_line_is_found(void)
{
	unsigned int line;

	begin();
	for (line = PF_PAGE_LINES; line--;) {
		other[line * PF_LINE_BYTES + line] ^= 0x10;
		if (pf_wide_differ(page, other) != line)
			break;
	}
	end(true);
	EXPECT(line == UINT_MAX, "not line %u", line);
	return true;
}

static bool bits_end_zero(void)
{
	size_t bit;

	memset(page, 0, PF_PAGE_BYTES);
	EXPECT(pf_wide_is_zero(page), "a zero page");
	for (bit = 0; bit < PF_PAGE_BYTES * 8; bit++) {
		page[bit / 8] = 1 << bit % 8;
		EXPECT(!pf_wide_is_zero(page), "bit %zu", bit);
		page[bit / 8] = 0;
	}
	EXPECT(pf_wide_is_zero(page), "a zero page");
	return true;
}

static bool every_bit_is_no_zero(void)
{
	begin();
	return end(bits_end_zero());
}

/* A sanitizer does not see into assembly, so what lies on both sides of the page is not zero. */
static bool reads_one_page_only(void)
{
	u8 *room = aligned_alloc(PF_PAGE_BYTES, 3 * PF_PAGE_BYTES);
	bool zero, equal;

	begin();
	memset(room, 1, 3 * PF_PAGE_BYTES);
	memset(room + PF_PAGE_BYTES, 0, PF_PAGE_BYTES);
	memset(page, 0, PF_PAGE_BYTES);
	zero = pf_wide_is_zero(room + PF_PAGE_BYTES);
	equal = pf_wide_equal(room + PF_PAGE_BYTES, page) &&
		pf_wide_equal(page, room + PF_PAGE_BYTES);
	free(room);
	end(true);
	EXPECT(zero, "what is beside the page counts");
	EXPECT(equal, "what is beside the page is compared");
	return true;
}

static bool registers_are_used(void)
{
	bool there;

	begin();
	there = boot_cpu_has(X86_FEATURE_AVX2);
	pf_wide_differ(page, other);
	memset(page, 0, PF_PAGE_BYTES);
	pf_wide_is_zero(page);
	end(true);
	EXPECT(shim_fpu.begun == 2 * there, "%u times", shim_fpu.begun);
	EXPECT(!shim_fpu.ours, "not given back");
	return true;
}

/* The answers are right without wide registers, and nobody asks for them. */
static bool without(const char *why)
{
	bool right;

	begin();
	right = all_bits_differ() && bits_end_zero();
	end(true);
	EXPECT(right, "%s", why);
	EXPECT(!shim_fpu.begun, "%s: asked %u times", why, shim_fpu.begun);
	return true;
}

static bool none_on_a_plain_cpu(void)
{
	shim_cpu_is_plain = true;
	return without("no such registers");
}

static bool none_that_are_not_kept(void)
{
	shim_fpu.kept = 2;
	return without("the kernel does not keep them");
}

static bool none_that_are_taken(void)
{
	shim_fpu.taken = true;
	return without("somebody has them");
}

static const struct test tests[] = {
	{ "each bit of a page is compared", every_bit_is_compared },
	{ "the first line that differs is found", first_line_is_found },
	{ "each bit makes a page no zero page", every_bit_is_no_zero },
	{ "one page is read and no more", reads_one_page_only },
	{ "wide registers are used and given back", registers_are_used },
	{ "none on a CPU that has none", none_on_a_plain_cpu },
	{ "none that the kernel does not keep", none_that_are_not_kept },
	{ "none that somebody has", none_that_are_taken },
};

const struct suite wide_suite = { "wide", tests, ARRAY_SIZE(tests) };
