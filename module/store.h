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
 * Nothing is followed: page->private holds a number that only this load knows, and the domain.
 */
static inline bool pf_store_owns(struct page *page)
{
	return !PageAnon(page) && !page->mapping &&
	       (page_private(page) & ~(unsigned long)U32_MAX) == pf_store_mark;
}

/**
 * pf_store_owns_for() - is this page a frame of this domain
 * @page: a page mapped in an anonymous mapping
 * @domain: the number of a domain
 */
static inline bool pf_store_owns_for(struct page *page, u32 domain)
{
	return pf_store_owns(page) && (u32)page_private(page) == domain;
}

int pf_store_init(void);
void pf_store_exit(void);

struct page *pf_store_find(const struct pf_frame_key *key, struct page *page);
struct page *pf_store_add(const struct pf_frame_key *key, struct page *page, bool *changed);
struct page *pf_store_new_private(u32 domain, struct page *page);
unsigned long pf_store_reap(unsigned long nr);
void pf_store_reap_all(void);

unsigned long pf_store_frames(void);
unsigned long pf_store_allocated(void);
unsigned long pf_store_freed(void);
unsigned long pf_store_shrunk(void);
size_t pf_store_bytes(void);
int pf_store_set_cross_nodes(bool cross);
bool pf_store_cross_nodes(void);
s32 pf_store_node(struct page *page);
u64 pf_store_hash(struct page *page);

#endif /* PF_STORE_H */
