/* SPDX-License-Identifier: GPL-2.0-only */
/* The store: owns the frames, their pages and their tree. */
#ifndef PF_STORE_H
#define PF_STORE_H

#include <linux/mm.h>

#include "frame.h"

extern unsigned long pf_store_mark;

/**
 * pf_store_owns() - is this page a frame of this load of the module
 * @page: a page mapped in an anonymous mapping
 *
 * Nothing is followed: the mark in page->private is a number that only this load knows.
 */
static inline bool pf_store_owns(struct page *page)
{
	return !PageAnon(page) && !page->mapping && page_private(page) == pf_store_mark;
}

int pf_store_init(void);
void pf_store_exit(void);

struct page *pf_store_look(u64 pfn, u32 domain, struct page *page, bool trust, unsigned int *line);
struct page *pf_store_add(u32 domain, struct page *page);
struct page *pf_store_new_private(struct page *page);
unsigned long pf_store_reap(unsigned long nr);
void pf_store_reap_all(void);

unsigned long pf_store_frames(void);
unsigned long pf_store_allocated(void);
unsigned long pf_store_freed(void);
size_t pf_store_bytes(void);
int pf_store_set_cross_nodes(bool cross);
bool pf_store_cross_nodes(void);
s32 pf_store_node(struct page *page);
u64 pf_store_key(u32 domain, struct page *page);
bool pf_store_tell(u32 domain, struct page *page, unsigned int line);

#endif /* PF_STORE_H */
