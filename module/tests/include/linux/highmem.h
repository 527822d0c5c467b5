/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for the kernel's header of this name.
 *
 * Local mappings nest: the last one made is undone first. A test can see that none is left.
 */
#ifndef SHIM_LINUX_HIGHMEM_H
#define SHIM_LINUX_HIGHMEM_H

#include <linux/mm.h>

#define SHIM_KMAPS	16

/**
 * struct shim_kmap - the local mappings in force
 * @address: of each
 * @nr: how many
 */
struct shim_kmap {
	const void *address[SHIM_KMAPS];
	unsigned int nr;
};

extern struct shim_kmap shim_kmap;

void shim_kmap_wrong(const char *what) __attribute__((noreturn));

static inline void *kmap_local_page(struct page *page)
{
	if (shim_kmap.nr == SHIM_KMAPS)
		shim_kmap_wrong("more than 16 pages mapped at a time");
	shim_kmap.address[shim_kmap.nr++] = page->data;
	return page->data;
}

static inline void kunmap_local(const void *address)
{
	if (!shim_kmap.nr || shim_kmap.address[--shim_kmap.nr] != address)
		shim_kmap_wrong("unmapped a page that was not mapped last");
}

#endif /* SHIM_LINUX_HIGHMEM_H */
