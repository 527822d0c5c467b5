// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the frame tree: its order, what a lookup may reach, and the cursor that visits all
 * frames.
 */
#include <string.h>

#include <linux/highmem.h>

#include "frame.h"
#include "hash.h"
#include "test.h"

#define FRAMES	128

/* A frame with its page, and whether a test has it in the tree. */
static struct item {
	struct pf_frame frame;
	struct page page;
	unsigned char data[PF_PAGE_BYTES];
	bool in;
	bool visited;
} item[FRAMES];

static struct pf_frame_tree tree;

static void make(struct item *one, u32 domain, s32 node, u64 hash, unsigned char first,
		 unsigned char last)
{
	memset(one->data, 0, sizeof(one->data));
	one->data[0] = first;
	one->data[PF_PAGE_BYTES - 1] = last;
	one->page.data = one->data;
	one->frame = (struct pf_frame) {
		.key = { .hash = hash, .domain = domain, .node = node },
		.page = &one->page,
	};
	one->in = false;
	one->visited = false;
}

static int cmp_items(const struct item *a, const struct item *b)
{
	const struct pf_frame_key *x = &a->frame.key, *y = &b->frame.key;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return memcmp(a->data, b->data, PF_PAGE_BYTES);
}

/* By going through all of them: what the tree's order is good for is seen when something is added. */
static struct pf_frame *find(struct item *one)
{
	for (struct rb_node *node = rb_first(&tree.root); node; node = rb_next(node)) {
		struct pf_frame *frame = rb_entry(node, struct pf_frame, rb);

		if (!cmp_items(container_of(frame, struct item, frame), one))
			return frame;
	}
	return NULL;
}

static struct item *item_of(struct pf_frame *frame)
{
	return container_of(frame, struct item, frame);
}

static bool empty_tree_holds_nothing(void)
{
	make(&item[0], 0, 0, 0, 0, 0);
	EXPECT(!find(&item[0]), "found a frame");
	EXPECT(!pf_frame_next(&tree), "visited a frame");
	return true;
}

static bool added_is_found(void)
{
	struct item *one = &item[0], *copy = &item[1];

	make(one, 1, 2, 3, 4, 5);
	make(copy, 1, 2, 3, 4, 5);
	EXPECT(pf_frame_add(&tree, &one->frame) == &one->frame, "not added");
	EXPECT(tree.nr == 1, "%lu frames", tree.nr);
	EXPECT(find(copy) == &one->frame, "not found by an equal page");
	pf_frame_del(&tree, &one->frame);
	EXPECT(!find(copy), "found after it was deleted");
	EXPECT(!tree.nr, "%lu frames", tree.nr);
	EXPECT(!shim_kmap.nr, "%u pages left mapped", shim_kmap.nr);
	return true;
}

static bool domains_are_apart(void)
{
	static const u32 domain[] = { 0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(domain); i++) {
		make(&item[i], domain[i], 0, 7, 7, 7);
		EXPECT(!find(&item[i]), "domain %u sees a frame of another", domain[i]);
		EXPECT(pf_frame_add(&tree, &item[i].frame) == &item[i].frame, "domain %u",
		       domain[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(domain); i++)
		EXPECT(find(&item[i]) == &item[i].frame, "domain %u", domain[i]);
	make(&item[10], 3, 0, 7, 7, 7);
	EXPECT(!find(&item[10]), "domain 3 sees a frame of another");
	return true;
}

static bool nodes_are_apart(void)
{
	static const s32 node[] = { -1, 0, 1, 1023 };

	for (size_t i = 0; i < ARRAY_SIZE(node); i++) {
		make(&item[i], 1, node[i], 7, 7, 7);
		EXPECT(!find(&item[i]), "node %d sees a frame of another", node[i]);
		EXPECT(pf_frame_add(&tree, &item[i].frame) == &item[i].frame, "node %d", node[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(node); i++)
		EXPECT(find(&item[i]) == &item[i].frame, "node %d", node[i]);
	return true;
}

static bool content_decides_not_the_hash(void)
{
	make(&item[0], 1, 0, 7, 0, 1);
	make(&item[1], 1, 0, 7, 0, 2);
	make(&item[2], 1, 0, 7, 9, 1);
	for (u32 i = 0; i < 3; i++)
		EXPECT(pf_frame_add(&tree, &item[i].frame) == &item[i].frame, "item %u", i);
	for (u32 i = 0; i < 3; i++)
		EXPECT(find(&item[i]) == &item[i].frame, "item %u", i);
	make(&item[3], 1, 0, 7, 0, 3);
	EXPECT(!find(&item[3]), "found by the hash alone");
	return true;
}

static bool hash_keeps_equal_content_apart(void)
{
	make(&item[0], 1, 0, 7, 1, 1);
	make(&item[1], 1, 0, 8, 1, 1);
	pf_frame_add(&tree, &item[0].frame);
	EXPECT(!find(&item[1]), "found under another hash");
	return true;
}

static bool equal_frame_stays(void)
{
	make(&item[0], 1, 0, 7, 1, 1);
	make(&item[1], 1, 0, 7, 1, 1);
	pf_frame_add(&tree, &item[0].frame);
	EXPECT(pf_frame_add(&tree, &item[1].frame) == &item[0].frame, "not the one that was there");
	EXPECT(tree.nr == 1, "%lu frames", tree.nr);
	EXPECT(pf_frame_next(&tree) == &item[0].frame, "another one is in the tree");
	EXPECT(pf_frame_next(&tree) == &item[0].frame, "another one is in the tree");
	EXPECT(!shim_kmap.nr, "%u pages left mapped", shim_kmap.nr);
	return true;
}

/* Items that share domains, nodes, hashes and first bytes in all combinations. */
static void make_mixed(u32 i)
{
	make(&item[i], (i & 3) * 0x60000000U, (s32)(i >> 2 & 1) - 1, ~0ULL * (i >> 3 & 1),
	     i >> 4 & 3, i >> 6 & 1);
}

static bool frames_are_in_order(void)
{
	struct item *last = NULL;
	u32 seen = 0;

	for (u32 i = 0; i < FRAMES; i++) {
		u32 one = i * 37 % FRAMES;

		make_mixed(one);
		pf_frame_add(&tree, &item[one].frame);
	}
	for (struct rb_node *node = rb_first(&tree.root); node; node = rb_next(node)) {
		struct item *one = item_of(rb_entry(node, struct pf_frame, rb));

		EXPECT(!last || cmp_items(last, one) < 0, "item %td before item %td", last - item,
		       one - item);
		last = one;
		seen++;
	}
	EXPECT(seen == FRAMES && tree.nr == FRAMES, "%u of %lu frames", seen, tree.nr);
	return true;
}

static bool next_visits_all_again_and_again(void)
{
	for (u32 i = 0; i < 50; i++) {
		make_mixed(i);
		pf_frame_add(&tree, &item[i].frame);
	}
	for (u32 round = 1; round <= 3; round++) {
		for (u32 i = 0; i < 50; i++) {
			struct pf_frame *frame = pf_frame_next(&tree);

			EXPECT(frame, "nothing as %u. of round %u", i, round);
			EXPECT(item_of(frame)->visited != (round & 1), "item %td twice in round %u",
			       item_of(frame) - item, round);
			item_of(frame)->visited = round & 1;
		}
	}
	return true;
}

/* Visit all, deleting at each step one frame: that which comes next, was just returned, or any. */
static bool survives(bool (*victim)(struct item *one, struct item *now), const char *what)
{
	struct pf_frame *frame;
	u32 left = 0;

	tree = (struct pf_frame_tree) {};
	for (u32 i = 0; i < FRAMES; i++) {
		make_mixed(i);
		pf_frame_add(&tree, &item[i].frame);
		item[i].in = true;
	}
	do {
		frame = pf_frame_next(&tree);
		EXPECT(frame, "%s: nothing left", what);
		EXPECT(item_of(frame)->in, "%s: visited a deleted frame", what);
		EXPECT(!item_of(frame)->visited, "%s: visited twice", what);
		item_of(frame)->visited = true;
		for (u32 i = 0; i < FRAMES; i++) {
			if (item[i].in && victim(&item[i], item_of(frame))) {
				pf_frame_del(&tree, &item[i].frame);
				/* Whoever looks at it again is caught. */
				memset(&item[i].frame, 0xa5, sizeof(item[i].frame));
				item[i].in = false;
				break;
			}
		}
	} while (tree.cursor);
	for (u32 i = 0; i < FRAMES; i++) {
		left += item[i].in;
		EXPECT(!item[i].in || item[i].visited, "%s: item %u was left out", what, i);
	}
	EXPECT(left == tree.nr, "%s: %u frames, not %lu", what, left, tree.nr);
	return true;
}

static bool victim_is_next(struct item *one, struct item *now)
{
	return &one->frame == tree.cursor;
}

static bool victim_is_now(struct item *one, struct item *now)
{
	return one == now;
}

static bool victim_is_any(struct item *one, struct item *now)
{
	static u64 seed;

	return !random_below(&seed, FRAMES);
}

static bool victim_is_last(struct item *one, struct item *now)
{
	return &one->frame.rb == rb_last(&tree.root);
}

static bool cursor_survives_deletes(void)
{
	return survives(victim_is_next, "the next") &&
	       survives(victim_is_now, "the last returned") && survives(victim_is_any, "any") &&
	       survives(victim_is_last, "the last in the tree");
}

static bool all_deleted_is_empty(void)
{
	for (u32 i = 0; i < 3; i++) {
		make_mixed(i);
		pf_frame_add(&tree, &item[i].frame);
	}
	pf_frame_next(&tree);
	for (u32 i = 0; i < 3; i++)
		pf_frame_del(&tree, &item[i].frame);
	EXPECT(!pf_frame_next(&tree), "visited a deleted frame");
	EXPECT(!tree.nr, "%lu frames", tree.nr);
	make_mixed(5);
	pf_frame_add(&tree, &item[5].frame);
	EXPECT(pf_frame_next(&tree) == &item[5].frame, "not usable again");
	return true;
}

static bool random_operations_are_as_in_a_model(void)
{
	unsigned long nr = 0;
	u64 seed = 3;

	for (u32 i = 0; i < FRAMES; i++)
		make_mixed(i);
	for (u32 step = 0; step < 100000; step++) {
		struct item *one = &item[random_below(&seed, FRAMES)];
		struct pf_frame *next;

		EXPECT(find(one) == (one->in ? &one->frame : NULL), "item %td in step %u",
		       one - item, step);
		switch (random_below(&seed, 4)) {
		case 0:
			next = pf_frame_next(&tree);
			EXPECT(!next == !nr, "visited %p of %lu frames", next, nr);
			EXPECT(!next || item_of(next)->in, "visited a deleted frame in step %u",
			       step);
			break;
		default:
			if (one->in)
				pf_frame_del(&tree, &one->frame);
			else
				EXPECT(pf_frame_add(&tree, &one->frame) == &one->frame,
				       "item %td in step %u", one - item, step);
			one->in = !one->in;
			nr += one->in ? 1 : -1;
		}
		EXPECT(tree.nr == nr, "%lu frames, not %lu, in step %u", tree.nr, nr, step);
	}
	return true;
}

static const struct test tests[] = {
	{ "an empty tree holds nothing", empty_tree_holds_nothing },
	{ "what was added is found by an equal page until it is deleted", added_is_found },
	{ "no lookup leaves its domain", domains_are_apart },
	{ "no lookup leaves its node", nodes_are_apart },
	{ "among equal hashes the content decides", content_decides_not_the_hash },
	{ "equal content under another hash is another frame", hash_keeps_equal_content_apart },
	{ "of two equal frames the first stays", equal_frame_stays },
	{ "frames are in order of domain, node, hash, content", frames_are_in_order },
	{ "all frames are visited, again and again", next_visits_all_again_and_again },
	{ "the cursor survives deletes", cursor_survives_deletes },
	{ "a tree that lost all frames is empty", all_deleted_is_empty },
	{ "random operations are as in a model", random_operations_are_as_in_a_model },
};

const struct suite frame_suite = { "frame", tests, ARRAY_SIZE(tests) };
