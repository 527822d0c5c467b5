// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stabilise, compare, swap: the only file that changes a page table.
 *
 * The device-migration interface of the core (migrate_vma_*) is what makes folding possible for a
 * module. It unmaps a run of pages in every process and in KVM's second-level tables, waits until
 * no CPU can write them, refuses pages that anyone else holds, and puts migration entries in their
 * place, at which whoever touches them waits. Pages that turn out equal to their frame lose that
 * entry to the frame; the others "migrate" to nowhere, that is, get their mapping back. See
 * mm/migrate_device.c of the kernel.
 *
 * Lock order (each is taken inside the ones before it):
 *
 *	pf_control_lock		start, stop, unfold all		(sysfs.c)
 *	pf_vms_lock		list of VMs; waits for users of a VM's files	(vm.c)
 *	  pf_domains_lock	list of domains			(domain.c)
 *	vm->turn_lock		one scan or unfolding of a VM	(vm.h)
 *	pf_hint_fit_lock	one resize of the hint table at a time	(scan.c)
 *	pf_hints.lock		hint table against its resize	(hint.h)
 *	mm->mmap_lock		for writing here, else for reading
 *	  vma_start_write_killable()	from 6.4 on
 *	    folio lock		as the core takes it; of pages to be spared only if it is free
 *	      page table lock
 *	pf_store_fit_lock	one resize of the frame set's table at a time	(store.c)
 *				(never waited for with a VM's locks)
 *	pf_store_lock		frame set			(store.c)
 *				(inside pf_hints.lock, but never with an mmap lock)
 *	pf_turns_lock, pf_pool_lock, vm->name_lock, vm->missed.lock	innermost spinlocks
 *
 * The mmap lock and the VMA's lock come before the pages are stabilised and go after they are
 * released: a fault waits for a migration entry with one of them held for reading, so taking them
 * in between deadlocks.
 *
 * Both belong to the VM, and a task of it that hangs may hold them for ever. So nobody here
 * waits for it in a way that stopping the scan, or killing whoever unfolds, or unloading could not
 * end: see mmlock.c. Nor does anybody wait for one VM's on behalf of another.
 */
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>
#include <linux/string.h>

#include "cputime.h"
#include "fault.h"
#include "fold.h"
#include "mmlock.h"
#include "wide.h"

/*
 * A fault is over within microseconds. Where one is always under way, as in a guest of many CPUs
 * that gets its memory, there is a moment without by then; and if there is none the VM may hang.
 */
#define PF_FOLD_LOOKS	20
#define PF_FOLD_NAP_US	20

static unsigned int pf_fold_index(const struct pf_fold *fold, unsigned long addr)
{
	return (addr - fold->start) >> PAGE_SHIFT;
}

/*
 * As a read fault of an anonymous mapping does it, see do_anonymous_page().
 *
 * An empty entry would do for whoever reads it. But it would be a missing page to a userfaultfd
 * that is registered later, as QEMU does for a postcopy that follows a precopy: it would ask for a
 * page that it has been given already, and the guest would wait for ever. Nor can an empty entry
 * say that it was written since somebody last asked.
 */
static pte_t pf_zero_entry(const struct pf_fold *fold, unsigned long addr)
{
	return pte_mkspecial(pfn_pte(page_to_pfn(ZERO_PAGE(addr)), fold->vma->vm_page_prot));
}

/*
 * Take the entries of pages that equal their targets, all of them under one page table lock: if
 * they still are the migration entries of these very pages. Zero pages have their new entry then.
 */
static int pf_entry_take(pte_t *pte, unsigned long addr, void *data)
{
	struct pf_fold *fold = data;
	unsigned int i = pf_fold_index(fold, addr);
	pte_t entry = ptep_get(pte);

	if (!(fold->swap & BIT_ULL(i)) ||
	    !pf_pte_is_migration_of(entry, fold->src[i] >> MIGRATE_PFN_SHIFT))
		return 0;
	fold->taken |= BIT_ULL(i);
	fold->saved[i] = entry;
	if (fold->target[i] == PF_TARGET_ZERO)
		set_pte(pte, pte_swp_soft_dirty(entry) ? pte_mksoft_dirty(fold->zero) : fold->zero);
	else
		pte_clear(fold->mm, addr, pte);
	return 0;
}

static int pf_entry_restore(pte_t *pte, unsigned long addr, void *data)
{
	struct pf_fold *fold = data;

	set_pte(pte, fold->saved[pf_fold_index(fold, addr)]);
	return 0;
}

static int pf_entry_soft_dirty(pte_t *pte, unsigned long addr, void *data)
{
	struct pf_fold *fold = data;
	unsigned int i = pf_fold_index(fold, addr);

	if ((fold->swap & BIT_ULL(i)) && pte_swp_soft_dirty(fold->saved[i]))
		set_pte(pte, pte_mksoft_dirty(ptep_get(pte)));
	return 0;
}

static int pf_entry_is_zero(pte_t *pte, unsigned long addr, void *data)
{
	pte_t entry = ptep_get(pte);
	bool *zero = data;

	*zero = pte_present(entry) && is_zero_pfn(pte_pfn(entry));
	return 0;
}

/*
 * Map @nr frames side by side where the entries were taken; the core counts them as pages of a
 * file. Returns how many it mapped before there was no memory for one.
 */
static unsigned int pf_map_frames(struct vm_area_struct *vma, unsigned long addr,
				  struct page **frame, unsigned int nr)
{
	unsigned long left;

	if (pf_fault(PF_FAULT_INSERT))
		nr /= 2;
	if (!nr)
		return 0;
	left = nr;
	/* Its error says nothing more. */
	vm_insert_pages(vma, addr, frame, &left);
	/*
	 * The core marks the mapping as one that mixes pages with and without struct page. Ours
	 * have one, and the mark would keep the whole mapping from huge pages and from being folded
	 * again.
	 */
	vm_flags_clear(vma, VM_MIXEDMAP);
	return nr - left;
}

/*
 * No page is there any more: splitting a huge page makes the core itself map the zero page in the
 * place of pages of zeros, from 6.12 on. But the VM may also have given the page back meanwhile.
 */
static enum pf_stat pf_swapped_zero(const struct pf_fold *fold, unsigned int i)
{
	bool zero = false;

	apply_to_page_range(fold->mm, fold->start + i * PAGE_SIZE, PAGE_SIZE, pf_entry_is_zero,
			    &zero);
	return zero ? PF_STAT_ZERO_FOLDS : PF_SKIP_CHANGED;
}

static bool pf_page_equals(struct page *page, struct page *target, bool wide)
{
	void *data = kmap_local_page(page), *frame;
	bool equal;

	if (target == PF_TARGET_ZERO) {
		equal = pf_wide_is_zero_with(wide, data);
	} else {
		frame = kmap_local_page(target);
		equal = pf_wide_differ_with(wide, data, frame) == PF_PAGE_LINES;
		kunmap_local(frame);
	}
	kunmap_local(data);
	return equal;
}

/*
 * Look at one page of a stabilised run: it is locked, unmapped, and nobody else has a reference.
 * Returns PF_SKIP_NONE if it is to be swapped for its target where it equals that.
 */
static enum pf_stat pf_fold_decide(const struct pf_fold *fold, unsigned int i)
{
	struct page *page, *target = fold->target[i];

	if (!(fold->src[i] & MIGRATE_PFN_MIGRATE))
		return PF_SKIP_BUSY;
	page = migrate_pfn_to_page(fold->src[i]);
	if (!page)
		return target == PF_TARGET_ZERO ? pf_swapped_zero(fold, i) : PF_SKIP_CHANGED;
	return pf_page_skip(page);
}

/* Compare the next few of the pages in @left with their targets; takes them out of it. */
static u64 pf_fold_compare(struct pf_fold *fold, u64 left)
{
	bool wide = pf_wide_begin();
	unsigned int nr;

	for (nr = 0; left && nr < PF_WIDE_PAGES; nr++, left &= left - 1) {
		unsigned int i = __ffs64(left);
		struct page *page = migrate_pfn_to_page(fold->src[i]);

		if (pf_page_equals(page, fold->target[i], wide))
			continue;
		fold->result[i] = PF_SKIP_CHANGED;
		fold->swap &= ~BIT_ULL(i);
	}
	pf_wide_end(wide);
	return left;
}

static void pf_fold_decide_all(struct pf_fold *fold, unsigned int first, unsigned int end)
{
	unsigned int i;
	u64 left;

	fold->swap = 0;
	for (i = first; i < end; i++) {
		if (!fold->target[i])
			continue;
		fold->result[i] = pf_fold_decide(fold, i);
		if (fold->result[i] != PF_SKIP_NONE)
			continue;
		fold->result[i] = PF_SKIP_BUSY;
		fold->swap |= BIT_ULL(i);
	}
	for (left = fold->swap; left;)
		left = pf_fold_compare(fold, left);
}

/* How many pages from @i on, whose entries were all taken, are to be frames? */
static unsigned int pf_swap_run_length(const struct pf_fold *fold, unsigned int i, unsigned int end)
{
	unsigned int nr = 0;

	while (i + nr < end && (fold->swap & BIT_ULL(i + nr)) &&
	       fold->target[i + nr] != PF_TARGET_ZERO)
		nr++;
	return nr;
}

/*
 * Map the frames of pages from @i on whose entries were taken, as many as are side by side; the
 * entry of one for which there is no memory is put back. Returns how many were done.
 */
static unsigned int pf_swap_run(struct pf_fold *fold, unsigned int i, unsigned int end)
{
	unsigned int nr = pf_swap_run_length(fold, i, end), k, mapped;
	unsigned long addr = fold->start + i * PAGE_SIZE;

	if (!nr) {
		fold->result[i] = PF_STAT_ZERO_FOLDS;
		return 1;
	}
	mapped = pf_map_frames(fold->vma, addr, fold->target + i, nr);
	for (k = i; k < i + mapped; k++)
		fold->result[k] = PF_STAT_FOLDS;
	if (mapped == nr)
		return nr;
	apply_to_page_range(fold->mm, addr + mapped * PAGE_SIZE, PAGE_SIZE, pf_entry_restore, fold);
	fold->swap &= ~BIT_ULL(i + mapped);
	fold->result[i + mapped] = PF_SKIP_NOMEM;
	return mapped + 1;
}

/*
 * Pages that had no other mapping than the one that was taken are nobody's any more. The core would
 * put them back on the lists of their memory and look through their reverse maps before it frees
 * them, a third of what a fold costs. So they are kept from it, and let go here as the core lets go
 * of a page that went away while it was to be moved, see migrate_folio_unmap(): this file has
 * the only reference. A page that is mapped elsewhere too, after a fork, the core puts back there.
 */
static void pf_fold_release(struct pf_fold *fold)
{
	unsigned int nr = 0;
	u64 left;

	for (left = fold->swap; left; left &= left - 1) {
		unsigned int i = __ffs64(left);
		struct folio *folio;

		if (!pf_pte_is_exclusive_migration(fold->saved[i]))
			continue;
		folio = page_folio(migrate_pfn_to_page(fold->src[i]));
		fold->src[i] = 0;
		folio_clear_active(folio);
		folio_clear_unevictable(folio);
		folio_unlock(folio);
		fold->gone[nr++] = &folio->page;
	}
	if (nr)
		release_pages(fold->gone, nr);
}

/* Swap the pages from @first to @end, not included, that equal their targets for them. */
static void pf_fold_swap(struct pf_fold *fold, unsigned int first, unsigned int end)
{
	unsigned long start = fold->start + first * PAGE_SIZE, size = (end - first) * PAGE_SIZE;
	bool soft_dirty = false;
	unsigned int i;

	if (!fold->swap)
		return;
	fold->taken = 0;
	fold->zero = pf_zero_entry(fold, start);
	apply_to_page_range(fold->mm, start, size, pf_entry_take, fold);
	fold->swap = fold->taken;
	for (i = first; i < end;)
		i += fold->swap & BIT_ULL(i) ? pf_swap_run(fold, i, end) : 1;
	for (i = first; i < end; i++)
		soft_dirty |= (fold->swap & BIT_ULL(i)) && fold->result[i] == PF_STAT_FOLDS &&
			      pte_swp_soft_dirty(fold->saved[i]);
	/*
	 * Also where the mapping as a whole counts as written: merged with another mapping it may
	 * lose that mark.
	 */
	if (soft_dirty)
		apply_to_page_range(fold->mm, start, size, pf_entry_soft_dirty, fold);
	pf_rss_add_anon(fold->mm, -(long)hweight64(fold->swap));
	pf_fold_release(fold);
}

/* Set the same result for all pages that have a target. */
static void pf_fold_all_skip(struct pf_fold *fold, enum pf_stat skip)
{
	unsigned int i;

	for (i = 0; i < fold->nr; i++)
		fold->result[i] = skip;
}

/*
 * Which pages of the range must the core not meet?
 *
 * Those of KSM: it maps a page of its own somewhere a moment before its reverse map tells so. To
 * stabilise such a page by its place, and to put it back by its reverse map, as the core does when
 * it is refused, leaves a migration entry there for good: on 6.1 the next touch of it is a bug of
 * the kernel. What is not KSM's now does not become so meanwhile: that takes the mmap lock.
 *
 * And a huge page that somebody has locked: up to 6.12 at least the core forgets to put its own
 * reference when it cannot lock it, and the page could never be split or freed again. Who locks it
 * between here and there is not seen, but that is a moment, and they may hold it for long. For one
 * of them the whole range is left for another time.
 */
static int pf_fold_find_unfit(struct pf_fold *fold, struct vm_area_struct *vma)
{
	bool locked = false;
	unsigned int i;
	int err;

	fold->splits = false;
	bitmap_zero(fold->ksm, PF_FOLD_MAX);
	if (!(vma->vm_flags & VM_MERGEABLE) && !fold->huge)
		return 0;
	err = pf_snapshot_take_locked(&fold->snap, fold->mm, fold->start, fold->nr);
	if (err)
		return err;
	for (i = 0; i < fold->nr; i++) {
		struct page *page = pf_snapshot_page(&fold->snap, i);

		if (page && folio_test_ksm(page_folio(page)))
			__set_bit(i, fold->ksm);
		if (page && pf_snapshot_huge(&fold->snap, i)) {
			fold->splits = true;
			locked |= folio_test_locked(page_folio(page));
		}
	}
	pf_snapshot_done(&fold->snap);
	return locked ? -EAGAIN : 0;
}

/*
 * Lock the pages from @first to @end between those that are to be folded: the core passes over what
 * it cannot lock, so they stay mapped and cost next to nothing. Returns a mask of them.
 */
static u64 pf_spares_lock(const struct pf_fold *fold, unsigned int first, unsigned int end)
{
	u64 locked = 0;
	unsigned int i;

	for (i = first; fold->spare && i < end; i++) {
		struct folio *folio;

		if (fold->target[i] || !fold->spare[i])
			continue;
		folio = page_folio(fold->spare[i]);
		/* A huge page has to be split for the others. */
		if (!folio_test_large(folio) && folio_trylock(folio))
			locked |= BIT_ULL(i);
	}
	return locked;
}

static void pf_spares_unlock(const struct pf_fold *fold, u64 locked)
{
	for (; locked; locked &= locked - 1)
		folio_unlock(page_folio(fold->spare[__ffs64(locked)]));
}

/* Fold pages @first to @end, not included, of the range, none of which is KSM's. */
static void pf_fold_run(struct pf_fold *fold, unsigned int first, unsigned int end)
{
	struct migrate_vma migrate = {
		.vma = fold->vma,
		.src = fold->src + first,
		.dst = fold->dst + first,
		.start = fold->start + first * PAGE_SIZE,
		.end = fold->start + end * PAGE_SIZE,
		.flags = MIGRATE_VMA_SELECT_SYSTEM,
	};
	u64 locked = pf_spares_lock(fold, first, end);
	int err = migrate_vma_setup(&migrate);
	unsigned int i;

	pf_spares_unlock(fold, locked);
	if (err) {
		for (i = first; i < end; i++)
			fold->result[i] = PF_SKIP_BUSY;
		return;
	}
	pf_fold_decide_all(fold, first, end);
	pf_fold_swap(fold, first, end);
	migrate_vma_pages(&migrate);
	migrate_vma_finalize(&migrate);
}

/*
 * Fold the first page of a range that a huge page maps: to split that takes the core longer than a
 * batch, so the others come with the next one. If it cannot be split they are not asked for one by
 * one.
 */
static void pf_fold_split(struct pf_fold *fold)
{
	fold->split = true;
	pf_fold_all_skip(fold, PF_SKIP_BUSY);
	pf_fold_run(fold, 0, 1);
	if (fold->result[0] != PF_SKIP_BUSY)
		fold->nr = 1;
}

static void pf_fold_locked(struct pf_fold *fold)
{
	unsigned long end = fold->start + fold->nr * PAGE_SIZE;
	struct vm_area_struct *vma;
	unsigned int first, last;
	enum pf_stat skip;

	vma = find_vma(fold->mm, fold->start);
	skip = !vma || vma->vm_start > fold->start || vma->vm_end < end ?
		PF_SKIP_VMA : pf_vma_skip(vma, fold->policy);
	if (skip != PF_SKIP_NONE) {
		pf_fold_all_skip(fold, skip);
		return;
	}
	if (vma_start_write_killable(vma)) {
		pf_fold_all_skip(fold, PF_SKIP_BUSY);
		return;
	}
	memset(fold->dst, 0, fold->nr * sizeof(fold->dst[0]));
	if (pf_fault(PF_FAULT_SETUP) || pf_fold_find_unfit(fold, vma)) {
		pf_fold_all_skip(fold, PF_SKIP_BUSY);
		return;
	}
	fold->vma = vma;
	fold->tried = true;
	if (fold->splits && !test_bit(0, fold->ksm)) {
		pf_fold_split(fold);
		return;
	}
	pf_fold_all_skip(fold, PF_SKIP_KSM);
	for_each_clear_bitrange(first, last, fold->ksm, fold->nr)
		pf_fold_run(fold, first, last);
}

/* A fault that holds the VMA's lock may wait for a swap device that is gone. */
static bool pf_fold_would_wait(const struct pf_fold *fold)
{
	struct vm_area_struct *vma = fold->hasty ? find_vma(fold->mm, fold->start) : NULL;

	return vma && pf_vma_is_read(vma);
}

/* Fold with the locks. Returns false if they were to be waited for, and whoever folds is hasty. */
static bool pf_fold_try(struct pf_fold *fold)
{
	unsigned long switches;
	bool waits;
	u64 begin;

	if (fold->hasty ? pf_mm_write_soon(fold->mm) : mmap_write_lock_killable(fold->mm)) {
		pf_fold_all_skip(fold, PF_SKIP_BUSY);
		return true;
	}
	begin = ktime_get_ns();
	switches = pf_thread_switches();
	waits = pf_fold_would_wait(fold);
	if (!waits)
		pf_fold_locked(fold);
	fold->hold_ns = ktime_get_ns() - begin;
	fold->away = pf_thread_switches() != switches;
	mmap_write_unlock(fold->mm);
	pf_hold_account(fold->hold_ns);
	return !waits;
}

/**
 * pf_fold_pages() - fold the pages of a range that equal their targets
 * @fold: what to fold; says afterwards what became of each page
 *
 * A huge page in the range is split by the core first. Pages in the range that have no target and
 * are not spared are unmapped for a moment too.
 *
 * Context: takes the mmap lock for writing; may sleep.
 */
void pf_fold_pages(struct pf_fold *fold)
{
	int look;

	fold->hold_ns = 0;
	fold->tried = false;
	fold->away = false;
	for (look = 0; look < PF_FOLD_LOOKS; look++) {
		if (pf_fold_try(fold))
			return;
		usleep_range(PF_FOLD_NAP_US, 2 * PF_FOLD_NAP_US);
	}
	pf_fold_all_skip(fold, PF_SKIP_BUSY);
}

/* Stabilise one page and let it go at once. The caller holds the mmap lock. */
static void pf_drain_locked(struct pf_fold *fold)
{
	unsigned long src = 0, dst = 0;
	struct migrate_vma migrate = {
		.src = &src,
		.dst = &dst,
		.start = fold->start,
		.end = fold->start + PAGE_SIZE,
		.flags = MIGRATE_VMA_SELECT_SYSTEM,
	};

	migrate.vma = find_vma(fold->mm, fold->start);
	if (!migrate.vma || migrate.vma->vm_start > fold->start ||
	    pf_vma_skip(migrate.vma, PF_POLICY_ALWAYS) != PF_SKIP_NONE)
		return;
	if (pf_fold_find_unfit(fold, migrate.vma) || test_bit(0, fold->ksm))
		return;
	if (migrate_vma_setup(&migrate))
		return;
	migrate_vma_pages(&migrate);
	migrate_vma_finalize(&migrate);
}

/*
 * A page that was stabilised and let go waits in the batch of this CPU once more, and asking for it
 * again would only repeat that. The core empties the batch for whoever puts a batch of references,
 * and be it one on the zero page.
 */
static void pf_drain_own(void)
{
	struct folio *zero = page_folio(ZERO_PAGE(0));
	struct folio_batch batch;

	folio_batch_init(&batch);
	folio_get(zero);
	folio_batch_add(&batch, zero);
	folio_batch_release(&batch);
}

/**
 * pf_fold_drain() - bring freshly faulted pages to the LRU lists of their memory
 * @fold: scratch, of which nothing is in use
 * @mm: an address space; the caller holds a reference on its users
 * @addr: of a page that is not on a list yet, and that may be folded
 *
 * Pages wait in per-CPU batches for that, and the core cannot stabilise them there. Asked to
 * stabilise one it empties the batch of this CPU and then, unless that page came out of it, those
 * of all others, and waits for them. So this is done apart from any batch, and seldom: the mmap
 * lock must be held for writing even for a single page, or it might become KSM's meanwhile (see
 * pf_fold_find_unfit()).
 *
 * Context: takes the mmap lock for writing; sleeps.
 */
void pf_fold_drain(struct pf_fold *fold, struct mm_struct *mm, unsigned long addr)
{
	u64 begin;

	fold->mm = mm;
	fold->start = addr;
	fold->nr = 1;
	fold->huge = true;
	if (mmap_write_lock_killable(mm))
		return;
	begin = ktime_get_ns();
	pf_drain_locked(fold);
	fold->hold_ns = ktime_get_ns() - begin;
	mmap_write_unlock(mm);
	pf_hold_account(fold->hold_ns);
	pf_drain_own();
}
