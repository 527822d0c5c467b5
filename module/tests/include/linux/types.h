/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for the kernel's header of this name: the types that the pure parts of the module use.
 *
 * u64 is long long as in the kernel, so that min() and max() refuse here what they refuse there.
 */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
typedef unsigned int gfp_t;

#define U32_MAX	((u32)~0U)
#define U64_MAX	((u64)~0ULL)

#endif /* SHIM_LINUX_TYPES_H */
