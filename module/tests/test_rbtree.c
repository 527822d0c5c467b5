// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the red-black tree that stands in for the kernel's.
 *
 * Frames and turns are only tested as well as the tree under them is right.
 */
#include <linux/rbtree.h>

#include "test.h"

#define NODES	400

struct item {
	struct rb_node rb;
	u32 key;
	u32 order;
	bool in;
};

static bool item_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct item, rb)->key < rb_entry(b, struct item, rb)->key;
}

/*
 * Black nodes on each way down from @node, or -1 when a rule of red-black trees is broken below it.
 */
static int black_height(const struct rb_node *node, const struct rb_node *parent)
{
	int left, right;

	if (!node)
		return 0;
	if (node->rb_parent != parent || (node->rb_red && (!parent || parent->rb_red)))
		return -1;
	left = black_height(node->rb_left, node);
	right = black_height(node->rb_right, node);
	if (left < 0 || left != right)
		return -1;
	return left + !node->rb_red;
}

static bool tree_is_right(const struct rb_root_cached *tree, size_t nr)
{
	const struct item *last = NULL;
	size_t seen = 0;

	EXPECT(black_height(tree->rb_root.rb_node, NULL) >= 0, "%zu nodes", nr);
	EXPECT(tree->rb_leftmost == rb_first(&tree->rb_root), "%zu nodes", nr);
	for (struct rb_node *node = rb_first(&tree->rb_root); node; node = rb_next(node)) {
		const struct item *item = rb_entry(node, struct item, rb);

		EXPECT(item->in, "key %u was taken out", item->key);
		EXPECT(!last || last->key < item->key ||
		       (last->key == item->key && last->order < item->order),
		       "key %u (came %u.) before key %u (came %u.)", last->key, last->order,
		       item->key, item->order);
		EXPECT(!last || rb_prev(node) == &last->rb, "key %u", item->key);
		last = item;
		seen++;
	}
	EXPECT(seen == nr, "%zu nodes, not %zu", seen, nr);
	EXPECT(rb_last(&tree->rb_root) == (last ? &last->rb : NULL), "%zu nodes", nr);
	return true;
}

static bool random_inserts_and_erases(void)
{
	static struct item item[NODES];
	struct rb_root_cached tree = RB_ROOT_CACHED;
	u64 seed = 1;
	size_t nr = 0;

	for (u32 step = 0; step < 40000; step++) {
		struct item *one = &item[random_below(&seed, NODES)];

		/* Let the tree grow and shrink, not hover at half. */
		if (one->in == (step / 2000 % 2 && random_below(&seed, 8)))
			continue;
		if (one->in) {
			rb_erase_cached(&one->rb, &tree);
			nr--;
		} else {
			one->key = random_below(&seed, 100);
			one->order = step;
			rb_add_cached(&one->rb, &tree, item_less);
			nr++;
		}
		one->in = !one->in;
		if (!tree_is_right(&tree, nr))
			return false;
	}
	return true;
}

static bool sorted_inserts(void)
{
	static struct item item[NODES];
	struct rb_root_cached tree = RB_ROOT_CACHED;

	for (u32 i = 0; i < NODES; i++) {
		item[i] = (struct item) { .key = i, .in = true };
		rb_add_cached(&item[i].rb, &tree, item_less);
		if (!tree_is_right(&tree, i + 1))
			return false;
	}
	for (u32 i = 0; i < NODES; i++) {
		EXPECT(rb_first_cached(&tree) == &item[i].rb, "item %u", i);
		rb_erase_cached(&item[i].rb, &tree);
		item[i].in = false;
		if (!tree_is_right(&tree, NODES - 1 - i))
			return false;
	}
	return true;
}

static const struct test tests[] = {
	{ "random inserts and erases keep the rules", random_inserts_and_erases },
	{ "sorted inserts and erases keep the rules", sorted_inserts },
};

const struct suite rbtree_suite = { "rbtree", tests, ARRAY_SIZE(tests) };
