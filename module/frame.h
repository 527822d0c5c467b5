/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The frame tree: pages whose content is shared, by content.
 *
 * Pure but for the page it names: builds in userspace too. The tree is ordered by domain, NUMA node
 * and hash, and by content among equal hashes; so a lookup cannot leave its domain, and compares
 * content only where the hash is right already.
 */
#ifndef PF_FRAME_H
#define PF_FRAME_H

#include <linux/rbtree.h>
#include <linux/types.h>

struct page;

/**
 * struct pf_frame_key - what a frame is looked up by
 * @hash: what the hints of the page were looked up by that it was made from, see sample.h
 * @domain: who may share it
 * @node: NUMA node of its page, or one constant for all when sharing crosses nodes
 */
struct pf_frame_key {
	u64 hash;
	u32 domain;
	s32 node;
};

/**
 * struct pf_frame - a page that the module owns and VMs map
 * @rb: in the tree
 * @key: its place there, together with the content of @page
 * @page: read-only for everybody from the moment it is in the tree
 */
struct pf_frame {
	struct rb_node rb;
	struct pf_frame_key key;
	struct page *page;
};

/**
 * struct pf_frame_tree - all frames
 * @root: the tree
 * @cursor: where pf_frame_next() goes on; NULL to begin anew
 * @nr: how many frames there are
 *
 * The caller's lock protects all of it, exclusively.
 */
struct pf_frame_tree {
	struct rb_root root;
	struct pf_frame *cursor;
	unsigned long nr;
};

struct pf_frame *pf_frame_add(struct pf_frame_tree *tree, struct pf_frame *frame);
void pf_frame_del(struct pf_frame_tree *tree, struct pf_frame *frame);
struct pf_frame *pf_frame_next(struct pf_frame_tree *tree);

#endif /* PF_FRAME_H */
