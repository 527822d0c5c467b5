/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for the kernel's header of this name.
 *
 * As strict as that of 6.1, the oldest kernel served: both sides of min() and max() have one type.
 */
#ifndef SHIM_LINUX_KERNEL_H
#define SHIM_LINUX_KERNEL_H

#include <limits.h>
#include <stdio.h>

#include <linux/compiler.h>
#include <linux/types.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
/* For powers of two alone. */
#define round_up(n, unit)	((((n) - 1) | ((__typeof__(n))(unit) - 1)) + 1)

#define container_of(ptr, type, member)	\
	((type *)((char *)(ptr) - offsetof(type, member)))

#define shim_same_type(a, b) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(a), __typeof__(b)), \
		       "min() and max() want one type")

#define min(a, b) __extension__ ({		\
	__typeof__(a) shim_a = (a);		\
	__typeof__(b) shim_b = (b);		\
	shim_same_type(shim_a, shim_b);		\
	shim_a < shim_b ? shim_a : shim_b; })

#define max(a, b) __extension__ ({		\
	__typeof__(a) shim_a = (a);		\
	__typeof__(b) shim_b = (b);		\
	shim_same_type(shim_a, shim_b);		\
	shim_a > shim_b ? shim_a : shim_b; })

#define min_t(type, a, b) __extension__ ({	\
	type shim_ta = (a), shim_tb = (b);	\
	shim_ta < shim_tb ? shim_ta : shim_tb; })

#define max_t(type, a, b) __extension__ ({	\
	type shim_ta = (a), shim_tb = (b);	\
	shim_ta > shim_tb ? shim_ta : shim_tb; })

#define clamp_t(type, value, low, high)	\
	min_t(type, max_t(type, value, low), high)

#endif /* SHIM_LINUX_KERNEL_H */
