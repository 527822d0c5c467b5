// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read which pages a range of a VM maps, without faulting anything in.
 *
 * hmm_range_fault() that asks for no fault is the exported way to read a page table: absent and
 * swapped pages stay as they are. See Documentation/mm/hmm.rst of the kernel for the protocol.
 */
#include <linux/hmm.h>
#include <linux/mmap_lock.h>

#include "fault.h"
#include "snapshot.h"

static bool pf_snapshot_invalidate(struct mmu_interval_notifier *watch,
				   const struct mmu_notifier_range *range, unsigned long seq)
{
	mmu_interval_set_seq(watch, seq);
	return true;
}

static const struct mmu_interval_notifier_ops pf_snapshot_ops = {
	.invalidate = pf_snapshot_invalidate,
};

/**
 * pf_snapshot_take() - read what a range maps
 * @snap: filled
 * @mm: whose range; the caller holds a reference on its users
 * @start: address of the first page
 * @nr: how many pages, 1..PF_REGION_PAGES, all in one region
 *
 * Pages of mappings that cannot be read come out as HMM_PFN_ERROR.
 *
 * Context: takes the mmap lock for reading; may sleep.
 * Return: 0, and the caller calls pf_snapshot_done(); -EAGAIN when the range keeps changing;
 * -ENOMEM; -EFAULT or -EINVAL when nothing is mapped there.
 */
int pf_snapshot_take(struct pf_snapshot *snap, struct mm_struct *mm, unsigned long start,
		     unsigned int nr)
{
	struct hmm_range range = {
		.notifier = &snap->watch,
		.start = start,
		.end = start + (unsigned long)nr * PAGE_SIZE,
		.hmm_pfns = snap->pfn,
	};
	int err;

	if (pf_fault(PF_FAULT_NOTIFIER))
		return -ENOMEM;
	err = mmu_interval_notifier_insert(&snap->watch, mm, start, range.end - start,
					   &pf_snapshot_ops);
	if (err)
		return err;

	memset(snap->pfn, 0, nr * sizeof(snap->pfn[0]));
	range.notifier_seq = mmu_interval_read_begin(&snap->watch);
	mmap_read_lock(mm);
	err = hmm_range_fault(&range);
	mmap_read_unlock(mm);
	if (err) {
		mmu_interval_notifier_remove(&snap->watch);
		return err == -EBUSY ? -EAGAIN : err;
	}
	snap->start = start;
	snap->nr = nr;
	snap->seq = range.notifier_seq;
	return 0;
}

/**
 * pf_snapshot_done() - stop watching the range
 * @snap: a snapshot that was taken
 *
 * Context: no mmap lock held; may sleep until an invalidation under way has ended.
 */
void pf_snapshot_done(struct pf_snapshot *snap)
{
	mmu_interval_notifier_remove(&snap->watch);
}
