// SPDX-License-Identifier: GPL-2.0-only
/*
 * numa.c: with merge_across_nodes=0 pages of different nodes never share, frames stay on their node, and
 * what automatic balancing hides from the process is found.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define PAGES 128
#define HINTED 4096
#define MPOL_BIND 2

static char *part[2];

static uint64_t by_index(size_t i)
{
	return 1 + i;
}

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

static int node_of(void *page)
{
	int status = -1;

	syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0);
	return status;
}

static void two_nodes(uint64_t (*id)(size_t))
{
	unsigned long mask;
	int node;

	if (access("/sys/devices/system/node/node1", F_OK))
		pf_skip("one node only");
	for (node = 0; node < 2; node++) {
		part[node] = pf_map(PAGES, PF_PLAIN);
		mask = 1UL << node;
		REQUIRE(syscall(SYS_mbind, part[node], PAGES * PF_PAGE, MPOL_BIND, &mask, 8 * sizeof(mask), 0) == 0,
			"mbind: %s", strerror(errno));
		pf_fill_all(part[node], PAGES, id);
		REQUIRE(node_of(part[node]) == node, "memory of node %d is on node %d", node,
			node_of(part[node]));
	}
	pf_settle(part[0]);
}

static void content(uint64_t (*id)(size_t))
{
	CHECK(pf_wrong(part[0], PAGES, id) + pf_wrong(part[1], PAGES, id) == 0, "content changed");
}

static void across(void)
{
	two_nodes(by_index);
	pf_register(getpid(), "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld", pf_get("folded_pages"));
	CHECK(pf_pfn(getpid(), part[0]) == pf_pfn(getpid(), part[1]), "not one frame");
	content(by_index);
}

static void apart(void)
{
	two_nodes(by_index);
	pf_set("merge_across_nodes", 0);
	pf_register(getpid(), "");
	pf_run(1);
	REQUIRE(pf_passes(getpid(), 3), "no passes");
	CHECK(pf_get("scanned_pages") >= 2 * PAGES, "%lld", pf_get("scanned_pages"));
	CHECK(pf_get("folds") == 0, "%lld folds across nodes", pf_get("folds"));
	content(by_index);
}

static void frames_stay_on_node(void)
{
	int node;
	size_t i;

	two_nodes(pairs);
	pf_set("merge_across_nodes", 0);
	pf_register(getpid(), "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld", pf_get("folded_pages"));
	CHECK(pf_get("frames") == PAGES, "%lld", pf_get("frames"));
	for (node = 0; node < 2; node++)
		for (i = 0; i < PAGES; i++)
			CHECK(node_of(pf_page(part[node], i)) == node, "page %zu of node %d went to %d", i, node,
			      node_of(pf_page(part[node], i)));
	content(pairs);
}

static void busy_while_frames(void)
{
	int ret;

	two_nodes(by_index);
	pf_register(getpid(), "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("frames") > 0), "no frames");
	ret = pf_put("merge_across_nodes", "0");
	CHECK(ret == -EBUSY, "%s", ret ? strerror(-ret) : "success");
	CHECK(pf_get("merge_across_nodes") == 1, "changed");
	pf_run(2);
	CHECK(PF_UNTIL(pf_put("merge_across_nodes", "0") == 0), "refused without frames");
	pf_run(1);
	REQUIRE(pf_passes(getpid(), 2), "no passes");
	CHECK(pf_get("folded_pages") == 0, "%lld", pf_get("folded_pages"));
	content(by_index);
}

static atomic_bool over;
static volatile char *touched;

/* Only a process of several threads that are busy gets hints everywhere. */
static void *touch(void *arg)
{
	while (!atomic_load(&over))
		touched[0]++;
	return arg;
}

/*
 * Memory that nobody touches stays behind the NUMA hints that automatic balancing puts there, for as
 * long as it exists: it folds like any other. The counter of hints is the only thing that tells.
 */
static void hinted(int flags, const char *counter, long long hints)
{
	static const char *const speed[][2] = {
		{ "scan_delay_ms", "1" }, { "scan_period_min_ms", "5" },
		{ "scan_period_max_ms", "10" }, { "scan_size_mb", "256" },
	};
	pthread_t threads[2];
	char path[64], *mem;
	long long before;
	size_t i;

	if (access("/sys/kernel/debug/sched/numa_balancing", F_OK) ||
	    !pf_file_write("/proc/sys/kernel/numa_balancing", "1"))
		pf_skip("no NUMA balancing");
	for (i = 0; i < PF_COUNT(speed); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/sched/numa_balancing/%s", speed[i][0]);
		REQUIRE(pf_file_write(path, speed[i][1]), "%s", path);
	}
	pf_file_write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	mem = flags & PF_HUGEPAGE ? pf_map_huge(HINTED, pairs) : pf_map(HINTED, PF_MERGEABLE | flags);
	if (!mem)
		pf_skip("no huge pages to be had");
	pf_fill_all(mem, HINTED, pairs);
	pf_settle(mem);
	touched = mem;
	before = pf_field("/proc/vmstat", counter);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, touch, NULL);
	REQUIRE(PF_UNTIL(pf_field("/proc/vmstat", counter) >= before + hints), "%lld %s",
		pf_field("/proc/vmstat", counter) - before, counter);
	atomic_store(&over, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pf_fill(mem, 1);
	pf_register(getpid(), "");
	pf_run(1);
	REQUIRE(pf_passes(getpid(), 2), "no passes");
	/* Balancing goes on: a page that it looks at just then is folded a pass later. */
	CHECK(PF_UNTIL(pf_get("folded_pages") == HINTED), "%lld of %d folded", pf_get("folded_pages"), HINTED);
	REQUIRE(pf_passes(getpid(), 1), "no passes");
	CHECK(pf_get("cow_breaks") == 0, "%lld", pf_get("cow_breaks"));
	CHECK(pf_wrong(mem, HINTED, pairs) == 0, "content changed");
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
}

static void hinted_pages(void)
{
	hinted(PF_NOHUGEPAGE, "numa_pte_updates", HINTED);
}

static void hinted_huge_pages(void)
{
	hinted(PF_HUGEPAGE, "numa_huge_pte_updates", HINTED / 512);
}

static const struct pf_test tests[] = {
	{ "across", across },
	{ "apart", apart },
	{ "frames_stay_on_node", frames_stay_on_node },
	{ "busy_while_frames", busy_while_frames },
	{ "hinted_pages", hinted_pages },
	{ "hinted_huge_pages", hinted_huge_pages },
};

PF_MAIN(tests)
