/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KTAP for tests that run on the build machine.
 *
 * A test is a function that returns whether it passed, named in a table; tap_run() prints a line
 * for each. One that this machine lacks something for says so with SKIP().
 */
#ifndef PF_TAP_H
#define PF_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct tap_test {
	const char *name;
	bool (*run)(void);
};

/* Leave the test when @condition does not hold, saying so with what printf makes of the rest. */
#define EXPECT(condition, ...) do {					\
	if (!(condition)) {						\
		printf("# %s:%d: %s: ", __FILE__, __LINE__, #condition); \
		printf(__VA_ARGS__);					\
		putchar('\n');						\
		return false;						\
	}								\
} while (0)

/* Whether the test that runs was left out. */
static bool tap_skipped;

/* Leave the test, for what printf makes of the arguments. */
#define SKIP(...) do {							\
	printf("# ");							\
	printf(__VA_ARGS__);						\
	putchar('\n');							\
	tap_skipped = true;						\
	return true;							\
} while (0)

static inline int tap_run(const struct tap_test *tests, size_t count)
{
	bool all = true;

	printf("KTAP version 1\n1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		bool passed;

		tap_skipped = false;
		passed = tests[i].run();
		printf("%s %zu %s%s\n", passed ? "ok" : "not ok", i + 1, tests[i].name,
		       tap_skipped ? " # SKIP" : "");
		fflush(stdout);
		all &= passed;
	}
	return !all;
}

#endif
