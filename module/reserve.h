/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Free memory that is left to others.
 *
 * Folding is there to save memory: what it needs for itself, and what unfolding needs, is refused
 * before it drives the host into reclaim, and long before a process is killed for it.
 */
#ifndef PF_RESERVE_H
#define PF_RESERVE_H

#include <linux/minmax.h>
#include <linux/mm.h>

/* A 64th of all memory, at least 16 MiB. */
#define PF_RESERVE_SHIFT	6
#define PF_RESERVE_MIN		(16UL << (20 - PAGE_SHIFT))

/**
 * pf_reserve_allows() - is there memory to be had beyond the reserve
 * @pages: how many are wanted
 */
static inline bool pf_reserve_allows(unsigned long pages)
{
	unsigned long reserve = max(totalram_pages() >> PF_RESERVE_SHIFT, PF_RESERVE_MIN);

	return si_mem_available() >= (long)(reserve + pages);
}

#endif /* PF_RESERVE_H */
