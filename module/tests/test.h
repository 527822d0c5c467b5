/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests of the pure parts of the module: what a test is and what all of them use.
 *
 * A test is a function that returns whether it passed, named in the table of its suite. It checks
 * one behaviour, says with EXPECT() what it saw when that is not there, and runs in a process of
 * its own.
 */
#ifndef PF_TEST_H
#define PF_TEST_H

#include <stdio.h>

#include <linux/kernel.h>
#include <linux/types.h>

#include "fault.h"

struct test {
	const char *name;
	bool (*run)(void);
};

struct suite {
	const char *name;
	const struct test *tests;
	size_t nr;
};

extern const struct suite rbtree_suite, hash_suite, hint_suite, hint_load_suite, frame_suite,
			  cadence_suite, turn_suite, wss_suite, parse_suite, sample_suite,
			  patience_suite, wide_suite, table_suite, crowd_suite, fuzz_suite;

/* Leave the test when @condition does not hold, saying so with what printf makes of the rest. */
#define EXPECT(condition, ...) do {					\
	if (!(condition)) {						\
		printf("# %s:%d: %s: ", __FILE__, __LINE__, #condition); \
		printf(__VA_ARGS__);					\
		putchar('\n');						\
		return false;						\
	}								\
} while (0)

/* The allocation site that fails from now on; PF_NR_FAULT_SITES for none. */
extern enum pf_fault_site fault_at;

/* The same numbers in every run, so that what failed once fails again (splitmix64, Steele 2014). */
static inline u64 next_random(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static inline u64 random_below(u64 *state, u64 limit)
{
	return next_random(state) % limit;
}

#endif /* PF_TEST_H */
