// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory a guest keeps: by its size, by its administrator's wish, by what it uses.
 *
 * Pure logic: builds in userspace too. The curve is what a Linux guest needs to run at all,
 * measured by others over many years: a kernel and its tables grow with the memory, the programs
 * less so. Above it, what the guest uses at this moment counts, with some headroom: a balloon
 * that takes the last free page only makes the guest pay for it by reclaim.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/math64.h>

#include "floor.h"

#define PB_MIB(n)	((u64)(n) << 20)

static const struct {
	u64 total;
	u64 floor;
} pb_floor_points[] = {
	{ 0, 0 },
	{ PB_MIB(128), PB_MIB(72) },
	{ PB_MIB(512), PB_MIB(168) },
	{ PB_MIB(2048), PB_MIB(360) },
	{ PB_MIB(8192), PB_MIB(744) },
	{ PB_MIB(32768), PB_MIB(1512) },
};

/**
 * pb_floor_curve() - what a guest of some size needs at least
 * @total: its memory in bytes, ballooned or not
 *
 * Between the points it is a line; beyond the last the last line goes on.
 *
 * Return: bytes.
 */
u64 pb_floor_curve(u64 total)
{
	size_t i = 1;
	u64 run, rise;

	while (i < ARRAY_SIZE(pb_floor_points) - 1 && total > pb_floor_points[i].total)
		i++;
	run = pb_floor_points[i].total - pb_floor_points[i - 1].total;
	rise = pb_floor_points[i].floor - pb_floor_points[i - 1].floor;
	/* In 4 KiB, so that no product leaves 64 bits below 2^52 bytes of memory. */
	return pb_floor_points[i - 1].floor +
	       (div64_u64(((total - pb_floor_points[i - 1].total) >> 12) * (rise >> 12), run >> 12)
		<< 12);
}

/**
 * pb_floor_headroom() - what a guest must have available beyond what it uses
 * @total: its memory in bytes, ballooned or not
 *
 * A quarter of the curve: 18 MiB of 128 MiB, 90 MiB of 2 GiB, 378 MiB of 32 GiB.
 *
 * Return: bytes.
 */
u64 pb_floor_headroom(u64 total)
{
	return pb_floor_curve(total) / 4;
}

/**
 * pb_floor() - what a guest keeps at this moment
 * @memory: what it has
 *
 * Return: bytes, at most all of its memory.
 */
u64 pb_floor(const struct pb_memory *memory)
{
	u64 mine = memory->total - min(memory->held, memory->total);
	u64 used = mine - min(memory->available, mine) + pb_floor_headroom(memory->total);

	return min(max3(pb_floor_curve(memory->total), memory->min, used), memory->total);
}

/**
 * pb_floor_room() - how much more may go to the host
 * @memory: what the guest has
 * @wary: it was short of memory a moment ago: leave it twice the headroom
 *
 * Return: bytes, 0 at the floor or below.
 */
u64 pb_floor_room(const struct pb_memory *memory, bool wary)
{
	u64 mine = memory->total - min(memory->held, memory->total);
	u64 floor = pb_floor(memory);

	if (wary)
		floor += pb_floor_headroom(memory->total);
	return mine - min(floor, mine);
}

/**
 * pb_floor_lack() - how much a guest should get back for its own stability
 * @memory: what it has
 *
 * Nothing while half of the headroom is available; below that as much as makes it twice the
 * headroom, so that it is not asked again soon. What comes back anyway is not lacking, but no room
 * either: it is not there yet.
 *
 * Return: bytes.
 */
u64 pb_floor_lack(const struct pb_memory *memory)
{
	u64 headroom = pb_floor_headroom(memory->total);
	u64 available = memory->available + memory->soon;

	if (available >= headroom / 2)
		return 0;
	return min(2 * headroom - available, memory->held);
}
