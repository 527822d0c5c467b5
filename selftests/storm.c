// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm.c: fold_all folds every page with itself, again and again, under a workload with checksums.
 *
 * The debug build only. It breaks whatever assumption of the core about anonymous memory a fold might
 * violate, because every page of the process meets it at every moment of its life. The argument is how
 * many folds it takes; --long gives PF_SCALE.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 3
#define PAGES 512
#define FOLDS 30000

static atomic_bool stop;
static atomic_long steps;

/* Unique contents and common ones, small writes and large, heap and stack, and children. */
static void *work(void *arg)
{
	uint64_t random = 1 + (uintptr_t)arg, *ids = calloc(PAGES, sizeof(*ids));
	char *mem = pf_map(PAGES, 0);

	while (!atomic_load(&stop)) {
		size_t i = pf_rand(&random) % PAGES, size = 1 + pf_rand(&random) % 20000;
		char *heap = malloc(size);

		memset(heap, (int)size, size);
		REQUIRE(pf_is(pf_page(mem, i), ids[i]), "page %zu", i);
		ids[i] = pf_rand(&random) % 4 ? pf_rand(&random) : pf_rand(&random) % 10;
		pf_fill(pf_page(mem, i), ids[i]);
		REQUIRE(pf_is(pf_page(mem, i), ids[i]), "page %zu right after", i);
		REQUIRE(heap[0] == (char)size && heap[size - 1] == (char)size, "heap");
		free(heap);
		if (i == 0) {
			int status;
			pid_t pid = fork();

			if (!pid) {
				for (i = 0; i < PAGES; i++)
					REQUIRE(pf_is(pf_page(mem, i), ids[i]), "child's page %zu", i);
				_exit(0);
			}
			waitpid(pid, &status, 0);
			REQUIRE(status == 0, "child: %x", status);
		}
		atomic_fetch_add(&steps, 1);
	}
	for (size_t i = 0; i < PAGES; i++)
		REQUIRE(pf_is(pf_page(mem, i), ids[i]), "page %zu at the end", i);
	return NULL;
}

static void storm_with(const char *thp)
{
	pthread_t threads[THREADS];
	uintptr_t k;
	int part;

	if (!pf_have("debug/fold_all"))
		pf_skip("not the debug build");
	pf_file_write("/sys/kernel/mm/transparent_hugepage/enabled", thp);
	pf_set("debug/fold_all", 1);
	pf_set("thp_split_pages", 1);
	pf_set("threads", 2);
	pf_sample_fast();
	pf_register(getpid(), "policy=always");
	pf_run(1);
	for (k = 0; k < THREADS; k++)
		pthread_create(&threads[k], NULL, work, (void *)k);
	for (part = 1; part <= pf_scale(4); part++) {
		long before = atomic_load(&steps);

		if (!CHECK(PF_UNTIL(pf_get("folds") >= part * FOLDS / 4 && atomic_load(&steps) > before + 100),
			   "%lld folds, %ld steps", pf_get("folds"), atomic_load(&steps)))
			break;
	}
	atomic_store(&stop, true);
	for (k = 0; k < THREADS; k++)
		pthread_join(threads[k], NULL);
	pf_note("%lld folds under %ld steps", pf_get("folds"), atomic_load(&steps));
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld frames", pf_get("frames"));
	pf_file_write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
}

static void small_pages(void)
{
	storm_with("never");
}

static void huge_pages(void)
{
	storm_with("always");
}

static const struct pf_test tests[] = {
	{ "small_pages", small_pages },
	{ "huge_pages", huge_pages },
};

PF_MAIN(tests)
