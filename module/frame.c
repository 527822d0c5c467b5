// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frame set: pages whose content is shared, by content.
 *
 * A table of chains, hung up in the pages themselves. It grows and shrinks without ever moving more
 * than a few chains at a time: until all frames have moved there are two tables, and each frame
 * that is added moves some more. Chains are short, one or two frames; where they are not, because
 * there is no memory for a table, or somebody found contents that have one key, they end at
 * PF_FRAME_CHAIN_MAX, and what would make one longer does not become a frame. Only frames that move
 * are not turned away: where a table shrinks, chains may become one that is longer, and no more of
 * it than that is looked at.
 */
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/mm.h>

#include "frame.h"
#include "wide.h"

/* Chains that move with each frame that is added: a table is empty long before the next one. */
#define PF_FRAME_MOVE	4
/* A table grows when there are more frames for each bucket, to one for each. */
#define PF_FRAME_LOAD_MAX	2
/* It shrinks when there are fewer frames than a bucket in so many. */
#define PF_FRAME_SPARSE		8

static u32 pf_frame_index(u64 key, u32 nr_buckets)
{
	return ((key >> 32) * nr_buckets) >> 32;
}

/* The chain that frames of this key are in. */
static struct hlist_head *pf_frame_chain(const struct pf_frame_set *set, u64 key)
{
	u32 old = pf_frame_index(key, set->nr_old);

	if (old >= set->moved && old < set->nr_old)
		return set->old + old;
	return set->bucket + pf_frame_index(key, set->nr_buckets);
}

/*
 * Are two frames one and the same? Both have the mark of this load and their domain in what is
 * private to them.
 */
static bool pf_frame_same(struct page *page, struct page *there, u64 key, bool cross)
{
	void *x, *y;
	bool equal;

	if (page_folio(there)->index != key || page_private(there) != page_private(page) ||
	    (!cross && page_to_nid(there) != page_to_nid(page)))
		return false;
	x = kmap_local_page(page);
	y = kmap_local_page(there);
	equal = pf_wide_equal(x, y);
	kunmap_local(y);
	kunmap_local(x);
	return equal;
}

/**
 * pf_frame_add() - add a frame to the set
 * @set: all frames
 * @page: the frame; its domain is set, and nobody can write it
 * @key: what hints of its content are looked up by; frames of one content that come with different
 *	 keys are different frames
 * @cross: an equal frame on another NUMA node will do
 *
 * Context: caller's exclusive lock; does not sleep.
 * Return: @page, or the equal frame that is there already and stays; NULL where there is no room.
 */
struct page *pf_frame_add(struct pf_frame_set *set, struct page *page, u64 key, bool cross)
{
	struct hlist_head *chain;
	struct hlist_node *node;
	unsigned int length = 0;

	key |= PF_FRAME_LISTED;
	pf_frame_move(set, PF_FRAME_MOVE);
	chain = pf_frame_chain(set, key);
	hlist_for_each(node, chain) {
		struct page *there = pf_frame_of(node);

		if (pf_frame_same(page, there, key, cross))
			return there;
		if (++length == PF_FRAME_CHAIN_MAX)
			return NULL;
	}
	page_folio(page)->index = key;
	hlist_add_head((struct hlist_node *)&page->lru, chain);
	WRITE_ONCE(set->nr, set->nr + 1);
	return page;
}

/**
 * pf_frame_refile() - have a frame found under another key
 * @set: all frames
 * @page: in @set
 * @key: as in pf_frame_add(); where that has no room the frame keeps the key that it has
 *
 * Context: caller's exclusive lock; does not sleep.
 */
void pf_frame_refile(struct pf_frame_set *set, struct page *page, u64 key)
{
	struct hlist_head *chain;
	struct hlist_node *node;
	unsigned int length = 0;

	key |= PF_FRAME_LISTED;
	chain = pf_frame_chain(set, key);
	hlist_for_each(node, chain)
		if (++length == PF_FRAME_CHAIN_MAX)
			return;
	hlist_del_init((struct hlist_node *)&page->lru);
	page_folio(page)->index = key;
	hlist_add_head((struct hlist_node *)&page->lru, chain);
}

/**
 * pf_frame_del() - take a frame out of the set
 * @set: all frames
 * @page: in @set
 *
 * Context: caller's exclusive lock; does not sleep.
 */
void pf_frame_del(struct pf_frame_set *set, struct page *page)
{
	hlist_del_init((struct hlist_node *)&page->lru);
	page_folio(page)->index = 0;
	WRITE_ONCE(set->nr, set->nr - 1);
}

/**
 * pf_frame_next() - visit the chains one after the other, for ever
 * @set: all frames
 *
 * Of frames that move meanwhile some may be visited twice in a round, and some not before the next.
 *
 * Context: caller's exclusive lock; does not sleep.
 * Return: the chain after the last one returned, the first after the last.
 */
struct hlist_head *pf_frame_next(struct pf_frame_set *set)
{
	u32 at = set->cursor;

	if (at >= set->nr_old + set->nr_buckets)
		at = 0;
	set->cursor = at + 1;
	return at < set->nr_old ? set->old + at : set->bucket + (at - set->nr_old);
}

/**
 * pf_frame_want() - how many buckets should there be
 * @set: all frames
 *
 * Context: any; without the lock the answer may be out of date.
 * Return: as many as there are while that will do.
 */
u32 pf_frame_want(const struct pf_frame_set *set)
{
	unsigned long nr = READ_ONCE(set->nr), buckets = READ_ONCE(set->nr_buckets);

	if (nr <= buckets * PF_FRAME_LOAD_MAX && nr * PF_FRAME_SPARSE >= buckets)
		return buckets;
	return clamp_t(unsigned long, nr, PF_FRAME_BUCKETS_MIN, PF_FRAME_BUCKETS_MAX);
}

/**
 * pf_frame_resize() - have the frames move to another table
 * @set: all frames, none of them in old buckets
 * @bucket: empty chains
 * @nr_buckets: how many
 *
 * Context: caller's exclusive lock; does not sleep.
 */
void pf_frame_resize(struct pf_frame_set *set, struct hlist_head *bucket, u32 nr_buckets)
{
	WRITE_ONCE(set->old, set->bucket);
	WRITE_ONCE(set->nr_old, set->nr_buckets);
	set->moved = 0;
	set->cursor = 0;
	set->bucket = bucket;
	WRITE_ONCE(set->nr_buckets, nr_buckets);
}

/**
 * pf_frame_move() - move frames from the old buckets
 * @set: all frames
 * @nr: how many buckets to empty at the most
 *
 * Context: caller's exclusive lock; does not sleep.
 */
void pf_frame_move(struct pf_frame_set *set, u32 nr)
{
	for (; nr && set->moved < set->nr_old; nr--, set->moved++) {
		struct hlist_node *node, *next;

		hlist_for_each_safe(node, next, set->old + set->moved) {
			u64 key = page_folio(pf_frame_of(node))->index;

			hlist_del_init(node);
			hlist_add_head(node, set->bucket + pf_frame_index(key, set->nr_buckets));
		}
	}
}

/**
 * pf_frame_spent() - take away old buckets that are empty
 * @set: all frames
 *
 * Context: caller's exclusive lock; does not sleep.
 * Return: what is to be freed; NULL if there is nothing, or frames have still to move.
 */
struct hlist_head *pf_frame_spent(struct pf_frame_set *set)
{
	struct hlist_head *old = set->old;

	if (set->moved < set->nr_old)
		return NULL;
	set->cursor -= min(set->cursor, set->nr_old);
	WRITE_ONCE(set->old, NULL);
	WRITE_ONCE(set->nr_old, 0);
	set->moved = 0;
	return old;
}
