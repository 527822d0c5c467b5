/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: tests may begin more than once. */
#ifndef SHIM_LINUX_CACHE_H
#define SHIM_LINUX_CACHE_H

#define __ro_after_init

#endif /* SHIM_LINUX_CACHE_H */
