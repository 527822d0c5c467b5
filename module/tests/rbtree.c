// SPDX-License-Identifier: GPL-2.0-only
/*
 * A red-black tree behind the kernel's interface.
 *
 * A missing child is black. Written for the tests, for clearness: every node has its parent and its
 * colour in fields of their own.
 */
#include <linux/rbtree.h>

static bool rb_is_red(const struct rb_node *node)
{
	return node && node->rb_red;
}

/* Where the pointer to @node is kept: in its parent or in the root. */
static struct rb_node **rb_link_of(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *parent = node->rb_parent;

	if (!parent)
		return &root->rb_node;
	return parent->rb_left == node ? &parent->rb_left : &parent->rb_right;
}

/* Lift the right (@left: the left) child of @node above it. */
static void rb_rotate(struct rb_node *node, bool left, struct rb_root *root)
{
	struct rb_node *child = left ? node->rb_left : node->rb_right;
	struct rb_node *inner = left ? child->rb_right : child->rb_left;

	*rb_link_of(node, root) = child;
	child->rb_parent = node->rb_parent;
	node->rb_parent = child;
	if (inner)
		inner->rb_parent = node;
	if (left) {
		node->rb_left = inner;
		child->rb_right = node;
	} else {
		node->rb_right = inner;
		child->rb_left = node;
	}
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *parent, *grand, *uncle;

	while (rb_is_red(parent = node->rb_parent)) {
		bool left;

		grand = parent->rb_parent;
		left = grand->rb_left == parent;
		uncle = left ? grand->rb_right : grand->rb_left;
		if (rb_is_red(uncle)) {
			parent->rb_red = false;
			uncle->rb_red = false;
			grand->rb_red = true;
			node = grand;
			continue;
		}
		if ((parent->rb_left == node) != left) {
			rb_rotate(parent, !left, root);
			parent = node;
		}
		parent->rb_red = false;
		grand->rb_red = true;
		rb_rotate(grand, left, root);
		break;
	}
	root->rb_node->rb_red = false;
}

/* The way through @node, a child of @parent or missing there, has one black node too few. */
static void rb_erase_color(struct rb_node *node, struct rb_node *parent, struct rb_root *root)
{
	while (parent && !rb_is_red(node)) {
		bool left = parent->rb_left == node;
		struct rb_node *other = left ? parent->rb_right : parent->rb_left;
		struct rb_node *near, *far;

		if (other->rb_red) {
			other->rb_red = false;
			parent->rb_red = true;
			rb_rotate(parent, !left, root);
			other = left ? parent->rb_right : parent->rb_left;
		}
		near = left ? other->rb_left : other->rb_right;
		far = left ? other->rb_right : other->rb_left;
		if (!rb_is_red(near) && !rb_is_red(far)) {
			other->rb_red = true;
			node = parent;
			parent = node->rb_parent;
			continue;
		}
		if (!rb_is_red(far)) {
			near->rb_red = false;
			other->rb_red = true;
			rb_rotate(other, left, root);
			far = other;
			other = near;
		}
		other->rb_red = parent->rb_red;
		parent->rb_red = false;
		far->rb_red = false;
		rb_rotate(parent, !left, root);
		return;
	}
	if (node)
		node->rb_red = false;
}

/* Put @next, which has no left child and is somewhere right below @node, where @node is. */
static void rb_take_place(struct rb_node *node, struct rb_node *next, struct rb_root *root)
{
	*rb_link_of(node, root) = next;
	next->rb_parent = node->rb_parent;
	next->rb_red = node->rb_red;
	next->rb_left = node->rb_left;
	next->rb_right = node->rb_right;
	next->rb_left->rb_parent = next;
	if (next->rb_right)
		next->rb_right->rb_parent = next;
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	struct rb_node *out = node->rb_left && node->rb_right ? rb_next(node) : node;
	struct rb_node *child = out->rb_left ? out->rb_left : out->rb_right;
	struct rb_node *parent = out->rb_parent;
	bool red = out->rb_red;

	*rb_link_of(out, root) = child;
	if (child)
		child->rb_parent = parent;
	if (out != node) {
		if (parent == node)
			parent = out;
		rb_take_place(node, out, root);
	}
	if (!red)
		rb_erase_color(child, parent, root);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *node = root->rb_node;

	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *node = root->rb_node;

	while (node && node->rb_right)
		node = node->rb_right;
	return node;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->rb_right) {
		struct rb_root right = { node->rb_right };

		return rb_first(&right);
	}
	while ((parent = node->rb_parent) && parent->rb_right == node)
		node = parent;
	return parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	struct rb_node *parent;

	if (node->rb_left) {
		struct rb_root left = { node->rb_left };

		return rb_last(&left);
	}
	while ((parent = node->rb_parent) && parent->rb_left == node)
		node = parent;
	return parent;
}

/* Equal nodes stay in the order they came. Returns @node when it is the first now, else NULL. */
struct rb_node *rb_add_cached(struct rb_node *node, struct rb_root_cached *tree,
			      bool (*less)(struct rb_node *, const struct rb_node *))
{
	struct rb_node **link = &tree->rb_root.rb_node, *parent = NULL;
	bool leftmost = true;

	while (*link) {
		parent = *link;
		if (less(node, parent)) {
			link = &parent->rb_left;
		} else {
			link = &parent->rb_right;
			leftmost = false;
		}
	}
	rb_link_node(node, parent, link);
	rb_insert_color(node, &tree->rb_root);
	if (leftmost)
		tree->rb_leftmost = node;
	return leftmost ? node : NULL;
}

/* Returns the new first node when @node was the first, else NULL. */
struct rb_node *rb_erase_cached(struct rb_node *node, struct rb_root_cached *tree)
{
	struct rb_node *first = NULL;

	if (tree->rb_leftmost == node)
		first = tree->rb_leftmost = rb_next(node);
	rb_erase(node, &tree->rb_root);
	return first;
}
