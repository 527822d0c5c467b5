/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: kvcalloc() and kvfree(), with an account. */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <linux/types.h>

#define GFP_KERNEL	1U
#define __GFP_NOWARN	2U
#define __GFP_RETRY_MAYFAIL	4U

/**
 * struct shim_memory - what the code under test has allocated
 * @bytes: now
 * @peak: the most since a test set it
 * @killers: allocations since then that would rather kill a process than fail
 */
struct shim_memory {
	size_t bytes;
	size_t peak;
	size_t killers;
};

extern struct shim_memory shim_memory;

void *kvcalloc(size_t count, size_t size, gfp_t flags);
void kvfree(const void *memory);

#endif /* SHIM_LINUX_SLAB_H */
