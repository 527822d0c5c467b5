/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frame set: pages whose content is shared, by content.
 *
 * Pure but for the pages: builds in userspace too. A frame is a page of the module's own, so what
 * is kept of it is kept in its struct page: beyond that it costs a share of the table of buckets, 4
 * to 8 bytes while frames become more, 12 while they move to a larger table, and up to 64 where
 * most have gone; 72 while they move to a smaller one.
 */
#ifndef PF_FRAME_H
#define PF_FRAME_H

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/types.h>

/* What the key of each frame in the set has, so that it is not 0, which says that it is in none. */
#define PF_FRAME_LISTED		1ULL
#define PF_FRAME_BUCKETS_MIN	64U
/* 1 GiB, for a TiB of frames; beyond that chains become longer. */
#define PF_FRAME_BUCKETS_MAX	(128U << 20)
/* As good as none has more than 16, unless there is no memory for more buckets. */
#define PF_FRAME_CHAIN_MAX	32

/**
 * struct pf_frame_set - all frames
 * @bucket: chains of frames, by their keys
 * @nr_buckets: how many
 * @old: those from before the size changed, until all of their frames have moved; else NULL
 * @nr_old: how many
 * @moved: of these, the first that may still have frames
 * @cursor: where pf_frame_next() goes on, among the old and then the new
 * @nr: how many frames there are
 *
 * The caller's lock protects all of it, exclusively; @nr, @nr_buckets, @old and @nr_old are also
 * read without it, for sizes. Of a frame's page the set owns lru, its link, and index, its key.
 */
struct pf_frame_set {
	struct hlist_head *bucket;
	u32 nr_buckets;
	struct hlist_head *old;
	u32 nr_old;
	u32 moved;
	u32 cursor;
	unsigned long nr;
};

/**
 * pf_frame_of() - the frame with this link
 * @node: in a chain of the set
 */
static inline struct page *pf_frame_of(struct hlist_node *node)
{
	return container_of((struct list_head *)node, struct page, lru);
}

/**
 * pf_frame_listed() - is a frame in the set
 * @page: its page
 */
static inline bool pf_frame_listed(struct page *page)
{
	return page_folio(page)->index;
}

/**
 * pf_frame_has_key() - is a frame in the set under this key
 * @page: its page
 * @key: pf_store_key() of some page
 */
static inline bool pf_frame_has_key(struct page *page, u64 key)
{
	return page_folio(page)->index == (key | PF_FRAME_LISTED);
}

struct page *pf_frame_add(struct pf_frame_set *set, struct page *page, u64 key, bool cross);
void pf_frame_refile(struct pf_frame_set *set, struct page *page, u64 key);
void pf_frame_del(struct pf_frame_set *set, struct page *page);
struct hlist_head *pf_frame_next(struct pf_frame_set *set);
u32 pf_frame_want(const struct pf_frame_set *set);
void pf_frame_resize(struct pf_frame_set *set, struct hlist_head *bucket, u32 nr_buckets);
void pf_frame_move(struct pf_frame_set *set, u32 nr);
struct hlist_head *pf_frame_spent(struct pf_frame_set *set);

#endif /* PF_FRAME_H */
