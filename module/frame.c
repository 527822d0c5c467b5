// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frame tree: pages whose content is shared, by content.
 *
 * The content of a frame never changes, so the order of the tree is stable. Among frames of one
 * hash it is that of the first line in which they differ, so that as many as a guest can make
 * cost no more than a comparison for each level of the tree.
 */
#include <linux/highmem.h>
#include <linux/rbtree.h>
#include <linux/string.h>

#include "frame.h"
#include "wide.h"

static int pf_frame_cmp(const struct pf_frame_key *key, const void *data,
			const struct pf_frame *frame)
{
	unsigned int line;
	void *content;
	int order = 0;

	if (key->domain != frame->key.domain)
		return key->domain < frame->key.domain ? -1 : 1;
	if (key->node != frame->key.node)
		return key->node < frame->key.node ? -1 : 1;
	if (key->hash != frame->key.hash)
		return key->hash < frame->key.hash ? -1 : 1;
	content = kmap_local_page(frame->page);
	line = pf_wide_differ(data, content);
	if (line < PF_PAGE_LINES)
		order = memcmp(data + line * PF_LINE_BYTES, content + line * PF_LINE_BYTES,
			       PF_LINE_BYTES);
	kunmap_local(content);
	return order;
}

/**
 * pf_frame_add() - add a frame to the tree
 * @tree: all frames
 * @frame: its key and page are set, and nobody can write the page
 *
 * Context: caller's exclusive lock; does not sleep.
 * Return: @frame, or the equal frame that is there already and stays.
 */
struct pf_frame *pf_frame_add(struct pf_frame_tree *tree, struct pf_frame *frame)
{
	struct rb_node **link = &tree->root.rb_node, *parent = NULL;
	void *data = kmap_local_page(frame->page);
	struct pf_frame *there = NULL;

	while (*link) {
		int order;

		parent = *link;
		there = rb_entry(parent, struct pf_frame, rb);
		order = pf_frame_cmp(&frame->key, data, there);
		if (!order)
			break;
		there = NULL;
		link = order < 0 ? &parent->rb_left : &parent->rb_right;
	}
	kunmap_local(data);
	if (there)
		return there;

	rb_link_node(&frame->rb, parent, link);
	rb_insert_color(&frame->rb, &tree->root);
	tree->nr++;
	return frame;
}

/**
 * pf_frame_del() - take a frame out of the tree
 * @tree: all frames
 * @frame: in @tree
 *
 * Context: caller's exclusive lock; does not sleep.
 */
void pf_frame_del(struct pf_frame_tree *tree, struct pf_frame *frame)
{
	if (tree->cursor == frame) {
		struct rb_node *next = rb_next(&frame->rb);

		tree->cursor = next ? rb_entry(next, struct pf_frame, rb) : NULL;
	}
	rb_erase(&frame->rb, &tree->root);
	tree->nr--;
}

/**
 * pf_frame_next() - visit the frames one after the other, for ever
 * @tree: all frames
 *
 * Context: caller's exclusive lock; does not sleep.
 * Return: the frame after the last one returned, the first after the last, NULL when there is none.
 */
struct pf_frame *pf_frame_next(struct pf_frame_tree *tree)
{
	struct pf_frame *frame = tree->cursor;
	struct rb_node *next;

	if (!frame) {
		struct rb_node *first = rb_first(&tree->root);

		if (!first)
			return NULL;
		frame = rb_entry(first, struct pf_frame, rb);
	}
	next = rb_next(&frame->rb);
	tree->cursor = next ? rb_entry(next, struct pf_frame, rb) : NULL;
	return frame;
}
