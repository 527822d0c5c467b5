/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: chains. */
#ifndef SHIM_LINUX_LIST_H
#define SHIM_LINUX_LIST_H

#include <stddef.h>

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

#define hlist_for_each(node, head)	\
	for (node = (head)->first; node; node = node->next)

#define hlist_for_each_safe(node, after, head)	\
	for (node = (head)->first; node && (after = node->next, 1); node = after)

static inline void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	node->next = head->first;
	node->pprev = &head->first;
	if (node->next)
		node->next->pprev = &node->next;
	head->first = node;
}

static inline void hlist_del_init(struct hlist_node *node)
{
	if (!node->pprev)
		return;
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
	node->next = NULL;
	node->pprev = NULL;
}

#endif /* SHIM_LINUX_LIST_H */
