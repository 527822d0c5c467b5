/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: memory in pages, small and huge ones. */
#ifndef SHIM_LINUX_VMALLOC_H
#define SHIM_LINUX_VMALLOC_H

#include <linux/slab.h>

void *__vmalloc(size_t bytes, gfp_t flags);
void *vmalloc_huge(size_t bytes, gfp_t flags);

#endif /* SHIM_LINUX_VMALLOC_H */
