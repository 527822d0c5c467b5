// SPDX-License-Identifier: GPL-2.0-only
/* Tests of what memory for tables costs. */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "table.h"
#include "test.h"

/* Around what is one page, a power of two of them, and a huge page. */
static const size_t sizes[] = {
	1, 8, 512, 1366, 4095, 4096, 4097, 8192, 8193, 73000, 349568, 524288, 524289, 4194304, 4194305,
	PF_TABLE_HUGE - 1, PF_TABLE_HUGE, PF_TABLE_HUGE + 1, 20000000,
};

static bool taken_is_what_is_said(void)
{
	EXPECT(!pf_table_taken(0), "%zu bytes for no table", pf_table_taken(0));
	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *table = pf_table_alloc(sizes[i]);

		EXPECT(table, "no memory for %zu bytes", sizes[i]);
		EXPECT(shim_memory.bytes == pf_table_taken(sizes[i]), "%zu bytes for %zu, says %zu",
		       shim_memory.bytes, sizes[i], pf_table_taken(sizes[i]));
		kvfree(table);
	}
	return true;
}

static bool taken_is_what_is_needed(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t most = sizes[i] < PF_TABLE_HUGE ? sizes[i] + PAGE_SIZE : sizes[i] + PMD_SIZE;

		EXPECT(pf_table_taken(sizes[i]) < most + most / 200, "%zu bytes for %zu",
		       pf_table_taken(sizes[i]), sizes[i]);
	}
	return true;
}

static const struct test tests[] = {
	{ "what is taken is what is said", taken_is_what_is_said },
	{ "and no more than whole pages", taken_is_what_is_needed },
};

const struct suite table_suite = { "table", tests, ARRAY_SIZE(tests) };
