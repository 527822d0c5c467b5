// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must not be folded: the one place that knows, asked when scanning and again when folding.
 *
 * The core refuses some of this by itself when pages are stabilised (pinned pages, large folios);
 * it is asked here before that, so that a page which will be refused costs no unmapping, and is
 * counted by its reason.
 */
#include <linux/hugetlb.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/userfaultfd_k.h>

#include "eligible.h"

/* Mappings whose pages are not the VM's alone, or that a driver manages. */
#define PF_VM_FOREIGN	(VM_SHARED | VM_MAYSHARE | VM_IO | VM_PFNMAP | VM_MIXEDMAP | \
			 VM_DONTEXPAND | VM_HUGETLB)

/**
 * pf_vma_skip() - may pages of this mapping be folded
 * @vma: the mapping
 * @policy: of its VM
 *
 * Private mappings of files are left out: their empty entries mean the file's content, not zeros.
 *
 * Context: the mmap lock is held.
 * Return: PF_SKIP_NONE if they may, else the reason.
 */
enum pf_stat pf_vma_skip(struct vm_area_struct *vma, enum pf_policy policy)
{
	unsigned long flags = vma->vm_flags;

	if (!vma_is_anonymous(vma) || !vma->anon_vma || (flags & PF_VM_FOREIGN) ||
	    !(flags & VM_READ) || vma->vm_end > PF_MAX_ADDRESS)
		return PF_SKIP_VMA;
	if (policy == PF_POLICY_MADVISE && !(flags & VM_MERGEABLE))
		return PF_SKIP_VMA;
	if (flags & VM_LOCKED)
		return PF_SKIP_LOCKED;
	if (userfaultfd_armed(vma))
		return PF_SKIP_UFFD;
	return PF_SKIP_NONE;
}

/**
 * pf_page_skip() - may this page be folded
 * @page: a page that a VM maps; a reference keeps it from being freed, nothing keeps it from
 * changing
 *
 * Context: any; the answer is final only for a stabilised page.
 * Return: PF_SKIP_NONE if it may, else the reason.
 */
enum pf_stat pf_page_skip(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (is_zone_device_page(page))
		return PF_SKIP_DEVICE;
	if (folio_test_ksm(folio))
		return PF_SKIP_KSM;
	if (!folio_test_anon(folio) || folio_test_hugetlb(folio))
		return PF_SKIP_VMA;
	if (!folio_test_swapbacked(folio))
		return PF_SKIP_LAZYFREE;
	if (folio_test_swapcache(folio))
		return PF_SKIP_SWAPCACHE;
	if (folio_test_mlocked(folio))
		return PF_SKIP_LOCKED;
	if (folio_maybe_dma_pinned(folio))
		return PF_SKIP_PINNED;
	return PF_SKIP_NONE;
}

/**
 * pf_page_is_foreign() - is this a page that no anonymous mapping has of its own
 * @page: a page mapped in an anonymous mapping
 *
 * There only frames are: ours, or those that an earlier load of the module left behind.
 *
 * Context: any; a reference keeps the page from being freed.
 */
bool pf_page_is_foreign(struct page *page)
{
	return !PageAnon(page) && !PageCompound(page) && !is_zone_device_page(page) &&
	       !PageReserved(page) && !page->mapping;
}
