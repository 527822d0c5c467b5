/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name. */
#ifndef SHIM_LINUX_LIMITS_H
#define SHIM_LINUX_LIMITS_H

#include <limits.h>

#include <linux/types.h>

#endif /* SHIM_LINUX_LIMITS_H */
