// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run the tests and say in KTAP how they went.
 *
 *   run [NAME]   all tests, or those with NAME in "suite: test"
 *
 * Each test gets a process: one that crashes, hangs or leaks fails alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/slab.h>

#include "test.h"

#define LIMIT_S	120	/* for one test; the longest takes about 10 s under sanitizers on a busy machine */

static const struct suite *const suites[] = {
	&rbtree_suite, &hash_suite, &hint_suite, &hint_load_suite, &frame_suite, &cadence_suite,
	&turn_suite, &wss_suite, &parse_suite, &sample_suite, &patience_suite, &wide_suite,
	&table_suite, &crowd_suite, &fuzz_suite,
};

enum pf_fault_site fault_at = PF_NR_FAULT_SITES;

bool pf_fault(enum pf_fault_site site)
{
	return site == fault_at;
}

/* In the test's own process: its exit status is whether it failed. */
static int run_here(const struct test *test)
{
	bool passed;

	alarm(LIMIT_S);
	passed = test->run();
	if (passed && shim_memory.bytes) {
		printf("# %zu bytes allocated by the code under test are not freed\n",
		       shim_memory.bytes);
		passed = false;
	}
	return !passed;
}

static bool run_apart(const struct test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return false;
	}
	if (!pid) {
		/* What a failed test leaves behind is no leak. */
		if (run_here(test)) {
			fflush(stdout);
			_exit(1);
		}
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid) {
		perror("waitpid");
		return false;
	}
	if (WIFSIGNALED(status))
		printf("# killed by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	return status == 0;
}

/* Call for every test that is wanted; returns how many those are. */
static size_t each_test(const char *wanted, bool run, size_t *failed)
{
	char name[256];
	size_t nr = 0;

	for (size_t s = 0; s < ARRAY_SIZE(suites); s++) {
		for (size_t t = 0; t < suites[s]->nr; t++) {
			snprintf(name, sizeof(name), "%s: %s", suites[s]->name,
				 suites[s]->tests[t].name);
			if (!strstr(name, wanted))
				continue;
			nr++;
			if (!run)
				continue;
			bool passed = run_apart(&suites[s]->tests[t]);

			printf("%s %zu %s\n", passed ? "ok" : "not ok", nr, name);
			*failed += !passed;
		}
	}
	return nr;
}

int main(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : "";
	size_t failed = 0, nr = each_test(wanted, false, &failed);

	if (!nr) {
		fprintf(stderr, "%s: no test has \"%s\" in its name\n", argv[0], wanted);
		return 2;
	}
	printf("KTAP version 1\n1..%zu\n", nr);
	each_test(wanted, true, &failed);
	printf("# Totals: pass:%zu fail:%zu skip:0\n", nr - failed, failed);
	return failed != 0;
}
