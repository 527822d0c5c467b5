// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the floor and of the backoff: what a guest keeps, and how rarely the impossible is tried.
 *
 * Fixed points come from the table in floor.c's sources of experience; the rest are laws that hold
 * for every guest, tried with a hundred thousand of them.
 */
#include <string.h>
#include <time.h>

#include <linux/minmax.h>

#include "backoff.h"
#include "floor.h"
#include "test.h"

#define MIB(n)	((u64)(n) << 20)
#define GUESTS	100000

/* Known by others' long experience: what a guest of some size needs. */
static bool curve_goes_through_its_points(void)
{
	static const struct { u64 total, floor; } points[] = {
		{ 0, 0 }, { 128, 72 }, { 512, 168 }, { 2048, 360 }, { 8192, 744 }, { 32768, 1512 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		EXPECT(pb_floor_curve(MIB(points[i].total)) == MIB(points[i].floor),
		       "%llu MiB keep %llu", points[i].total,
		       pb_floor_curve(MIB(points[i].total)) >> 20);
	EXPECT(pb_floor_curve(MIB(320)) == MIB(120), "in the middle of a line");
	EXPECT(pb_floor_curve(MIB(57344)) == MIB(2280), "beyond the last point the line goes on");
	return true;
}

/* More memory never means a lower floor, nor a floor above the memory; up to 4 PiB. */
static bool curve_only_rises(void)
{
	u64 total, last = 0, floor;

	for (total = 4096; total < 1ULL << 52; total += 4096 + total / 64) {
		floor = pb_floor_curve(total);
		EXPECT(floor >= last && floor <= total, "%llu of %llu, before %llu", floor, total,
		       last);
		last = floor;
	}
	return true;
}

static bool headroom_is_a_quarter(void)
{
	EXPECT(pb_floor_headroom(MIB(128)) == MIB(18), "of 128 MiB");
	EXPECT(pb_floor_headroom(MIB(2048)) == MIB(90), "of 2 GiB");
	EXPECT(pb_floor_headroom(MIB(32768)) == MIB(378), "of 32 GiB");
	return true;
}

/* Each of the three reasons to keep memory, where it is the greatest. */
static bool floor_is_the_greatest_need(void)
{
	struct pb_memory memory = { .total = MIB(2048), .available = MIB(2000) };

	EXPECT(pb_floor(&memory) == MIB(360), "size: %llu", pb_floor(&memory) >> 20);
	memory.min = MIB(700);
	EXPECT(pb_floor(&memory) == MIB(700), "administrator: %llu", pb_floor(&memory) >> 20);
	memory.available = MIB(300);
	EXPECT(pb_floor(&memory) == MIB(1748 + 90), "use: %llu", pb_floor(&memory) >> 20);
	memory.held = MIB(1000);
	EXPECT(pb_floor(&memory) == MIB(748 + 90), "use beside a balloon: %llu",
	       pb_floor(&memory) >> 20);
	memory.min = MIB(4096);
	EXPECT(pb_floor(&memory) == memory.total, "more than there is: %llu",
	       pb_floor(&memory) >> 20);
	return true;
}

static bool wary_keeps_twice_the_headroom(void)
{
	struct pb_memory memory = { .total = MIB(2048), .available = MIB(1500) };

	EXPECT(pb_floor_room(&memory, false) == MIB(1500 - 90), "%llu",
	       pb_floor_room(&memory, false) >> 20);
	EXPECT(pb_floor_room(&memory, true) == MIB(1500 - 180), "%llu",
	       pb_floor_room(&memory, true) >> 20);
	return true;
}

static bool lack_begins_at_half_the_headroom(void)
{
	struct pb_memory memory = { .total = MIB(2048), .held = MIB(1000), .available = MIB(45) };

	EXPECT(!pb_floor_lack(&memory), "at half of it");
	memory.available--;
	EXPECT(pb_floor_lack(&memory) == MIB(135) + 1, "%llu", pb_floor_lack(&memory));
	memory.available = 0;
	EXPECT(pb_floor_lack(&memory) == MIB(180), "%llu", pb_floor_lack(&memory) >> 20);
	memory.soon = MIB(44);
	EXPECT(pb_floor_lack(&memory) == MIB(136), "44 come anyway: %llu", pb_floor_lack(&memory) >> 20);
	memory.soon = MIB(45);
	EXPECT(!pb_floor_lack(&memory), "half of it comes anyway");
	memory.soon = MIB(500);
	EXPECT(!pb_floor_room(&memory, false), "what is not there yet is no room");
	memory.soon = 0;
	memory.held = MIB(7);
	EXPECT(pb_floor_lack(&memory) == MIB(7), "more than is held: %llu",
	       pb_floor_lack(&memory) >> 20);
	return true;
}

/* Numbers of a guest need not fit together: they are read one after the other. */
static void any_guest(u64 *seed, struct pb_memory *memory)
{
	u64 limit = 1ULL << (20 + random_below(seed, 32));

	memory->total = random_below(seed, limit);
	memory->held = random_below(seed, limit);
	memory->available = random_below(seed, limit);
	memory->soon = random_below(seed, limit);
	memory->min = random_below(seed, 4) ? 0 : random_below(seed, limit);
}

static bool laws_hold_for_any_guest(void)
{
	struct pb_memory memory;
	u64 seed = 1, mine, room, wary, lack;

	for (u32 i = 0; i < GUESTS; i++) {
		any_guest(&seed, &memory);
		mine = memory.total - min(memory.held, memory.total);
		room = pb_floor_room(&memory, false);
		wary = pb_floor_room(&memory, true);
		lack = pb_floor_lack(&memory);
		EXPECT(room <= mine, "takes %llu of %llu", room, mine);
		EXPECT(wary <= room, "takes %llu instead of %llu when wary", wary, room);
		EXPECT(!room || mine - room >= pb_floor_curve(memory.total), "below the curve");
		EXPECT(!room || mine - room >= min(memory.min, memory.total), "below min");
		EXPECT(lack <= memory.held, "gives %llu of %llu", lack, memory.held);
		/* Or it would go back and forth for ever. */
		EXPECT(!lack || !room, "lacks %llu and has room for %llu", lack, room);
	}
	return true;
}

/* What is taken, is room no longer; what is given back, suffices. */
static bool taking_and_giving_come_to_rest(void)
{
	struct pb_memory memory;
	u64 seed = 2, room, lack;

	for (u32 i = 0; i < GUESTS; i++) {
		any_guest(&seed, &memory);
		memory.held %= memory.total + 1;
		memory.available %= memory.total - memory.held + 1;
		room = pb_floor_room(&memory, false);
		memory.held += room;
		memory.available -= min(room, memory.available);
		EXPECT(!pb_floor_room(&memory, false), "room again after %llu", room);
		memory.available = random_below(&seed, pb_floor_headroom(memory.total) + 1);
		lack = pb_floor_lack(&memory);
		memory.held -= lack;
		memory.available += lack;
		EXPECT(!pb_floor_lack(&memory) || !memory.held, "lacks again after %llu", lack);
	}
	return true;
}

/* Of a target that cannot be reached. */
static const struct pb_backoff of_target = {
	.min_ms = PB_BACKOFF_MIN_MS, .max_ms = PB_BACKOFF_MAX_MS,
};

static bool backoff_doubles_up_to_its_limit(void)
{
	struct pb_backoff backoff = of_target;
	unsigned int want = PB_BACKOFF_MIN_MS, got;

	for (u32 i = 0; i < 40; i++) {
		got = pb_backoff_next(&backoff);
		EXPECT(got == want, "try %u waits %u ms, not %u", i, got, want);
		want = min(want * 2, (unsigned int)PB_BACKOFF_MAX_MS);
	}
	return true;
}

static bool backoff_begins_anew(void)
{
	struct pb_backoff backoff = of_target;

	for (u32 i = 0; i < 5; i++)
		pb_backoff_next(&backoff);
	pb_backoff_reset(&backoff);
	EXPECT(pb_backoff_next(&backoff) == PB_BACKOFF_MIN_MS, "%u ms", backoff.delay_ms);
	return true;
}

static bool backoff_keeps_its_own_limits(void)
{
	static const unsigned int want[] = { 2000, 4000, 8000, 9000, 9000 };
	struct pb_backoff backoff = { .min_ms = 2000, .max_ms = 9000 };

	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		EXPECT(pb_backoff_next(&backoff) == want[i], "try %zu waits %u ms", i,
		       backoff.delay_ms);
	return true;
}

/* At 100 us a try, five times what it costs, an hour in vain stays below 0.1 % of a CPU. */
static bool backoff_is_cheap(void)
{
	struct pb_backoff backoff = of_target;
	u64 ms = 0, tries = 0;

	while (ms < 3600 * 1000) {
		ms += pb_backoff_next(&backoff);
		tries++;
	}
	EXPECT(tries * 100 < ms, "%llu tries in %llu ms", tries, ms);
	EXPECT(tries >= 360, "%llu tries in an hour are too few to notice that memory is free",
	       tries);
	return true;
}

static const struct test tests[] = {
	{ "curve goes through its points", curve_goes_through_its_points },
	{ "curve only rises", curve_only_rises },
	{ "headroom is a quarter", headroom_is_a_quarter },
	{ "floor is the greatest need", floor_is_the_greatest_need },
	{ "wary keeps twice the headroom", wary_keeps_twice_the_headroom },
	{ "lack begins at half the headroom", lack_begins_at_half_the_headroom },
	{ "laws hold for any guest", laws_hold_for_any_guest },
	{ "taking and giving come to rest", taking_and_giving_come_to_rest },
	{ "backoff doubles up to its limit", backoff_doubles_up_to_its_limit },
	{ "backoff begins anew", backoff_begins_anew },
	{ "backoff keeps its own limits", backoff_keeps_its_own_limits },
	{ "backoff is cheap", backoff_is_cheap },
};

static int bench(void)
{
	struct timespec began, ended;
	struct pb_memory memory;
	u64 seed = 3, sum = 0, ns;

	clock_gettime(CLOCK_MONOTONIC, &began);
	for (u32 i = 0; i < 10 * GUESTS; i++) {
		any_guest(&seed, &memory);
		sum += pb_floor_room(&memory, i & 1) + pb_floor_lack(&memory);
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	ns = (ended.tv_sec - began.tv_sec) * 1000000000ULL + ended.tv_nsec - began.tv_nsec;
	printf("room and lack of a guest: %llu ns (%llu)\n", ns / (10 * GUESTS), sum & 1);
	return 0;
}

int main(int argc, char **argv)
{
	size_t failed = 0;
	bool passed;

	if (argc > 1 && !strcmp(argv[1], "bench"))
		return bench();
	printf("KTAP version 1\n1..%zu\n", ARRAY_SIZE(tests));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		passed = tests[i].run();
		printf("%s %zu balloon: %s\n", passed ? "ok" : "not ok", i + 1, tests[i].name);
		failed += !passed;
	}
	printf("# Totals: pass:%zu fail:%zu skip:0\n", ARRAY_SIZE(tests) - failed, failed);
	return failed != 0;
}
