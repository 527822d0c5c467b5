/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: also what the C library's <errno.h> gets its numbers from. */
#ifndef SHIM_LINUX_ERRNO_H
#define SHIM_LINUX_ERRNO_H

#include <asm/errno.h>

#endif /* SHIM_LINUX_ERRNO_H */
