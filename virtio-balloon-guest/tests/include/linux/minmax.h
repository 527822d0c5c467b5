/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: min() and max() are in that of linux/kernel.h. */
#ifndef SHIM_LINUX_MINMAX_H
#define SHIM_LINUX_MINMAX_H

#include <linux/kernel.h>

#define max3(a, b, c)		max(max(a, b), c)
#ifndef clamp
#define clamp(value, low, high)	min(max(value, low), high)
#endif

#endif /* SHIM_LINUX_MINMAX_H */
