/* SPDX-License-Identifier: GPL-2.0-only */
/* Stabilise, compare, swap: mechanism without policy. */
#ifndef PF_FOLD_H
#define PF_FOLD_H

#include <linux/err.h>
#include <linux/mm_types.h>
#include <linux/pgtable.h>

#include "eligible.h"
#include "snapshot.h"

#define PF_FOLD_MAX	64	/* pages a batch */

/* Target of a page that is all zero: no frame of ours, but the kernel's zero page. */
#define PF_TARGET_ZERO	((struct page *)ERR_PTR(-ENODATA))

/**
 * struct pf_fold - pages of one range that are to be folded in one go
 * @mm: whose pages; the caller holds a reference on its users, and none on the pages with a target
 * @policy: what may be folded there
 * @start: address of the first page
 * @nr: pages in the range, 1..PF_FOLD_MAX, not across a region's end; afterwards how many of them
 *	were dealt with, at least one
 * @huge: whether a huge page may be among them, which has to be split
 * @split: set when one was among those that were stabilised
 * @splits: one is in the range
 * @tried: says afterwards whether any were to be stabilised, or all were refused before
 * @away: says afterwards whether the CPU was somebody else's for a part of that time
 * @hasty: whether to give up when the locks are not to be had soon
 * @target: for each page the frame that it should equal, PF_TARGET_ZERO, or NULL to leave it alone;
 *	    the caller holds a reference on each frame
 * @spare: for each page without a target the page that should be there, with a reference, or NULL
 *	   if that is not known; as a whole NULL if none is
 * @result: set for each page with a target: PF_STAT_FOLDS, PF_STAT_ZERO_FOLDS or a PF_SKIP_*
 * @hold_ns: set to how long the mmap lock was held for writing
 * @ksm: pages of KSM in the range, which must not be stabilised
 * @snap: room to look for them
 * @src: what the core says of each page, see migrate_vma_setup()
 * @dst: where pages would migrate to: nowhere
 * @vma: the mapping they are in
 * @saved: entries of the page table that were taken
 * @zero: an entry of the kernel's zero page
 * @swap: mask of the pages whose entry is to be taken; then, of those that have another one now
 * @taken: mask of the pages whose entry was taken
 * @gone: pages that nobody maps any more
 */
struct pf_fold {
	struct mm_struct *mm;
	enum pf_policy policy;
	unsigned long start;
	unsigned int nr;
	bool huge;
	bool split;
	bool splits;
	bool tried;
	bool away;
	bool hasty;
	struct page **target;
	struct page **spare;
	enum pf_stat result[PF_FOLD_MAX];
	u64 hold_ns;
	DECLARE_BITMAP(ksm, PF_FOLD_MAX);
	struct pf_snapshot snap;
	unsigned long src[PF_FOLD_MAX];
	unsigned long dst[PF_FOLD_MAX];
	struct vm_area_struct *vma;
	pte_t saved[PF_FOLD_MAX];
	pte_t zero;
	u64 swap;
	u64 taken;
	struct page *gone[PF_FOLD_MAX];
};

void pf_fold_pages(struct pf_fold *fold);
void pf_fold_drain(struct pf_fold *fold, struct mm_struct *mm, unsigned long addr);

#endif /* PF_FOLD_H */
