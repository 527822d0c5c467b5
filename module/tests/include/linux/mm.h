/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: in some kernels kvcalloc() is declared here. */
#ifndef SHIM_LINUX_MM_H
#define SHIM_LINUX_MM_H

#include <linux/slab.h>

/* A page that a frame names; only kmap_local_page() looks inside. */
struct page {
	void *data;
};

#endif /* SHIM_LINUX_MM_H */
