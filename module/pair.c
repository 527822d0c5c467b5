// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that met a hint: look at what the hint names, and fold both of an equal pair.
 *
 * All hints that a range met are followed together, in the order of what they name: guests made
 * from one image have their equal pages side by side, so one look at a peer's region serves many
 * pairs, and its half of them is folded in few batches.
 *
 * A peer whose locks are taken is left alone. What could not be looked at is looked at in the next
 * pass; where a frame was made the peer's own scan finds it, and does not rest there.
 */
#include <linux/bitmap.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sort.h>

#include "breaks.h"
#include "fault.h"
#include "mmlock.h"
#include "region.h"
#include "scan.h"
#include "store.h"
#include "trace.h"
#include "wide.h"

/* Pairs after which others may run, where each takes a third of a microsecond. */
#define PF_PAIR_BREAK		16
/* Comparisons after which they may, of places. */
#define PF_COMPARE_BREAK	256

/**
 * struct pf_peers - pairs whose other pages lie in one region
 * @pair: the first of them
 * @nr: how many
 * @first: the lowest of the other pages, by page number
 * @span: pages from there to the highest, both included
 */
struct pf_peers {
	struct pf_pair *pair;
	unsigned int nr;
	u64 first;
	unsigned int span;
};

static int pf_pair_cmp(const void *a, const void *b)
{
	const struct pf_place *x = &((const struct pf_pair *)a)->place;
	const struct pf_place *y = &((const struct pf_pair *)b)->place;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	return x->page < y->page ? -1 : x->page > y->page;
}

/* sort() itself takes no breaks. */
static int pf_pair_cmp_and_break(const void *a, const void *b, const void *priv)
{
	struct pf_worker *worker = (struct pf_worker *)priv;

	if (++worker->compared % PF_COMPARE_BREAK == 0)
		pf_break();
	return pf_pair_cmp(a, b);
}

/* Guests made from one image, and memory that repeats itself, bring them in order as a rule. */
static void pf_pairs_sort(struct pf_worker *worker)
{
	unsigned int k;

	for (k = 1; k < worker->nr_pairs; k++)
		if (pf_pair_cmp(&worker->pair[k - 1], &worker->pair[k]) > 0)
			break;
	if (k < worker->nr_pairs)
		sort_r(worker->pair, worker->nr_pairs, sizeof(worker->pair[0]),
		       pf_pair_cmp_and_break, NULL, worker);
}

static u64 pf_place_region(const struct pf_place *place)
{
	return place->page >> (PF_REGION_SHIFT - PAGE_SHIFT);
}

/* Pairs from @begin on that lie in one region of one VM. */
static struct pf_peers pf_peers_at(struct pf_worker *worker, unsigned int begin)
{
	struct pf_pair *pair = &worker->pair[begin];
	unsigned int nr = 1;

	while (begin + nr < worker->nr_pairs && pair[nr].place.vm == pair->place.vm &&
	       pf_place_region(&pair[nr].place) == pf_place_region(&pair->place))
		nr++;
	return (struct pf_peers) {
		.pair = pair,
		.nr = nr,
		.first = pair->place.page,
		.span = pair[nr - 1].place.page - pair->place.page + 1,
	};
}

/* Of two pages that have one key and yet differ: what tells them apart is learnt. */
static void pf_pair_differ(struct pf_worker *worker, struct pf_vm *vm, struct pf_pair *pair,
			   struct page *other, unsigned int line)
{
	u64 key = worker->key[pair->i], now = pf_range_key(vm, other);

	down_read(&pf_hints.lock);
	pair->stale = !pf_hint_alike(&pf_hints, key, now);
	up_read(&pf_hints.lock);
	if (now == key)
		pf_store_tell(vm->domain_id, other, line);
}

/* Compare the page of a pair with the other one. */
static void pf_pair_look(struct pf_worker *worker, struct pf_vm *vm, struct pf_pair *pair,
			 struct page *other)
{
	void *x = kmap_local_page(worker->page[pair->i]), *y = kmap_local_page(other);
	unsigned int line = pf_wide_differ(x, y);

	kunmap_local(y);
	kunmap_local(x);
	pair->equal = line == PF_PAGE_LINES;
	pair->node = page_to_nid(other);
	pair->stale = false;
	if (!pair->equal)
		pf_pair_differ(worker, vm, pair, other, line);
}

/* Look at the other page of a pair, if it may be folded. */
static void pf_peer_look(struct pf_worker *worker, struct pf_vm *vm, struct pf_pair *pair,
			 unsigned int at)
{
	struct pf_snapshot *snap = &worker->peer_snap;
	struct page *other = pf_snapshot_page(snap, at);
	struct folio *folio;

	if (!other || pf_store_owns(other))
		return;
	folio = page_folio(other);
	if (!folio_try_get(folio))
		return;
	if (page_folio(other) == folio && pf_snapshot_valid(snap) &&
	    pf_page_skip(other) == PF_SKIP_NONE)
		pf_pair_look(worker, vm, pair, other);
	folio_put(folio);
}

/* As pf_range_threshold(); while the peer is scanned it is not known how often it came back. */
static unsigned int pf_peers_threshold(struct pf_vm *vm, struct pf_vm *peer,
				       const struct pf_peers *peers)
{
	unsigned int pages = READ_ONCE(pf_knobs.huge_pages);
	unsigned long start = peers->first << PAGE_SHIFT;

	if (peer == vm)
		return pf_range_threshold(vm, start);
	if (mutex_trylock(&peer->turn_lock)) {
		pages = pf_range_threshold(peer, start);
		mutex_unlock(&peer->turn_lock);
	}
	return pages;
}

/*
 * A huge page that too few of its pages would be folded of stays whole, and then a frame would have
 * but one mapping: it would cost something and save nothing. Whoever finds its like elsewhere must
 * not be led here again.
 */
static void pf_peers_spare_huge(struct pf_vm *vm, struct pf_vm *peer, struct pf_peers *peers)
{
	unsigned int k, equal = 0, huge = 0;

	for (k = 0; k < peers->nr; k++) {
		equal += peers->pair[k].equal;
		huge |= peers->pair[k].huge;
	}
	if (!huge || equal >= pf_peers_threshold(vm, peer, peers))
		return;
	for (k = 0; k < peers->nr; k++) {
		peers->pair[k].stale |= peers->pair[k].equal;
		peers->pair[k].equal = false;
	}
}

/*
 * The peer's range could not be looked at. If that is not for want of a mapping there, its hints
 * may be right, and this range is looked at again in the next pass.
 */
static void pf_peers_unseen(struct pf_worker *worker, struct pf_peers *peers, int err)
{
	unsigned int k;

	if (err == -EFAULT || err == -EINVAL)
		return;
	for (k = 0; k < peers->nr; k++)
		peers->pair[k].stale = false;
	worker->turn.count[err == -ENOMEM ? PF_SKIP_NOMEM : PF_SKIP_BUSY] += peers->nr;
}

/* Compare the pairs of @peers, whose other pages belong to @peer. */
static void pf_peers_look(struct pf_worker *worker, struct pf_vm *vm, struct pf_vm *peer,
			  struct pf_peers *peers)
{
	struct pf_snapshot *snap = &worker->peer_snap;
	unsigned int k;
	int err;

	/* A peer that hangs holds up its own scan, and nobody else's. */
	err = pf_snapshot_take_by(snap, peer->watch.mm, peers->first << PAGE_SHIFT, peers->span,
				  peer == vm ? pf_mm_read_lock : pf_mm_read_try);
	if (err) {
		pf_peers_unseen(worker, peers, err);
		return;
	}
	for (k = 0; k < peers->nr; k++) {
		struct pf_pair *pair = &peers->pair[k];
		unsigned int at = pair->place.page - peers->first;

		pf_peer_look(worker, vm, pair, at);
		pair->huge = pf_snapshot_huge(snap, at);
		pf_break();
	}
	pf_snapshot_done(snap);
	pf_peers_spare_huge(vm, peer, peers);
	for (k = 0; k < peers->nr; k++)
		if (peers->pair[k].equal)
			__set_bit(peers->pair[k].i, worker->paired);
}

/* The VM of these pairs if it may share with @vm: with a reference, and one on its users. */
static struct pf_vm *pf_peers_get(struct pf_vm *vm, const struct pf_peers *peers)
{
	struct pf_vm *peer = pf_vm_find(peers->pair->place.vm);

	if (!peer)
		return NULL;
	if (READ_ONCE(peer->domain_id) == vm->domain_id && !READ_ONCE(peer->removed) &&
	    pf_vm_get_users(peer))
		return peer;
	pf_vm_put(peer);
	return NULL;
}

static void pf_peers_put(struct pf_vm *peer)
{
	pf_vm_put_users(peer);
	pf_vm_put(peer);
}

/*
 * Forget hints that are out of date; pages that found no equal leave their own, under keys that
 * what was learnt from the comparisons may have changed.
 */
static void pf_pairs_rehint(struct pf_worker *worker, struct pf_vm *vm)
{
	unsigned int k;

	down_read(&pf_hints.lock);
	for (k = 0; k < worker->nr_pairs; k++)
		if (worker->pair[k].stale)
			pf_hint_del(&pf_hints, worker->key[worker->pair[k].i],
				    worker->pair[k].place);
	pf_hints_break();
	for (k = 0; k < worker->nr_pairs; k++) {
		unsigned int i = worker->pair[k].i;

		if (k % PF_PAIR_BREAK == 0)
			pf_hints_break();
		if (test_bit(i, worker->paired))
			continue;
		worker->key[i] = pf_range_key(vm, worker->page[i]);
		pf_hint_add(&pf_hints, worker->key[i], pf_range_place(worker, vm, i));
	}
	up_read(&pf_hints.lock);
}

/**
 * pf_pair_compare() - look at what the hints that this range met name
 * @worker: who scans; holds the range's pages
 * @vm: whose range
 *
 * Context: takes mmap locks for reading; sleeps.
 * Return: how many pages of the range have an equal one.
 */
unsigned int pf_pair_compare(struct pf_worker *worker, struct pf_vm *vm)
{
	struct pf_peers peers;
	unsigned int begin;

	if (!worker->nr_pairs)
		return 0;
	bitmap_zero(worker->paired, PF_REGION_PAGES);
	pf_pairs_sort(worker);
	for (begin = 0; begin < worker->nr_pairs; begin += peers.nr) {
		struct pf_vm *peer;

		peers = pf_peers_at(worker, begin);
		peer = pf_peers_get(vm, &peers);
		if (peer) {
			pf_peers_look(worker, vm, peer, &peers);
			pf_peers_put(peer);
		}
		pf_break();
	}
	pf_pairs_rehint(worker, vm);
	return bitmap_weight(worker->paired, PF_REGION_PAGES);
}

/*
 * May both pages of a pair share this frame? merge_across_nodes may have changed since they met; it
 * cannot any more while there is a frame.
 */
static bool pf_pair_may_share(const struct pf_pair *pair, struct page *page, struct page *frame)
{
	int node = page_to_nid(frame);

	return pf_store_cross_nodes() || (node == page_to_nid(page) && node == pair->node);
}

/* The frame for a page that has an equal one: there may be one by now. */
static struct page *pf_pair_frame(struct pf_worker *worker, struct pf_vm *vm, unsigned int i)
{
	struct page *frame = worker->target[i];

	if (frame)
		get_page(frame);
	else
		frame = pf_range_find_frame(worker, vm, i) ?:
			pf_store_add(vm->domain_id, worker->page[i]);
	return frame;
}

/**
 * pf_pair_make_frames() - make the frames of equal pairs
 * @worker: who scans; holds the range's pages
 * @vm: whose range
 *
 * Context: takes pf_store_lock; may sleep.
 */
void pf_pair_make_frames(struct pf_worker *worker, struct pf_vm *vm)
{
	unsigned int k;

	for (k = 0; k < worker->nr_pairs; k++) {
		struct pf_pair *pair = &worker->pair[k];
		/* It may change below, and the hint to the other page is under this one. */
		u64 key = worker->key[pair->i];

		if (!pair->equal)
			continue;
		pair->frame = pf_pair_frame(worker, vm, pair->i);
		if (!pair->frame) {
			worker->turn.count[PF_SKIP_NOMEM]++;
			continue;
		}
		if (!pf_pair_may_share(pair, worker->page[pair->i], pair->frame)) {
			put_page(pair->frame);
			pair->frame = NULL;
			worker->turn.count[PF_SKIP_CHANGED]++;
			continue;
		}
		if (!worker->target[pair->i]) {
			get_page(pair->frame);
			worker->target[pair->i] = pair->frame;
		}
		down_read(&pf_hints.lock);
		pf_hint_del(&pf_hints, key, pair->place);
		/* The page may have been written since its key was worked out; frames never are. */
		pf_hint_frame(pf_store_key(vm->domain_id, pair->frame), pair->frame);
		up_read(&pf_hints.lock);
		pf_break();
	}
}

/*
 * Fold the other pages of @peers, which are @own or another VM's. The caller holds the turn_lock of
 * @peer.
 */
static void pf_peers_fold(struct pf_worker *worker, struct pf_vm *peer, bool own,
			  const struct pf_peers *peers, struct pf_stats *turn)
{
	unsigned int k, frames = 0, huge = 0;

	for (k = 0; k < peers->nr; k++) {
		frames += !!peers->pair[k].frame;
		huge |= peers->pair[k].huge;
	}
	/* Too few to split its huge page for; its own scan sees all of it. */
	if (!frames || (huge && frames < pf_range_threshold(peer, peers->first << PAGE_SHIFT)))
		return;
	memset(worker->peer_target, 0, peers->span * sizeof(worker->peer_target[0]));
	for (k = 0; k < peers->nr; k++) {
		struct pf_pair *pair = &peers->pair[k];
		unsigned int at = pair->place.page - peers->first;

		if (!pair->frame || worker->peer_target[at])
			continue;
		worker->peer_target[at] = pair->frame;
		pair->frame = NULL;
	}
	worker->fold.huge = huge;
	/* A peer whose lock is taken for longer may hang: its own scan finds the frames. */
	worker->fold.hasty = !own;
	pf_batch_fold(worker, peer, peers->first << PAGE_SHIFT, peers->span, worker->peer_target,
		      NULL, turn);
}

/* As pf_peers_fold(), with the locks; only if the peer still may share with @vm. */
static void pf_peers_lock_and_fold(struct pf_worker *worker, struct pf_vm *vm,
				   const struct pf_peers *peers)
{
	struct pf_vm *peer;
	unsigned int k;

	for (k = 0; k < peers->nr && !peers->pair[k].frame; k++)
		;
	peer = k < peers->nr ? pf_peers_get(vm, peers) : NULL;
	if (!peer)
		return;
	if (peer == vm) {
		pf_peers_fold(worker, peer, true, peers, &worker->turn);
	} else if (!pf_fault(PF_FAULT_PEER) && mutex_trylock(&peer->turn_lock)) {
		if (!peer->removed && peer->domain_id == vm->domain_id)
			pf_peers_fold(worker, peer, false, peers, &worker->peer_turn);
		pf_stats_flush(&worker->peer_turn, &peer->stats);
		mutex_unlock(&peer->turn_lock);
	} else {
		pf_region_miss(peer, peers->first << PAGE_SHIFT);
	}
	pf_peers_put(peer);
}

/**
 * pf_pair_fold() - fold the other pages of equal pairs
 * @worker: who scans; holds no pages
 * @vm: whose range; the caller holds its turn_lock
 *
 * Context: takes mmap locks for writing; sleeps.
 */
void pf_pair_fold(struct pf_worker *worker, struct pf_vm *vm)
{
	struct pf_peers peers;
	unsigned int begin, k;

	for (begin = 0; begin < worker->nr_pairs; begin += peers.nr) {
		peers = pf_peers_at(worker, begin);
		pf_peers_lock_and_fold(worker, vm, &peers);
		for (k = 0; k < peers.nr; k++)
			if (peers.pair[k].frame)
				put_page(peers.pair[k].frame);
		pf_break();
	}
	worker->nr_pairs = 0;
}
