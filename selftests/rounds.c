// SPDX-License-Identifier: GPL-2.0-only
/*
 * rounds.c: loading, folding, unfolding and unloading ten times leaves the host as it was; and so do VMs that
 * are killed meanwhile, and what was refused.
 *
 * Free memory alone looks like a leak, because per-CPU lists keep a lot: what they hold is added. The
 * first rounds warm caches up; what counts is that later rounds do not grow. Others on the host come to
 * memory and let go of it too, so the best of some rounds stands for them.
 */
#include "pf.h"

#include <sys/param.h>

#define PAGES 8192
#define MANY 60
#define FEW_PAGES 64
#define ROUNDS 10
#define WARM 2
#define SOME 3
#define APART (ROUNDS - WARM - SOME)	/* rounds from the first some after WARM to the last ones */

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
	static char any_page[PF_PAGE] = { 1 };
	struct level level = {};
	size_t i;

	pf_settle(any_page);
	pf_file_write("/proc/sys/vm/drop_caches", "3");
	for (i = 0; i < PF_COUNT(caches); i++)
		level.free_kib += pf_field("/proc/meminfo", caches[i]);
	level.free_kib += per_cpu_lists_kib();
	level.slab_kib = pf_field("/proc/meminfo", "SUnreclaim");
	/* Stacks are of the kernel's own workers, which come when there is work. */
	level.vmalloc_kib = pf_field("/proc/meminfo", "VmallocUsed") - pf_field("/proc/meminfo", "KernelStack");
	return level;
}

static struct level best_of(const struct level *levels)
{
	struct level best = levels[0];
	size_t i;

	for (i = 1; i < SOME; i++) {
		best.free_kib = MAX(best.free_kib, levels[i].free_kib);
		best.slab_kib = MIN(best.slab_kib, levels[i].slab_kib);
		best.vmalloc_kib = MIN(best.vmalloc_kib, levels[i].vmalloc_kib);
	}
	return best;
}

/* @unfold: before unloading; else the module goes first, and its frames with the process. */
static void fold_once(bool unfold)
{
	struct pf_vm vm;

	pf_vm_start(&vm, PAGES, PF_PLAIN, quarter_pairs);
	pf_load();
	pf_set("wss_period_ms", 30000);
	pf_register(vm.pid, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") >= PAGES / 2 - 16), "%lld", pf_get("folded_pages"));
	REQUIRE(PF_UNTIL(pf_get("zero_pages") >= PAGES / 4 - 16), "%lld", pf_get("zero_pages"));
	if (unfold) {
		pf_run(2);
		CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	}
	pf_unload();
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

static void fold_and_unfold(void)
{
	fold_once(true);
}

static void fold_and_unload(void)
{
	fold_once(false);
}

/* Many that are killed while they are folded, each with a domain of its own, and with what is refused. */
static void kill_many(void)
{
	static struct pf_vm vms[MANY];
	int i;

	pf_load();
	pf_sample_fast();
	pf_run(1);
	for (i = 0; i < MANY; i++) {
		pid_t pid;
		int ret;

		pf_vm_start(&vms[i], FEW_PAGES, PF_PLAIN, quarter_pairs);
		pid = vms[i].pid;
		ret = pf_put("register", "%d domain=refused%d policy=none", pid, i);
		CHECK(ret == -EINVAL, "a policy 'none' gives %s", strerror(-ret));
		CHECK(pf_put("register", "%d domain=of%d", pid, i) == 0, "not registered");
		ret = pf_put("register", "%d domain=twice%d", pid, i);
		CHECK(ret == -EEXIST, "twice gives %s", strerror(-ret));
		ret = pf_put("unregister", "%d fold", pid);
		CHECK(ret == -EINVAL, "unregister with 'fold' gives %s", strerror(-ret));
	}
	REQUIRE(PF_UNTIL(pf_get("folds") > MANY), "%lld folds", pf_get("folds"));
	for (i = 0; i < MANY; i++)
		pf_vm_stop(&vms[i]);
	CHECK(PF_UNTIL(pf_get("vms_registered") == 0), "%lld left", pf_get("vms_registered"));
	pf_unload();
}

static void no_growth(void (*one_round)(void))
{
	struct level levels[ROUNDS], first, last;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		one_round();
		levels[i] = measure();
		pf_note("round %d: free %lld KiB, slab %lld, vmalloc %lld", i + 1, levels[i].free_kib,
			levels[i].slab_kib, levels[i].vmalloc_kib);
	}
	first = best_of(levels + WARM);
	last = best_of(levels + ROUNDS - SOME);
	/* One frame lost per hundred folds would be 240 KiB a round, 1200 in the rounds compared. */
	CHECK(first.free_kib - last.free_kib < 1024, "%lld KiB lost in %d rounds", first.free_kib - last.free_kib,
	      APART);
	CHECK(last.slab_kib - first.slab_kib < 512, "slab grew by %lld KiB in %d rounds",
	      last.slab_kib - first.slab_kib, APART);
	/* Some stacks that nobody uses are kept for the next thread. */
	CHECK(last.vmalloc_kib - first.vmalloc_kib < 128, "vmalloc grew by %lld KiB in %d rounds",
	      last.vmalloc_kib - first.vmalloc_kib, APART);
}

static void unfolded(void)
{
	no_growth(fold_and_unfold);
}

static void unloaded_folded(void)
{
	no_growth(fold_and_unload);
}

static void killed(void)
{
	no_growth(kill_many);
}

static const struct pf_test tests[] = {
	{ "unfolded", unfolded, true },
	{ "unloaded_folded", unloaded_folded, true },
	{ "killed", killed, true },
};

PF_MAIN(tests)
