// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scan one range of a VM: look, hash, find equals, fold.
 *
 * References on the pages are held from the look until everything about their content is known, and
 * let go before folding: the core refuses to stabilise a page that anyone holds.
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "hash.h"
#include "region.h"
#include "scan.h"
#include "store.h"
#include "trace.h"
#include "unfold.h"

/* How often a look is tried again when the range changes under it. */
#define PF_LOOK_TRIES	3

static void pf_range_put(struct pf_worker *worker)
{
	while (worker->nr_held)
		folio_put(worker->held[--worker->nr_held]);
}

/* Hold the folio of @page, unless it is the one held last. */
static bool pf_range_hold(struct pf_worker *worker, struct page *page)
{
	struct folio *folio = page_folio(page);

	if (worker->nr_held && worker->held[worker->nr_held - 1] == folio)
		return true;
	if (!folio_try_get(folio))
		return false;
	if (page_folio(page) != folio) {
		folio_put(folio);
		return false;
	}
	worker->held[worker->nr_held++] = folio;
	return true;
}

/* Why not fold this page, of which we hold the folio? */
static enum pf_stat pf_range_skip(const struct pf_worker *worker, unsigned int i, struct page *page)
{
	struct folio *folio = page_folio(page);
	enum pf_stat skip = pf_page_skip(page);

	if (skip != PF_SKIP_NONE)
		return skip;
	if (folio_test_large(folio))
		return pf_snapshot_huge(&worker->snap, i) ? PF_SKIP_NONE : PF_SKIP_LARGE;
	return folio_test_lru(folio) ? PF_SKIP_NONE : PF_SKIP_FRESH;
}

/*
 * Hold what the snapshot found and may be folded. Returns the index of a fresh page, or the range's
 * end.
 */
static unsigned int pf_range_hold_all(struct pf_worker *worker, struct pf_stats *look)
{
	struct pf_snapshot *snap = &worker->snap;
	unsigned int i, fresh = snap->nr;

	*look = (struct pf_stats) {};
	worker->huge = false;
	for (i = 0; i < snap->nr; i++) {
		struct page *page = pf_snapshot_page(snap, i);
		enum pf_stat skip;

		worker->page[i] = NULL;
		if (!page)
			continue;
		look->count[PF_STAT_SCANNED]++;
		if (pf_store_owns(page) || !pf_range_hold(worker, page))
			continue;
		skip = pf_range_skip(worker, i, page);
		if (skip == PF_SKIP_NONE) {
			worker->page[i] = page;
			worker->huge |= pf_snapshot_huge(snap, i);
			continue;
		}
		if (skip == PF_SKIP_FRESH)
			fresh = i;
		look->count[skip]++;
	}
	return fresh;
}

static void pf_stats_add(struct pf_stats *to, const struct pf_stats *from)
{
	int i;

	for (i = 0; i < PF_NR_STATS; i++)
		to->count[i] += from->count[i];
}

/* One look at a range: 0 with its pages held, -EAGAIN to look again, or another error. */
static int pf_range_look_once(struct pf_worker *worker, struct pf_vm *vm, unsigned long start,
			      unsigned int nr)
{
	struct mm_struct *mm = vm->watch.mm;
	struct pf_stats look;
	unsigned int fresh;
	bool valid;
	int err;

	err = pf_snapshot_take(&worker->snap, mm, start, nr);
	if (err)
		return err;
	fresh = pf_range_hold_all(worker, &look);
	valid = pf_snapshot_valid(&worker->snap);
	pf_snapshot_done(&worker->snap);
	if (!valid) {
		pf_range_put(worker);
		return -EAGAIN;
	}
	if (fresh < nr && !vm->drained) {
		vm->drained = true;
		pf_range_put(worker);
		pf_fold_drain(&worker->fold, mm, start + fresh * PAGE_SIZE);
		return -EAGAIN;
	}
	pf_stats_add(&worker->turn, &look);
	return 0;
}

static int pf_range_look(struct pf_worker *worker, struct pf_vm *vm, unsigned long start,
			 unsigned int nr)
{
	int try, err = -EAGAIN;

	for (try = 0; try < PF_LOOK_TRIES && err == -EAGAIN; try++)
		err = pf_range_look_once(worker, vm, start, nr);
	if (err == -EAGAIN)
		worker->turn.count[PF_SKIP_BUSY] += nr;
	else if (err == -ENOMEM)
		worker->turn.count[PF_SKIP_NOMEM] += nr;
	return err;
}

/**
 * pf_range_key() - what a page's frame is looked up by
 * @worker: who scans
 * @vm: whose page
 * @i: index of a hashed page in the range
 */
struct pf_frame_key pf_range_key(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	return (struct pf_frame_key) {
		.hash = worker->hash[i],
		.domain = vm->domain_id,
		.node = pf_store_node(worker->page[i]),
	};
}

/**
 * pf_hint_key() - what a page's hints are looked up by
 * @key: of its frame
 *
 * Pages of other domains or nodes have other keys, so they do not meet.
 */
u64 pf_hint_key(const struct pf_frame_key *key)
{
	u64 apart = (u64)key->domain << 32 | (u32)key->node;

	return key->hash ^ apart * 0xd6e8feb86659fd93ULL;
}

/**
 * pf_range_hint_key() - pf_hint_key() of a page of the range
 * @worker: who scans
 * @vm: whose page
 * @i: index of a hashed page in the range
 */
u64 pf_range_hint_key(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	struct pf_frame_key key = pf_range_key(worker, vm, i);

	return pf_hint_key(&key);
}

/**
 * pf_range_place() - the name of a page
 * @worker: who scans
 * @vm: whose page
 * @i: index of the page in the range
 */
struct pf_place pf_range_place(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	return (struct pf_place) {
		.vm = vm->index,
		.page = (worker->snap.start >> PAGE_SHIFT) + i,
	};
}

/* Leave a hint for the page, and note which others it met. Caller holds pf_hint_lock. */
static void pf_range_hint(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	struct pf_place own = pf_range_place(worker, vm, i), found[PF_HINT_MAX_FOUND];
	u64 key = pf_range_hint_key(worker, vm, i);
	unsigned int k, nr = pf_hint_find(&pf_hints, key, found);
	bool known = false;

	for (k = 0; k < nr; k++) {
		if (found[k].vm == own.vm && found[k].page == own.page)
			known = true;
		else if (worker->nr_pairs < PF_PAIRS_MAX)
			worker->pair[worker->nr_pairs++] = (struct pf_pair) {
				.place = found[k], .i = i, .stale = true,
			};
	}
	/* What met another one leaves a hint only if they turn out not to be equal. */
	if (known || !nr)
		pf_hint_add(&pf_hints, key, own);
}

/* Find out what one page is equal to: zero, a frame, perhaps what a hint names. */
static void pf_range_match(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	struct page *page = worker->page[i];
	struct pf_frame_key key;
	void *data;
	bool zero;

	data = kmap_local_page(page);
	zero = pf_page_is_zero(data);
	kunmap_local(data);
	if (zero) {
		worker->target[i] = READ_ONCE(pf_knobs.fold_zero) ? PF_TARGET_ZERO : NULL;
		return;
	}
	worker->hash[i] = pf_store_hash(page);
	key = pf_range_key(worker, vm, i);
	worker->target[i] = pf_store_find(&key, page);
	if (!worker->target[i])
		pf_range_hint(worker, vm, i);
}

static void pf_range_match_all(struct pf_worker *worker, struct pf_vm *vm)
{
	unsigned int i;

	worker->nr_pairs = 0;
	down_read(&pf_hint_lock);
	for (i = 0; i < worker->snap.nr; i++) {
		worker->target[i] = NULL;
		if (!worker->page[i])
			continue;
		pf_range_match(worker, vm, i);
		cond_resched();
	}
	up_read(&pf_hint_lock);
}

static void pf_target_put(struct page **target)
{
	if (*target && *target != PF_TARGET_ZERO)
		put_page(*target);
	*target = NULL;
}

/**
 * pf_range_threshold() - how many of its pages a huge page must be able to lose to be split
 * @vm: the VM; the caller holds its turn_lock
 * @start: an address in the huge page
 *
 * Return: pages.
 */
unsigned int pf_range_threshold(struct pf_vm *vm, unsigned long start)
{
	return min(READ_ONCE(pf_knobs.huge_pages) << pf_region_comebacks(vm, start),
		   PF_REGION_PAGES);
}

/* A huge page stays whole unless enough of it can be folded. Returns whether it stays. */
static bool pf_range_keep_huge(struct pf_worker *worker, struct pf_vm *vm, unsigned int equal_pairs)
{
	unsigned int i, found = equal_pairs;

	if (!worker->huge)
		return false;
	for (i = 0; i < worker->snap.nr; i++)
		found += !!worker->target[i];
	if (!found)
		return false;
	if (found >= pf_range_threshold(vm, worker->snap.start)) {
		worker->turn.count[PF_STAT_HUGE_SPLITS]++;
		trace_pagefold_huge_split(vm->pid, found);
		return false;
	}
	worker->turn.count[PF_SKIP_HUGE_SPARSE] += found;
	for (i = 0; i < worker->snap.nr; i++)
		pf_target_put(&worker->target[i]);
	worker->nr_pairs = 0;
	return true;
}

#ifdef PF_DEBUG
/* The storm: whatever can be folded is, with itself alone; whatever is folded comes apart. */
static void pf_range_storm(struct pf_worker *worker, struct pf_vm *vm)
{
	unsigned int i;

	for (i = 0; i < worker->snap.nr; i++) {
		struct page *page = worker->page[i];

		worker->target[i] = page ? pf_store_new_private(vm->domain_id, page) : NULL;
	}
	pf_range_put(worker);
	for (i = 0; i < worker->snap.nr; i++) {
		struct page *page = pf_snapshot_page(&worker->snap, i);

		if (page && !worker->page[i] && pf_store_owns(page) &&
		    !pf_unfold_page(vm->watch.mm, worker->snap.start + i * PAGE_SIZE))
			worker->turn.count[PF_STAT_UNFOLDS]++;
	}
	pf_batch_fold(worker, vm, worker->snap.start, worker->snap.nr, worker->target, worker->page,
		      &worker->turn);
}
#else
static void pf_range_storm(struct pf_worker *worker, struct pf_vm *vm)
{
}
#endif

/**
 * pf_range_scan() - scan a range, fold what is equal to something
 * @worker: who does it
 * @vm: whose range; the caller holds its turn_lock and a reference on its users
 * @start: address of the first page
 * @nr: pages in the range, in one mapping and one region
 *
 * Context: takes the mmap lock; sleeps.
 */
void pf_range_scan(struct pf_worker *worker, struct pf_vm *vm, unsigned long start, unsigned int nr)
{
	if (pf_range_look(worker, vm, start, nr)) {
		/* What could not be looked at has not gone. */
		pf_region_keep(vm, start, start + nr * PAGE_SIZE);
		return;
	}
	pf_region_visit(vm, &worker->snap, &worker->turn);
	if (READ_ONCE(pf_knobs.fold_all)) {
		pf_range_storm(worker, vm);
		return;
	}
	pf_range_match_all(worker, vm);
	if (!pf_range_keep_huge(worker, vm, pf_pair_compare(worker, vm)))
		pf_pair_make_frames(worker, vm);
	pf_range_put(worker);
	pf_batch_fold(worker, vm, start, nr, worker->target, worker->page, &worker->turn);
	pf_pair_fold(worker, vm);
}
