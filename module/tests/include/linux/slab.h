/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: kzalloc() and kvfree(), with an account. */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <linux/types.h>

#define GFP_KERNEL	1U
#define __GFP_NOWARN	2U
#define __GFP_NORETRY	4U
#define __GFP_ZERO	8U

/**
 * struct shim_memory - what the code under test has allocated
 * @bytes: now: what the kernel's allocator takes, and what it takes to map that
 * @peak: the most since a test set it
 * @killers: allocations since then that would rather kill a process than fail
 */
struct shim_memory {
	size_t bytes;
	size_t peak;
	size_t killers;
};

extern struct shim_memory shim_memory;

size_t kmalloc_size_roundup(size_t bytes);
void *kzalloc(size_t bytes, gfp_t flags);
void kvfree(const void *memory);

#endif /* SHIM_LINUX_SLAB_H */
