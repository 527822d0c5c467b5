/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KTAP for tests that run on the build machine.
 *
 * A test is a function that returns whether it passed, named in a table; tap_run() prints a line
 * for each.
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

static inline int tap_run(const struct tap_test *tests, size_t count)
{
	bool all = true;

	printf("KTAP version 1\n1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		bool passed = tests[i].run();

		printf("%s %zu %s\n", passed ? "ok" : "not ok", i + 1, tests[i].name);
		fflush(stdout);
		all &= passed;
	}
	return !all;
}

#endif
