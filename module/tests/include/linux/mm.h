/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: pages, and how large they are. */
#ifndef SHIM_LINUX_MM_H
#define SHIM_LINUX_MM_H

#include <linux/list.h>
#include <linux/slab.h>

#define PAGE_SIZE	4096UL
#define PMD_SIZE	(2UL << 20)

/**
 * struct page - a page, which is a folio too
 * @data: what kmap_local_page() shows
 * @lru: its link
 * @index: whatever its owner notes there
 * @private: the same
 * @nid: NUMA node
 */
struct page {
	void *data;
	struct list_head lru;
	unsigned long index;
	unsigned long private;
	int nid;
};

static inline struct page *page_folio(struct page *page)
{
	return page;
}

static inline unsigned long page_private(struct page *page)
{
	return page->private;
}

static inline int page_to_nid(struct page *page)
{
	return page->nid;
}

#endif /* SHIM_LINUX_MM_H */
