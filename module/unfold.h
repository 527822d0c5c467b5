/* SPDX-License-Identifier: GPL-2.0-only */
/* Give a VM private copies of its folded pages again. */
#ifndef PF_UNFOLD_H
#define PF_UNFOLD_H

#include <linux/mm_types.h>

struct pf_snapshot;

void pf_unfold_cancel(bool cancel);
int pf_unfold_mm(struct mm_struct *mm, struct pf_snapshot *snap, u64 *unfolded);
int pf_unfold_page(struct mm_struct *mm, unsigned long addr);

#endif /* PF_UNFOLD_H */
