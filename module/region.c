// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is known of a VM's memory, region by region: what is folded, and when to look again.
 *
 * Frames have no reverse map, and a write to one is the core's business, so nobody tells when a
 * page is folded no longer. The scan sees it: each visit of a region compares what is there with
 * what was, and the difference is pages that were written. Two bits for each page tell
 * folded and zero pages apart from others; and a few bytes remember for how many passes the region
 * may be left alone. A region that rests counts as visited.
 *
 * Everything here but what was missed is protected by the VM's turn_lock.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "breaks.h"
#include "fault.h"
#include "region.h"
#include "scan.h"
#include "store.h"
#include "trace.h"
#include "vm.h"

/* A record is no reason to kill a process: without it the next visit finds what is folded. */
#define PF_REGION_GFP	(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY)

static unsigned long pf_region_index(unsigned long addr)
{
	return addr >> PF_REGION_SHIFT;
}

static unsigned int pf_region_offset(unsigned long addr)
{
	return (addr & ~PF_REGION_MASK) >> PAGE_SHIFT;
}

static void pf_vm_add_folded(struct pf_vm *vm, long frames, long zeros)
{
	WRITE_ONCE(vm->folded_pages, vm->folded_pages + frames);
	WRITE_ONCE(vm->zero_pages, vm->zero_pages + zeros);
	atomic64_add(frames, &pf_totals.folded_pages);
	atomic64_add(zeros, &pf_totals.zero_pages);
}

/* @seen: what need not be visited in this pass for what is noted to be believed. */
static struct pf_region *pf_region_new(struct pf_vm *vm, unsigned long addr, unsigned int seen)
{
	struct pf_region *region;

	region = pf_fault(PF_FAULT_REGION) ? NULL :
					     kzalloc(sizeof(*region), PF_REGION_GFP);
	if (!region)
		return NULL;
	region->pass = vm->pass_no;
	region->seen = seen;
	/* Not what is now: nothing was left for it yet. */
	region->gen = READ_ONCE(pf_hints_gen) - 1;
	if (pf_fault(PF_FAULT_REGION_SLOT) ||
	    xa_err(xa_store(&vm->regions, pf_region_index(addr), region, PF_REGION_GFP))) {
		kfree(region);
		return NULL;
	}
	atomic64_inc(&pf_totals.regions);
	return region;
}

static void pf_region_free(struct pf_vm *vm, unsigned long index, struct pf_region *region)
{
	xa_erase(&vm->regions, index);
	kfree(region);
	atomic64_dec(&pf_totals.regions);
}

/* Forget what was folded in pages [from, to): they are not mapped any more. */
static void pf_region_forget(struct pf_vm *vm, struct pf_region *region, unsigned int from,
			     unsigned int to)
{
	unsigned long frames = bitmap_weight(region->frame, PF_REGION_PAGES);
	unsigned long zeros = bitmap_weight(region->zero, PF_REGION_PAGES);

	if (from >= to)
		return;
	bitmap_clear(region->frame, from, to - from);
	bitmap_clear(region->zero, from, to - from);
	pf_vm_add_folded(vm, bitmap_weight(region->frame, PF_REGION_PAGES) - frames,
			 bitmap_weight(region->zero, PF_REGION_PAGES) - zeros);
}

/*
 * A pass goes upwards: what lies between the last visit of this region and this one is not mapped.
 */
static void pf_region_reach(struct pf_vm *vm, struct pf_region *region, unsigned int from,
			    unsigned int to)
{
	if (region->pass != vm->pass_no) {
		region->pass = vm->pass_no;
		region->seen = 0;
	}
	pf_region_forget(vm, region, region->seen, from);
	region->seen = max_t(unsigned int, region->seen, to);
}

static bool pf_region_is_empty(const struct pf_region *region)
{
	return bitmap_empty(region->frame, PF_REGION_PAGES) &&
	       bitmap_empty(region->zero, PF_REGION_PAGES);
}

/*
 * khugepaged counts pages of zeros as empty and makes huge pages of regions that we split; so a
 * region that does not stay split is split less readily.
 */
static void pf_region_note_comeback(struct pf_region *region, bool huge)
{
	if (huge && !pf_region_is_empty(region))
		region->comebacks = min(region->comebacks + 1, PF_COMEBACKS_MAX);
}

/**
 * pf_region_comebacks() - how often a region did not stay split
 * @vm: the VM
 * @addr: an address in the region
 *
 * Return: times, 0..PF_COMEBACKS_MAX.
 */
unsigned int pf_region_comebacks(struct pf_vm *vm, unsigned long addr)
{
	const struct pf_region *region = xa_load(&vm->regions, pf_region_index(addr));

	return region ? region->comebacks : 0;
}

/**
 * pf_region_doubt() - must keys of pages of a region not be trusted
 * @vm: the VM
 * @addr: an address in the region
 */
bool pf_region_doubt(struct pf_vm *vm, unsigned long addr)
{
	const struct pf_region *region = xa_load(&vm->regions, pf_region_index(addr));

	return region && region->doubt;
}

/**
 * pf_region_set_doubt() - note whether pages of a region equalled their frames when folded
 * @vm: the VM
 * @addr: an address in the region
 * @doubt: some did not
 */
void pf_region_set_doubt(struct pf_vm *vm, unsigned long addr, bool doubt)
{
	struct pf_region *region = xa_load(&vm->regions, pf_region_index(addr));

	if (!region && doubt)
		region = pf_region_new(vm, addr, PF_REGION_PAGES);
	if (!region)
		return;
	if (doubt)
		region->doubt = PF_DOUBT_LOOKS;
	else if (region->doubt)
		region->doubt--;
}

/**
 * pf_region_rests() - is a region left alone in this pass
 * @vm: the VM
 * @start: where the region begins
 * @most: passes that a region may rest at most
 *
 * Return: 0 if it must be looked at; else how many of its pages are not, PF_REGION_PAGES + 1 for
 * none. What is noted of it stays so.
 */
unsigned int pf_region_rests(struct pf_vm *vm, unsigned long start, unsigned int most)
{
	struct pf_region *region = xa_load(&vm->regions, pf_region_index(start));

	if (!region || region->gen != READ_ONCE(pf_hints_gen) ||
	    !pf_patience_rests(&region->patience, most))
		return 0;
	pf_region_reach(vm, region, 0, PF_REGION_PAGES);
	return region->mapped ?: PF_REGION_PAGES + 1;
}

/**
 * pf_region_settle() - note what looking at a range brought
 * @vm: the VM
 * @snap: what the range mapped
 * @settle: what it brought
 *
 * Only regions that are scanned in one piece rest.
 */
void pf_region_settle(struct pf_vm *vm, const struct pf_snapshot *snap,
		      const struct pf_settle *settle)
{
	struct pf_region *region = xa_load(&vm->regions, pf_region_index(snap->start));
	unsigned int end = pf_region_offset(snap->start) + snap->nr, i, mapped = 0;

	if (!region && settle->most && snap->nr == PF_REGION_PAGES)
		region = pf_region_new(vm, snap->start, PF_REGION_PAGES);
	if (!region)
		return;
	if (end == PF_REGION_PAGES)
		region->gen = settle->gen;
	if (snap->nr < PF_REGION_PAGES) {
		region->patience = (struct pf_patience) {};
		return;
	}
	for (i = 0; i < snap->nr; i++)
		mapped += !!pf_snapshot_page(snap, i);
	region->mapped = mapped;
	pf_patience_learn(&region->patience, settle->pages, settle->news, settle->restless,
			  settle->most, pf_region_index(snap->start));
}

/**
 * pf_region_visit() - compare what a range maps with what was folded there
 * @vm: the VM
 * @snap: what the range maps now
 * @turn: counts pages that were written since
 */
void pf_region_visit(struct pf_vm *vm, const struct pf_snapshot *snap, struct pf_stats *turn)
{
	unsigned int base = pf_region_offset(snap->start), i;
	struct pf_region *region = xa_load(&vm->regions, pf_region_index(snap->start));
	u64 breaks = turn->count[PF_STAT_COW_BREAKS];
	long frames = 0, zeros = 0;

	if (region) {
		pf_region_reach(vm, region, base, base + snap->nr);
		pf_region_note_comeback(region, pf_snapshot_huge(snap, 0));
	}
	for (i = 0; i < snap->nr; i++) {
		struct page *page = pf_snapshot_page(snap, i);
		bool frame = page && pf_store_owns_for(page, vm->domain_id);

		if (!region && frame)
			region = pf_region_new(vm, snap->start, 0);
		if (!region)
			continue;
		if (frame && !test_bit(base + i, region->frame)) {
			__set_bit(base + i, region->frame);
			frames++;
		} else if (!frame && test_bit(base + i, region->frame)) {
			__clear_bit(base + i, region->frame);
			frames--;
			turn->count[PF_STAT_COW_BREAKS]++;
		}
		if (test_bit(base + i, region->zero) && !pf_snapshot_zero(snap, i)) {
			__clear_bit(base + i, region->zero);
			zeros--;
			turn->count[PF_STAT_ZERO_BREAKS]++;
		}
	}
	if (region)
		pf_region_reach(vm, region, base, base + snap->nr);
	pf_vm_add_folded(vm, frames, zeros);
	if (turn->count[PF_STAT_COW_BREAKS] > breaks)
		trace_pagefold_cow_break(vm->pid, turn->count[PF_STAT_COW_BREAKS] - breaks);
	if (zeros)
		trace_pagefold_zero_break(vm->pid, -zeros);
}

/**
 * pf_region_keep() - pass over a range that is not scanned
 * @vm: the VM
 * @start: its address
 * @end: where it ends
 *
 * What is folded there stays so.
 */
void pf_region_keep(struct pf_vm *vm, unsigned long start, unsigned long end)
{
	struct pf_region *region;
	unsigned long index;

	xa_for_each_range(&vm->regions, index, region, pf_region_index(start),
			  pf_region_index(end - 1)) {
		unsigned long base = index << PF_REGION_SHIFT;

		pf_region_reach(vm, region, (max(start, base) - base) >> PAGE_SHIFT,
				(min(end, base + PF_REGION_SIZE) - base) >> PAGE_SHIFT);
		pf_break();
	}
}

/* Set the bits of @folded from bit @base on. Returns how many were not set. */
static unsigned int pf_region_set(unsigned long *bits, unsigned int base, u64 folded)
{
	unsigned int news = 0;

	for (; folded; folded &= folded - 1)
		news += !__test_and_set_bit(base + __ffs64(folded), bits);
	return news;
}

/**
 * pf_region_folded() - note that pages were folded
 * @vm: the VM
 * @start: address of the first page, in one region with the others
 * @frames: mask of the pages that map frames now
 * @zeros: mask of those that map the kernel's zero page
 *
 * Without memory for the record the next visit finds frames by itself; a zero page goes
 * uncounted.
 */
void pf_region_folded(struct pf_vm *vm, unsigned long start, u64 frames, u64 zeros)
{
	struct pf_region *region = xa_load(&vm->regions, pf_region_index(start));
	unsigned int base = pf_region_offset(start), new_frames, new_zeros;

	if (!frames && !zeros)
		return;
	if (!region)
		region = pf_region_new(vm, start, PF_REGION_PAGES);
	if (!region)
		return;
	new_frames = pf_region_set(region->frame, base, frames);
	new_zeros = pf_region_set(region->zero, base, zeros);
	pf_vm_add_folded(vm, new_frames, new_zeros);
}

/**
 * pf_region_end_pass() - forget regions that this pass did not come by
 * @vm: the VM
 */
void pf_region_end_pass(struct pf_vm *vm)
{
	struct pf_region *region;
	unsigned long index;

	xa_for_each(&vm->regions, index, region) {
		bool visited = region->pass == vm->pass_no;

		pf_region_reach(vm, region, PF_REGION_PAGES, PF_REGION_PAGES);
		if (pf_region_is_empty(region) && !visited)
			pf_region_free(vm, index, region);
		pf_break();
	}
}

/**
 * pf_region_unfolded() - note that pages have private copies again
 * @vm: the VM
 * @end: all pages below this address, ULONG_MAX for all
 */
void pf_region_unfolded(struct pf_vm *vm, unsigned long end)
{
	struct pf_region *region;
	unsigned long index;

	xa_for_each(&vm->regions, index, region) {
		long frames = bitmap_weight(region->frame, PF_REGION_PAGES);

		if (index << PF_REGION_SHIFT >= end)
			break;
		if (index < pf_region_index(end))
			bitmap_zero(region->frame, PF_REGION_PAGES);
		else
			bitmap_clear(region->frame, 0, pf_region_offset(end));
		frames -= bitmap_weight(region->frame, PF_REGION_PAGES);
		pf_vm_add_folded(vm, -frames, 0);
		pf_break();
	}
}

/**
 * pf_region_wake() - look at a region in the next pass
 * @vm: the VM
 * @addr: an address in the region
 */
void pf_region_wake(struct pf_vm *vm, unsigned long addr)
{
	struct pf_region *region = xa_load(&vm->regions, pf_region_index(addr));

	if (region)
		region->patience.rest = 0;
}

/**
 * pf_region_wake_all() - look at all regions in the next pass
 * @vm: the VM
 */
void pf_region_wake_all(struct pf_vm *vm)
{
	struct pf_region *region;
	unsigned long index;

	xa_for_each(&vm->regions, index, region) {
		region->patience = (struct pf_patience) {};
		pf_break();
	}
}

/**
 * pf_region_miss() - have a region looked at that its VM's scan is not to pass over
 * @vm: the VM; others may be scanning it
 * @addr: an address in the region
 *
 * Context: does not sleep.
 */
void pf_region_miss(struct pf_vm *vm, unsigned long addr)
{
	struct pf_missed *missed = &vm->missed;

	spin_lock(&missed->lock);
	if (missed->nr < PF_MISSED_MAX)
		missed->index[missed->nr] = pf_region_index(addr);
	WRITE_ONCE(missed->nr, min(missed->nr + 1, PF_MISSED_MAX + 1U));
	spin_unlock(&missed->lock);
}

/**
 * pf_region_wake_missed() - look at the regions that were missed in the next pass
 * @vm: the VM
 */
void pf_region_wake_missed(struct pf_vm *vm)
{
	struct pf_missed *missed = &vm->missed;
	unsigned int i, nr;

	spin_lock(&missed->lock);
	nr = missed->nr;
	for (i = 0; i < min_t(unsigned int, nr, PF_MISSED_MAX); i++)
		pf_region_wake(vm, missed->index[i] << PF_REGION_SHIFT);
	WRITE_ONCE(missed->nr, 0);
	spin_unlock(&missed->lock);
	if (nr > PF_MISSED_MAX)
		pf_region_wake_all(vm);
}

/**
 * pf_region_free_all() - forget everything
 * @vm: the VM
 */
void pf_region_free_all(struct pf_vm *vm)
{
	struct pf_region *region;
	unsigned long index;

	xa_for_each(&vm->regions, index, region) {
		pf_region_forget(vm, region, 0, PF_REGION_PAGES);
		pf_region_free(vm, index, region);
		pf_break();
	}
	xa_destroy(&vm->regions);
}
