/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for tables: no more of it than they have in them.
 *
 * Builds in userspace too. kvmalloc() first asks for one piece, for which a power of two pages is
 * taken, up to twice what is needed, and for which memory is compacted while a VM waits. Tables are
 * as good in single pages.
 */
#ifndef PF_TABLE_H
#define PF_TABLE_H

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

/* Tables are no reason to kill a process, nor to look for memory for long: there are none then. */
#define PF_TABLE_GFP	(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY | __GFP_ZERO)
/*
 * Larger ones lie in huge pages where there are any, which the TLB knows more of. Only whole ones
 * are taken, so that what is left of the last one is an eighth at the most.
 */
#define PF_TABLE_HUGE	(8 * PMD_SIZE)

/**
 * pf_table_alloc() - memory for a table, all of it zero
 * @bytes: how much; not 0
 *
 * Context: may sleep.
 * Return: what kvfree() takes back; NULL for want of memory.
 */
static inline void *pf_table_alloc(size_t bytes)
{
	if (bytes <= PAGE_SIZE)
		return kzalloc(bytes, PF_TABLE_GFP);
	if (bytes < PF_TABLE_HUGE)
		return __vmalloc(bytes, PF_TABLE_GFP);
	return vmalloc_huge(bytes, PF_TABLE_GFP);
}

/**
 * pf_table_taken() - what the allocator takes for a table
 * @bytes: what was asked for; 0 for no table
 *
 * Return: bytes, with what it takes to map its pages and to name them.
 */
static inline size_t pf_table_taken(size_t bytes)
{
	size_t unit = bytes < PF_TABLE_HUGE ? PAGE_SIZE : PMD_SIZE;
	size_t pages = DIV_ROUND_UP(bytes, unit) * (unit / PAGE_SIZE);

	if (bytes <= PAGE_SIZE)
		return kmalloc_size_roundup(bytes);
	return pages * (PAGE_SIZE + 2 * sizeof(void *));
}

#endif /* PF_TABLE_H */
