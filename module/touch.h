/* SPDX-License-Identifier: GPL-2.0-only */
/* Ask whether a guest touches pages, without changing the host's page table: mechanism alone. */
#ifndef PF_TOUCH_H
#define PF_TOUCH_H

#include <linux/bitmap.h>
#include <linux/page-flags.h>

#include "snapshot.h"

/**
 * struct pf_touch - pages of one range whose touches are to be seen
 * @mm: whose pages; the caller holds a reference on its users
 * @snap: what the range maps: taken, and not done yet
 * @folio: the folios of interest that it maps, with a reference on each held by the caller
 * @nr: how many, 0..PF_REGION_PAGES
 * @active: set by pf_touch_arm() for each folio: was it on the active list already
 * @src: room for the core
 * @dst: room for the core
 *
 * Too large for a stack. The same room serves one range after the other.
 */
struct pf_touch {
	struct mm_struct *mm;
	struct pf_snapshot *snap;
	struct folio **folio;
	unsigned int nr;
	DECLARE_BITMAP(active, PF_REGION_PAGES);
	unsigned long src[PF_REGION_PAGES];
	unsigned long dst[PF_REGION_PAGES];
};

int pf_touch_arm(struct pf_touch *touch);
int pf_touch_drop(struct pf_touch *touch);

/**
 * pf_touch_seen() - was a folio touched since it was armed
 * @folio: what is mapped there now, with a reference held by the caller: the folio that was armed,
 *	or another that took its place (the marks migrate with the content)
 * @active: what pf_touch_arm() noted of it; false if nothing was mapped then
 *
 * The first touch marks it referenced. A second mark moves it to the active list instead; what is
 * active already stays referenced.
 */
static inline bool pf_touch_seen(struct folio *folio, bool active)
{
	return folio_test_referenced(folio) || (folio_test_active(folio) && !active);
}

#endif /* PF_TOUCH_H */
