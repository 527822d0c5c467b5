/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole pages compared with the widest registers that this CPU and this kernel have.
 *
 * What they answer is what pf_page_differ() and pf_page_is_zero() would answer.
 */
#ifndef PF_WIDE_H
#define PF_WIDE_H

#include <linux/types.h>

#include "hash.h"

/* For how many pages the registers are had at the most: some microseconds. */
#define PF_WIDE_PAGES	16

void pf_wide_init(void);
bool pf_wide_begin(void);
void pf_wide_end(bool wide);
unsigned int pf_wide_differ_with(bool wide, const void *a, const void *b);
bool pf_wide_is_zero_with(bool wide, const void *data);
unsigned int pf_wide_differ(const void *a, const void *b);
bool pf_wide_is_zero(const void *data);

/**
 * pf_wide_equal() - are two pages equal, all 4096 bytes of them
 * @a: a page, aligned to 8 bytes
 * @b: another
 *
 * Context: as pf_wide_differ().
 */
static inline bool pf_wide_equal(const void *a, const void *b)
{
	return pf_wide_differ(a, b) == PF_PAGE_LINES;
}

#endif /* PF_WIDE_H */
