/* SPDX-License-Identifier: GPL-2.0-only */
/* The store: owns the frames and the set of them. */
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

/**
 * struct pf_look - what is known of a frame that a hint names, and what was found out
 * @domain: of the VM whose page met the hint
 * @key: pf_store_key() of that page
 * @trust: take a frame that bears the right marks for equal
 * @frame: set to the frame's page with a reference if they are equal, else NULL
 * @gone: set if no frame is there, and the hint is of no use to anybody
 * @alike: set if there is a frame with the same key that differs, in @line first
 * @line: see @alike
 */
struct pf_look {
	u32 domain;
	u64 key;
	bool trust;
	struct page *frame;
	bool gone;
	bool alike;
	unsigned int line;
};

void pf_store_look(u64 pfn, struct page *page, struct pf_look *look);
struct page *pf_store_add(u32 domain, struct page *page);
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
u64 pf_store_key(u32 domain, struct page *page);
bool pf_store_tell(u32 domain, struct page *page, unsigned int line);

#endif /* PF_STORE_H */
