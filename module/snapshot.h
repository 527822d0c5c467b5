/* SPDX-License-Identifier: GPL-2.0-only */
/* Read which pages a range of a VM maps, without faulting anything in. */
#ifndef PF_SNAPSHOT_H
#define PF_SNAPSHOT_H

#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "eligible.h"

#define PF_REGION_SHIFT		PMD_SHIFT		/* 2 MiB */
#define PF_REGION_SIZE		BIT(PF_REGION_SHIFT)
#define PF_REGION_MASK		(~(PF_REGION_SIZE - 1))
#define PF_REGION_PAGES		(1U << (PF_REGION_SHIFT - PAGE_SHIFT))

/**
 * struct pf_snapshot - what a range of at most one region maps
 * @watch: tells when the range has changed since
 * @start: its address
 * @nr: its pages
 * @seq: of @watch, when @pfn was read
 * @pfn: page frame numbers with HMM_PFN_* flags
 */
struct pf_snapshot {
	struct mmu_interval_notifier watch;
	unsigned long start;
	unsigned int nr;
	unsigned long seq;
	unsigned long pfn[PF_REGION_PAGES];
};

/**
 * pf_snapshot_page() - the page that was mapped
 * @snap: a snapshot
 * @i: index in the range
 *
 * Return: the page, to be trusted only behind a reference and pf_snapshot_valid(); NULL if nothing
 * was mapped there that can be read, or the zero page.
 */
static inline struct page *pf_snapshot_page(const struct pf_snapshot *snap, unsigned int i)
{
	unsigned long pfn = snap->pfn[i] & ~HMM_PFN_FLAGS;

	if (!(snap->pfn[i] & HMM_PFN_VALID) || (snap->pfn[i] & HMM_PFN_ERROR) || is_zero_pfn(pfn))
		return NULL;
	return pfn_to_page(pfn);
}

/**
 * pf_snapshot_empty() - was nothing mapped, or the zero page
 * @snap: a snapshot
 * @i: index in the range
 *
 * A page in swap looks empty too.
 */
static inline bool pf_snapshot_empty(const struct pf_snapshot *snap, unsigned int i)
{
	unsigned long pfn = snap->pfn[i] & ~HMM_PFN_FLAGS;

	return !(snap->pfn[i] & HMM_PFN_ERROR) && (!pfn || is_zero_pfn(pfn));
}

/**
 * pf_snapshot_zero() - was the zero page mapped
 * @snap: a snapshot
 * @i: index in the range
 */
static inline bool pf_snapshot_zero(const struct pf_snapshot *snap, unsigned int i)
{
	return !(snap->pfn[i] & HMM_PFN_ERROR) && is_zero_pfn(snap->pfn[i] & ~HMM_PFN_FLAGS);
}

/**
 * pf_snapshot_huge() - was the page mapped by a huge page's entry
 * @snap: a snapshot
 * @i: index in the range
 */
static inline bool pf_snapshot_huge(const struct pf_snapshot *snap, unsigned int i)
{
	return hmm_pfn_to_map_order(snap->pfn[i]) >= PF_REGION_SHIFT - PAGE_SHIFT;
}

/**
 * pf_snapshot_valid() - is what was read still so
 * @snap: a snapshot that is not done yet
 *
 * A reference taken before this says yes was taken on a page that the range mapped then: whoever
 * takes a page away from an address tells the watch first, and frees the page afterwards.
 */
static inline bool pf_snapshot_valid(struct pf_snapshot *snap)
{
	return !mmu_interval_read_retry(&snap->watch, snap->seq);
}

int pf_snapshot_take(struct pf_snapshot *snap, struct mm_struct *mm, unsigned long start,
		     unsigned int nr);
int pf_snapshot_take_by(struct pf_snapshot *snap, struct mm_struct *mm, unsigned long start,
			unsigned int nr, int (*lock)(struct mm_struct *mm));
int pf_snapshot_take_locked(struct pf_snapshot *snap, struct mm_struct *mm, unsigned long start,
			    unsigned int nr);
void pf_snapshot_done(struct pf_snapshot *snap);

#endif /* PF_SNAPSHOT_H */
