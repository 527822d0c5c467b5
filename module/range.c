// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scan one range of a VM: look, sample, find equals, fold.
 *
 * References on the pages are held from the look until everything about their content is known, and
 * let go before folding: the core refuses to stabilise a page that anyone holds. Those of pages
 * that are not folded are let go after it.
 */
#include <linux/bitmap.h>
#include <linux/highmem.h>
#include <linux/mm.h>

#include "breaks.h"
#include "fault.h"
#include "region.h"
#include "scan.h"
#include "store.h"
#include "trace.h"
#include "unfold.h"
#include "wide.h"

/* How often a look is tried again when the range changes under it. */
#define PF_LOOK_TRIES	3
/*
 * Fresh pages are brought out in one of so many passes. The lock of a VM is held while each CPU
 * does that, and those that are left come out by themselves when others follow them. Twice then:
 * the core is content with its own CPU's if the page that it was asked for was among them.
 */
#define PF_DRAIN_PASSES	16
/* Pages after which others may run: each takes a microsecond at the most. */
#define PF_MATCH_BREAK	8
/* The same, where each takes a tenth of that. */
#define PF_HOLD_BREAK	64

static void pf_range_put(struct pf_worker *worker)
{
	while (worker->nr_held) {
		folio_put(worker->held[--worker->nr_held]);
		if (worker->nr_held % PF_HOLD_BREAK == 0)
			pf_break();
	}
}

/*
 * Let go of the pages that are to be folded, and of what is none of ours: the core refuses pages
 * that anyone holds. The others stay held, to be spared.
 */
static void pf_range_put_targets(struct pf_worker *worker)
{
	unsigned int i = 0, k, kept = 0;

	for (k = 0; k < worker->nr_held; k++) {
		struct folio *folio = worker->held[k];

		/* Pages were held in their order, a huge page once for all of its own. */
		while (i < worker->snap.nr && (!worker->page[i] ||
					       folio_test_large(page_folio(worker->page[i]))))
			i++;
		if (i == worker->snap.nr || page_folio(worker->page[i]) != folio) {
			folio_put(folio);
		} else if (worker->target[i++]) {
			folio_put(folio);
		} else {
			worker->spare[i - 1] = worker->page[i - 1];
			worker->held[kept++] = folio;
		}
	}
	worker->nr_held = kept;
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
static unsigned int pf_range_hold_all(struct pf_worker *worker, struct pf_vm *vm,
				      struct pf_stats *look)
{
	struct pf_snapshot *snap = &worker->snap;
	unsigned int i, fresh = snap->nr;

	*look = (struct pf_stats) {};
	worker->huge = false;
	worker->foreign = 0;
	bitmap_zero(worker->framed, PF_REGION_PAGES);
	for (i = 0; i < snap->nr; i++) {
		struct page *page = pf_snapshot_page(snap, i);
		enum pf_stat skip;

		worker->page[i] = NULL;
		worker->spare[i] = NULL;
		if (i % PF_HOLD_BREAK == 0)
			pf_break();
		if (!page)
			continue;
		look->count[PF_STAT_SCANNED]++;
		if (pf_store_owns(page)) {
			if (!pf_store_owns_for(page, vm->domain_id))
				worker->foreign++;
			else if (pf_range_hold(worker, page))
				__set_bit(i, worker->framed);
			continue;
		}
		if (!pf_range_hold(worker, page))
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
	fresh = pf_range_hold_all(worker, vm, &look);
	valid = pf_snapshot_valid(&worker->snap);
	pf_snapshot_done(&worker->snap);
	pf_break();
	if (!valid) {
		pf_range_put(worker);
		return -EAGAIN;
	}
	if (fresh < nr && vm->drains) {
		vm->drains--;
		vm->drain_pass = vm->pass_no + PF_DRAIN_PASSES;
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
	unsigned int drains = vm->drains;
	int try, err = -EAGAIN;

	/* A look that brought out fresh pages does not count. */
	for (try = 0; try < PF_LOOK_TRIES + (int)(drains - vm->drains) && err == -EAGAIN; try++)
		err = pf_range_look_once(worker, vm, start, nr);
	if (err == -EAGAIN)
		worker->turn.count[PF_SKIP_BUSY] += nr;
	else if (err == -ENOMEM)
		worker->turn.count[PF_SKIP_NOMEM] += nr;
	return err;
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

/**
 * pf_range_key() - what the hints of a page that is looked at are found by
 * @vm: whose page
 * @page: it
 *
 * Return: pf_store_key(), or with a fault that of what the page will have held until it is folded.
 */
u64 pf_range_key(struct pf_vm *vm, struct page *page)
{
	u64 key = pf_store_key(vm->domain_id, page);

	return pf_fault(PF_FAULT_LATE_WRITE) ? ~key : key;
}

/**
 * pf_hint_frame() - leave or refresh a hint to a frame
 * @key: pf_store_key() of its content
 * @frame: the frame's page
 *
 * Context: caller holds pf_hints.lock.
 */
void pf_hint_frame(u64 key, struct page *frame)
{
	struct pf_place place = { .vm = PF_HINT_FRAME, .page = page_to_pfn(frame) };

	/* Beyond what a hint can name frames are found by nobody, and serve those who made them. */
	if (place.page <= PF_HINT_MAX_PAGE)
		pf_hint_add(&pf_hints, key, place);
}

/*
 * The frame that a hint of this page names, if they are equal; with a reference. Whether they are
 * is found out when the page is folded, so while all is well in this range it is not asked here.
 */
static struct page *pf_range_look_frame(struct pf_worker *worker, struct pf_vm *vm, unsigned int i,
					struct pf_place place)
{
	struct pf_look look = {
		.domain = vm->domain_id,
		.key = worker->key[i],
		.trust = worker->trust,
	};
	struct page *page = worker->page[i];

	pf_store_look(place.page, page, &look);
	if (look.frame) {
		pf_hint_frame(look.key, look.frame);
		worker->trust = !worker->wary;
		return look.frame;
	}
	if (look.gone)
		pf_hint_del(&pf_hints, look.key, place);
	/* Else the hint may be another page's, which has its tag by chance. */
	if (!look.alike)
		return NULL;
	worker->trust = false;
	worker->wary = true;
	if (pf_store_tell(vm->domain_id, page, look.line))
		worker->key[i] = pf_range_key(vm, page);
	return NULL;
}

/**
 * pf_range_find_frame() - the frame that equals a page, by the hints
 * @worker: who scans; holds the page, and knows its key
 * @vm: whose page
 * @i: index of the page in the range
 *
 * Context: takes pf_hints.lock for reading.
 * Return: the frame's page with a reference for the caller, or NULL.
 */
struct page *pf_range_find_frame(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	struct pf_place found[PF_HINT_MAX_FOUND];
	struct page *frame = NULL;
	unsigned int k, nr;

	down_read(&pf_hints.lock);
	nr = pf_hint_find(&pf_hints, worker->key[i], found);
	for (k = 0; k < nr && !frame; k++)
		if (found[k].vm == PF_HINT_FRAME)
			frame = pf_range_look_frame(worker, vm, i, found[k]);
	up_read(&pf_hints.lock);
	return frame;
}

/* Follow what the page's hints name, and leave its own. Caller holds pf_hints.lock. */
static void pf_range_hint(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	struct pf_place own = pf_range_place(worker, vm, i), found[PF_HINT_MAX_FOUND];
	u64 key = worker->key[i];
	unsigned int k, others = 0, nr = pf_hint_find(&pf_hints, key, found);
	bool known = false;

	for (k = 0; k < nr; k++) {
		if (found[k].vm == PF_HINT_FRAME) {
			worker->target[i] = pf_range_look_frame(worker, vm, i, found[k]);
			if (worker->target[i])
				return;
		} else if (found[k].vm == own.vm && found[k].page == own.page) {
			known = true;
		}
	}
	for (k = 0; k < nr; k++) {
		if (found[k].vm == PF_HINT_FRAME ||
		    (found[k].vm == own.vm && found[k].page == own.page))
			continue;
		others++;
		if (worker->nr_pairs < PF_PAIRS_MAX)
			worker->pair[worker->nr_pairs++] = (struct pf_pair) {
				.place = found[k], .i = i, .stale = true,
			};
	}
	worker->news += !known;
	/* What met another one leaves a hint only if they turn out not to be equal. */
	if (known || !others)
		pf_hint_add(&pf_hints, worker->key[i], own);
}

/* Find out what one page is equal to: zero, a frame, perhaps what a hint names. */
static void pf_range_match(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	struct page *page = worker->page[i];
	void *data;
	bool zero;

	data = kmap_local_page(page);
	zero = pf_wide_is_zero(data);
	kunmap_local(data);
	if (zero) {
		worker->target[i] = READ_ONCE(pf_knobs.fold_zero) ? PF_TARGET_ZERO : NULL;
		return;
	}
	worker->key[i] = pf_range_key(vm, page);
	pf_range_hint(worker, vm, i);
}

/**
 * pf_hints_break() - let others run who want to, or who want the hint table for themselves
 *
 * Context: pf_hints.lock is held for reading; it is let go meanwhile where somebody waits.
 */
void pf_hints_break(void)
{
	if (single_task_running() && !rwsem_is_contended(&pf_hints.lock)) {
		cond_resched();
		return;
	}
	up_read(&pf_hints.lock);
	pf_break();
	down_read(&pf_hints.lock);
}

static void pf_range_match_all(struct pf_worker *worker, struct pf_vm *vm)
{
	struct pf_snapshot *snap = &worker->snap;
	unsigned int i;

	worker->nr_pairs = 0;
	worker->news = 0;
	down_read(&pf_hints.lock);
	for_each_set_bit(i, worker->framed, snap->nr) {
		struct page *frame = pf_snapshot_page(snap, i);

		pf_hint_frame(pf_store_key(vm->domain_id, frame), frame);
		pf_hints_break();
	}
	for (i = 0; i < snap->nr; i++) {
		worker->target[i] = NULL;
		if (i % PF_MATCH_BREAK == 0)
			pf_hints_break();
		if (worker->page[i])
			pf_range_match(worker, vm, i);
	}
	up_read(&pf_hints.lock);
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
	if (found >= pf_range_threshold(vm, worker->snap.start))
		return false;
	worker->turn.count[PF_SKIP_HUGE_SPARSE] += found;
	for (i = 0; i < worker->snap.nr; i++)
		pf_target_put(&worker->target[i]);
	worker->nr_pairs = 0;
	return true;
}

/*
 * Frames of a domain that the VM is not in, which could not be unfolded when it was registered. It
 * may hold its pages here, nobody needs the references on others.
 */
static void pf_range_expel(struct pf_worker *worker, struct pf_vm *vm)
{
	unsigned int i, left = worker->foreign, unfolded = 0;

	for (i = 0; left && i < worker->snap.nr; i++) {
		struct page *page = pf_snapshot_page(&worker->snap, i);

		if (!page || !pf_store_owns(page) || pf_store_owns_for(page, vm->domain_id))
			continue;
		left--;
		if (!pf_unfold_copy(vm->watch.mm, worker->snap.start + i * PAGE_SIZE))
			unfolded++;
	}
	worker->turn.count[PF_STAT_UNFOLDS] += unfolded;
	if (unfolded)
		trace_pagefold_unfold(vm->pid, unfolded);
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
	worker->fold.huge = worker->huge;
	worker->fold.hasty = false;
	pf_batch_fold(worker, vm, worker->snap.start, worker->snap.nr, worker->target, worker->page,
		      &worker->turn);
}
#else
static void pf_range_storm(struct pf_worker *worker, struct pf_vm *vm)
{
}
#endif

/* How many pages of the range could be folded. */
static unsigned int pf_range_pages(const struct pf_worker *worker)
{
	unsigned int i, pages = 0;

	for (i = 0; i < worker->snap.nr; i++)
		pages += !!worker->page[i];
	return pages;
}

/* What was done so far in this turn, or could not be done and may be in the next pass. */
static u64 pf_range_events(const struct pf_worker *worker)
{
	const u64 *count = worker->turn.count;

	return count[PF_STAT_FOLDS] + count[PF_STAT_ZERO_FOLDS] + count[PF_SKIP_BUSY] +
	       count[PF_SKIP_CHANGED] + count[PF_SKIP_NOMEM];
}

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
	u64 events = pf_range_events(worker), changed = worker->turn.count[PF_SKIP_CHANGED];
	/* Pairs with pf_scan_look_anew(): what changes from here on makes this look an old one. */
	u16 gen = smp_load_acquire(&pf_hints_gen);
	/* What is fresh will be brought out with the next pass, or does not come out for long. */
	u64 fresh = worker->turn.count[PF_SKIP_FRESH];
	bool soon = vm->drains;
	unsigned int pages;

	if (pf_range_look(worker, vm, start, nr)) {
		/* What could not be looked at has not gone. */
		pf_region_keep(vm, start, start + nr * PAGE_SIZE);
		return;
	}
	pf_region_visit(vm, &worker->snap, &worker->turn);
	pf_break();
	pf_range_expel(worker, vm);
	if (READ_ONCE(pf_knobs.fold_all)) {
		pf_range_storm(worker, vm);
		return;
	}
	pages = pf_range_pages(worker);
	/*
	 * A key that pages have in common for no reason is rare; where it has happened, and where a
	 * huge page would be split, they are compared before they are folded as well.
	 */
	worker->wary = worker->huge || worker->doubt || pf_region_doubt(vm, start);
	worker->trust = false;
	pf_range_match_all(worker, vm);
	worker->trust = false;
	worker->wary = true;
	if (!pf_range_keep_huge(worker, vm, pf_pair_compare(worker, vm)))
		pf_pair_make_frames(worker, vm);
	pf_range_put_targets(worker);
	worker->fold.huge = worker->huge;
	worker->fold.hasty = false;
	pf_batch_fold(worker, vm, start, nr, worker->target, worker->page, &worker->turn);
	pf_range_put(worker);
	changed = worker->turn.count[PF_SKIP_CHANGED] - changed;
	pf_region_set_doubt(vm, start, changed);
	if (changed)
		worker->doubt = PF_DOUBT_RANGES;
	else if (worker->doubt)
		worker->doubt--;
	pf_pair_fold(worker, vm);
	pf_region_settle(vm, &worker->snap, &(struct pf_settle) {
		.pages = pages,
		.news = worker->news,
		.restless = worker->foreign || pf_range_events(worker) != events ||
			    (soon && worker->turn.count[PF_SKIP_FRESH] != fresh),
		.gen = gen,
		.most = READ_ONCE(pf_knobs.rest_passes),
	});
}
