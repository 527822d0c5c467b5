/* SPDX-License-Identifier: GPL-2.0-only */
/* Give a VM private copies of its folded pages again. */
#ifndef PF_UNFOLD_H
#define PF_UNFOLD_H

#include <linux/atomic.h>
#include <linux/mm_types.h>

struct pf_snapshot;

/**
 * struct pf_moves - what moves in an address space while it is unfolded
 * @walk: everything below has been seen; ULONG_MAX while nothing is unfolded
 * @nr: ranges above it whose pages went, perhaps elsewhere
 */
struct pf_moves {
	unsigned long walk;
	atomic_t nr;
};

/**
 * struct pf_unfold - an unfolding of one address space
 * @mm: whose pages; the caller holds a reference on its users, and keeps them from being folded
 * @moves: what moves there, see pf_unfold_moved()
 * @snap: room to work in
 * @all: it is one of all VMs, which pf_unfold_cancel_begin() ends
 * @spare: number of a domain whose frames may stay, 0 for none
 * @copies: how many more may be made before it is asked again whether there is memory
 * @found: there were some to unfold
 * @pages: how many were unfolded
 * @reached: nothing is folded below this address, but what moved there meanwhile
 */
struct pf_unfold {
	struct mm_struct *mm;
	struct pf_moves *moves;
	struct pf_snapshot *snap;
	bool all;
	u32 spare;
	unsigned int copies;
	bool found;
	u64 pages;
	unsigned long reached;
};

void pf_unfold_cancel_begin(void);
void pf_unfold_cancel_end(void);
void pf_unfold_moved(struct pf_moves *moves, unsigned long end);
int pf_unfold_mm(struct pf_unfold *unfold);
int pf_unfold_page(struct mm_struct *mm, unsigned long addr);
int pf_unfold_copy(struct mm_struct *mm, unsigned long addr);

#endif /* PF_UNFOLD_H */
