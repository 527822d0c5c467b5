// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read which pages a range of a VM maps, without faulting anything in.
 *
 * hmm_range_fault() that asks for no fault is the exported way to read a page table: absent and
 * swapped pages stay as they are. See Documentation/mm/hmm.rst of the kernel for the protocol.
 */
#include <linux/hmm.h>
#include <linux/mmap_lock.h>

#include "breaks.h"
#include "fault.h"
#include "mmlock.h"
#include "snapshot.h"

/* Pages after which others may run: as many take as long as to fold four. */
#define PF_SNAPSHOT_PIECE	128U

static bool pf_snapshot_invalidate(struct mmu_interval_notifier *watch,
				   const struct mmu_notifier_range *range, unsigned long seq)
{
	mmu_interval_set_seq(watch, seq);
	return true;
}

static const struct mmu_interval_notifier_ops pf_snapshot_ops = {
	.invalidate = pf_snapshot_invalidate,
};

static bool pf_snapshot_hinted(const struct pf_snapshot *snap, unsigned int i)
{
	return snap->pfn[i] && !(snap->pfn[i] & HMM_PFN_FLAGS) && !is_zero_pfn(snap->pfn[i]);
}

/* Does the page at @i lie as a huge page's entry that covers the range would have it? */
static bool pf_snapshot_lies_huge(const struct pf_snapshot *snap, unsigned int i)
{
	unsigned long at = (snap->start >> PAGE_SHIFT) + i;

	return snap->pfn[i] == snap->pfn[0] + i &&
	       !((snap->pfn[i] ^ at) & (PF_REGION_PAGES - 1)) &&
	       PageCompound(pfn_to_page(snap->pfn[i]));
}

/*
 * Of a page behind a NUMA hint, an entry without rights until somebody touches it, the core tells
 * the number but neither that it is there nor the size of its entry. In a mapping that can be read
 * there is no other reason for that. The size is a guess: the core refuses to stabilise a large
 * folio that is mapped by single entries.
 */
static void pf_snapshot_see_hinted(struct pf_snapshot *snap)
{
	unsigned int i, huge = 0;

	for (i = 0; i < snap->nr && pf_snapshot_hinted(snap, i); i++)
		huge += pf_snapshot_lies_huge(snap, i);
	huge = huge == snap->nr ? PF_REGION_SHIFT - PAGE_SHIFT : 0;
	for (i = 0; i < snap->nr; i++)
		if (pf_snapshot_hinted(snap, i))
			snap->pfn[i] |= HMM_PFN_VALID | (unsigned long)huge << HMM_PFN_ORDER_SHIFT;
}

/* With the mmap lock held, and the watch in place. */
static int pf_snapshot_walk(struct pf_snapshot *snap, unsigned int first, unsigned int nr)
{
	unsigned long start = snap->start + first * PAGE_SIZE;
	struct hmm_range range = {
		.notifier = &snap->watch,
		.notifier_seq = snap->seq,
		.start = start,
		.end = start + nr * PAGE_SIZE,
		.hmm_pfns = snap->pfn + first,
	};
	int err;

	memset_l(range.hmm_pfns, 0, nr);
	err = hmm_range_fault(&range);
	return err == -EBUSY ? -EAGAIN : err;
}

/*
 * Read it piece by piece, between which others may run, without the lock: the watch tells whether
 * it is one picture.
 */
static int pf_snapshot_read(struct pf_snapshot *snap, struct mm_struct *mm,
			    int (*lock)(struct mm_struct *mm))
{
	unsigned int i;
	int err;

	for (i = 0; i < snap->nr; i += PF_SNAPSHOT_PIECE) {
		err = lock(mm);
		if (err)
			return err;
		err = pf_snapshot_walk(snap, i, min(snap->nr - i, PF_SNAPSHOT_PIECE));
		mmap_read_unlock(mm);
		if (err)
			return err;
		pf_break();
	}
	return 0;
}

/* Watch the range from now on; the caller reads it, and lets go of the watch if that fails. */
static void pf_snapshot_begin(struct pf_snapshot *snap, unsigned long start, unsigned int nr)
{
	snap->start = start;
	snap->nr = nr;
	snap->seq = mmu_interval_read_begin(&snap->watch);
}

static int pf_snapshot_end(struct pf_snapshot *snap, int err)
{
	if (err)
		mmu_interval_notifier_remove(&snap->watch);
	else if (IS_ENABLED(CONFIG_NUMA_BALANCING))
		pf_snapshot_see_hinted(snap);
	return err;
}

/**
 * pf_snapshot_take_by() - as pf_snapshot_take(), with the caller's way to wait for the mmap lock
 * @snap: filled
 * @mm: whose range; the caller holds a reference on its users
 * @start: address of the first page
 * @nr: how many pages, 1..PF_REGION_PAGES, all in one region
 * @lock: takes it for reading, or gives an error: see mmlock.c
 *
 * Context: as @lock; may sleep until an invalidation under way has ended.
 * Return: as pf_snapshot_take(), or the error of @lock.
 */
int pf_snapshot_take_by(struct pf_snapshot *snap, struct mm_struct *mm, unsigned long start,
			unsigned int nr, int (*lock)(struct mm_struct *mm))
{
	int err;

	if (pf_fault(PF_FAULT_NOTIFIER))
		return -ENOMEM;
	/* Who has it for writing as a rule invalidates, and that is waited for below. */
	err = lock(mm);
	if (err)
		return err;
	mmap_read_unlock(mm);
	err = mmu_interval_notifier_insert(&snap->watch, mm, start, (unsigned long)nr * PAGE_SIZE,
					   &pf_snapshot_ops);
	if (err)
		return err;

	pf_snapshot_begin(snap, start, nr);
	return pf_snapshot_end(snap, pf_snapshot_read(snap, mm, lock));
}

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
 * -ENOMEM; -EINTR when the thread is to stop, or the module goes; -EFAULT or -EINVAL when nothing
 * is mapped there.
 */
int pf_snapshot_take(struct pf_snapshot *snap, struct mm_struct *mm, unsigned long start,
		     unsigned int nr)
{
	return pf_snapshot_take_by(snap, mm, start, nr, pf_mm_read_lock);
}

/**
 * pf_snapshot_take_locked() - the same for who holds the mmap lock for writing
 * @snap: filled
 * @mm: whose range
 * @start: address of the first page
 * @nr: how many pages, 1..PF_REGION_PAGES, all in one region
 *
 * Context: the mmap lock is held for writing; may sleep.
 * Return: as pf_snapshot_take(), but no -EINTR.
 */
int pf_snapshot_take_locked(struct pf_snapshot *snap, struct mm_struct *mm, unsigned long start,
			    unsigned int nr)
{
	int err;

	if (pf_fault(PF_FAULT_NOTIFIER))
		return -ENOMEM;
	err = mmu_interval_notifier_insert_locked(&snap->watch, mm, start,
						  (unsigned long)nr * PAGE_SIZE, &pf_snapshot_ops);
	if (err)
		return err;
	pf_snapshot_begin(snap, start, nr);
	return pf_snapshot_end(snap, pf_snapshot_walk(snap, 0, nr));
}

/**
 * pf_snapshot_done() - stop watching the range
 * @snap: a snapshot that was taken
 *
 * Context: may sleep until an invalidation under way has ended, which waits for no mmap lock.
 */
void pf_snapshot_done(struct pf_snapshot *snap)
{
	mmu_interval_notifier_remove(&snap->watch);
}
