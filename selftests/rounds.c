// SPDX-License-Identifier: GPL-2.0-only
/*
 * rounds.c: loading, folding, unfolding and unloading ten times leaves the host as it was.
 *
 * Free memory alone looks like a leak, because per-CPU lists keep a lot: what they hold is added. The
 * first rounds warm caches up; what counts is that later rounds do not grow.
 */
#include "pf.h"

#define PAGES 8192
#define ROUNDS 10
#define WARM 4

struct level {
	long long free_kib, slab_kib, vmalloc_kib;
};

static uint64_t quarter_pairs(size_t i)
{
	return i % 4 == 0 ? 0 : i % 4 == 1 ? 50000 + i : 1 + i / 8;
}

static long long per_cpu_lists_kib(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	long long pages = 0, count;
	char line[256];

	REQUIRE(file, "/proc/zoneinfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %lld", &count) == 1)
			pages += count;
	fclose(file);
	return pages * (long long)PF_PAGE / 1024;
}

static struct level measure(void)
{
	static const char *const caches[] = { "MemFree", "Buffers", "Cached", "SReclaimable" };
	struct level level = { .slab_kib = pf_field("/proc/meminfo", "SUnreclaim"),
			       .vmalloc_kib = pf_field("/proc/meminfo", "VmallocUsed") };
	size_t i;

	pf_file_write("/proc/sys/vm/drop_caches", "3");
	for (i = 0; i < PF_COUNT(caches); i++)
		level.free_kib += pf_field("/proc/meminfo", caches[i]);
	level.free_kib += per_cpu_lists_kib();
	return level;
}

/* @unfold: before unloading; else the module goes first, and its frames with the process. */
static void one_round(bool unfold)
{
	struct pf_vm vm;

	pf_vm_start(&vm, PAGES, PF_PLAIN, quarter_pairs);
	pf_load();
	pf_register(vm.pid, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") >= PAGES / 2 - 16), "%lld", pf_get("folded_pages"));
	REQUIRE(PF_UNTIL(pf_get("zero_pages") >= PAGES / 4 - 16), "%lld", pf_get("zero_pages"));
	if (unfold) {
		pf_run(2);
		CHECK(pf_get("frames") == 0, "%lld", pf_get("frames"));
	}
	pf_unload();
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

static void no_growth(bool unfold)
{
	struct level levels[ROUNDS];
	long long lost, slab, vmalloc;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		one_round(unfold);
		levels[i] = measure();
		pf_note("round %d: free %lld KiB, slab %lld, vmalloc %lld", i + 1, levels[i].free_kib,
			levels[i].slab_kib, levels[i].vmalloc_kib);
	}
	lost = levels[WARM - 1].free_kib - levels[ROUNDS - 1].free_kib;
	slab = levels[ROUNDS - 1].slab_kib - levels[WARM - 1].slab_kib;
	vmalloc = levels[ROUNDS - 1].vmalloc_kib - levels[WARM - 1].vmalloc_kib;
	/* One frame lost per hundred folds would be 240 KiB a round, 1440 in the rounds compared. */
	CHECK(lost < 1024, "%lld KiB lost in %d rounds", lost, ROUNDS - WARM);
	CHECK(slab < 512, "slab grew by %lld KiB in %d rounds", slab, ROUNDS - WARM);
	CHECK(vmalloc < 64, "vmalloc grew by %lld KiB in %d rounds", vmalloc, ROUNDS - WARM);
}

static void unfolded(void)
{
	no_growth(true);
}

static void unloaded_folded(void)
{
	no_growth(false);
}

static const struct pf_test tests[] = {
	{ "unfolded", unfolded, true },
	{ "unloaded_folded", unloaded_folded, true },
};
PF_MAIN(tests)
