/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much memory a guest keeps.
 *
 * Pure logic: builds in userspace too.
 */
#ifndef PB_FLOOR_H
#define PB_FLOOR_H

#include <linux/types.h>

/**
 * struct pb_memory - what a guest has, in bytes
 * @total: all of it, ballooned or not
 * @held: of that, with the host
 * @available: what could be had without swapping
 * @soon: what is not among that now, but comes back by itself or when the kernel wants it
 * @min: what the administrator wants it to keep
 */
struct pb_memory {
	u64 total;
	u64 held;
	u64 available;
	u64 soon;
	u64 min;
};

u64 pb_floor_curve(u64 total);
u64 pb_floor_headroom(u64 total);
u64 pb_floor(const struct pb_memory *memory);
u64 pb_floor_room(const struct pb_memory *memory, bool wary);
u64 pb_floor_lack(const struct pb_memory *memory);

#endif /* PB_FLOOR_H */
