/* SPDX-License-Identifier: GPL-2.0-only */
/* What must not be folded: the one place that knows, asked when scanning and again when folding. */
#ifndef PF_ELIGIBLE_H
#define PF_ELIGIBLE_H

#include <linux/mm_types.h>

#include "config.h"
#include "hint.h"
#include "stats.h"

/* Where hints can name a page: see PF_HINT_PAGE_BITS. */
#define PF_MAX_ADDRESS	BIT(PF_HINT_PAGE_BITS + PAGE_SHIFT)

enum pf_stat pf_vma_skip(struct vm_area_struct *vma, enum pf_policy policy);
enum pf_stat pf_page_skip(struct page *page);
bool pf_page_is_foreign(struct page *page);

#endif /* PF_ELIGIBLE_H */
