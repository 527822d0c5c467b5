// SPDX-License-Identifier: GPL-2.0-only
/*
 * budget.c: how much CPU scanning takes, how turns are shared, and how long a lock is held.
 */
#include "pf.h"

#define SMALL 256
#define LARGE 16384
#define AUTO_FIRST 10	/* what auto begins with */

static uint64_t unique(size_t i)
{
	return 1 + i;
}

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

/* Percent of one CPU over the time in which the engine used @ns of it. */
static double percent_over(long long ns)
{
	long long begin = pf_get("cpu_ns");
	double start = pf_now();

	REQUIRE(PF_UNTIL(pf_get("cpu_ns") - begin >= ns), "used %lld ns", pf_get("cpu_ns") - begin);
	return (pf_get("cpu_ns") - begin) / (pf_now() - start) / 1e7;
}

/*
 * Is a budget kept? On a busy host a thread may get less than it asks for, and what the host takes for
 * others counts as its own; so it is enough that one window of several has it right.
 */
static void keeps(int budget, double least, double most)
{
	double used = 0;
	int try;

	pf_set("cpu_percent", budget);
	/* The first slice may be whole before the first pause. */
	percent_over(20 * 1000 * 1000);
	for (try = 0; try < 5 && (used < least || used > most); try++)
		used = percent_over(budget * 25 * 1000 * 1000LL);
	pf_note("%d %%: used %.1f %%, try %d", budget, used, try);
	CHECK(used >= least && used <= most, "%d %%: used %.1f %%", budget, used);
}

static void percent(void)
{
	struct pf_vm vm;

	pf_vm_start(&vm, LARGE, PF_PLAIN, unique);
	pf_register(vm.pid, "");
	pf_set("cpu_percent", 10);
	CHECK(pf_get("cpu_percent_now") == 0, "%lld while stopped", pf_get("cpu_percent_now"));
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("cpu_percent_now") == 10), "%lld", pf_get("cpu_percent_now"));
	keeps(10, 4, 16);
	keeps(40, 16, 55);
	pf_vm_stop(&vm);
}

/* auto spends more while it finds, and less once there is nothing left to find. */
static void automatic(void)
{
	long long most = 0, now;
	struct pf_vm vm;

	pf_vm_start(&vm, LARGE, PF_PLAIN, pairs);
	pf_register(vm.pid, "");
	REQUIRE(pf_put("cpu_percent", "auto") == 0, "auto");
	pf_run(1);
	CHECK(PF_UNTIL((now = pf_get("cpu_percent_now"), most = now > most ? now : most,
			pf_get("folded_pages") == LARGE)), "%lld folded", pf_get("folded_pages"));
	CHECK(most > AUTO_FIRST && most <= 50, "%lld %% while it found", most);
	CHECK(PF_UNTIL(pf_get("cpu_percent_now") < most), "stays at %lld with nothing to find", most);
	pf_note("at most %lld %%, %lld %% when idle", most, pf_get("cpu_percent_now"));
	pf_vm_stop(&vm);
}

/* A small VM beside a huge one makes its passes: it need not wait for the huge one's. */
static void share(void)
{
	struct pf_vm small, large;
	long long passes;

	pf_vm_start(&large, LARGE, PF_PLAIN, unique);
	pf_vm_start(&small, SMALL, PF_PLAIN, unique);
	pf_register(large.pid, "domain=large");
	pf_register(small.pid, "domain=small");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", large.pid) >= 1), "no pass");
	passes = pf_get("vms/%d/passes", small.pid);
	CHECK(passes >= 4, "%lld passes of the small VM in one of the large one", passes);
	pf_vm_stop(&small);
	pf_vm_stop(&large);
}

/* Equal VMs of unequal share get pages in about that proportion. */
static void shares_weigh(void)
{
	struct pf_vm a, b;
	long long of_a, of_b;

	pf_vm_start(&a, LARGE / 2, PF_PLAIN, unique);
	pf_vm_start(&b, LARGE / 2, PF_PLAIN, unique);
	pf_register(a.pid, "domain=a share=400");
	pf_register(b.pid, "domain=b share=100");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/scanned_pages", a.pid) >= 4 * LARGE), "%lld",
		pf_get("vms/%d/scanned_pages", a.pid));
	of_a = pf_get("vms/%d/scanned_pages", a.pid);
	of_b = pf_get("vms/%d/scanned_pages", b.pid);
	pf_note("%lld against %lld pages", of_a, of_b);
	CHECK(of_a > 2 * of_b, "%lld against %lld", of_a, of_b);
	CHECK(of_b > of_a / 16, "%lld against %lld: starved", of_a, of_b);
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

/* Sum over the histogram, and whether the longest hold is in the last bucket that counts. */
static long long holds(void)
{
	static const int edges[] = { 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536,
				     131072, 262144, 524288 };
	long long sum = 0, count, last = 0, max = pf_get("lock_hold/max_us");
	size_t i;

	for (i = 0; i < PF_COUNT(edges); i++) {
		count = pf_get("lock_hold/lt_%dus", edges[i]);
		sum += count;
		if (count)
			last = edges[i];
	}
	count = pf_get("lock_hold/ge_524288us");
	sum += count;
	if (!count && sum)
		CHECK(max < last && max >= (last == 16 ? 0 : last / 2), "max %lld us, last bucket below %lld us",
		      max, last);
	return sum;
}

static long long batches_with(int limit_us)
{
	struct pf_vm vm;
	long long batches;

	pf_set("run", 0);
	batches = holds();
	pf_set("lock_hold_max_us", limit_us);
	pf_vm_start(&vm, LARGE / 4, PF_PLAIN, pairs);
	pf_register(vm.pid, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == LARGE / 4), "%lld", pf_get("folded_pages"));
	pf_run(0);
	batches = holds() - batches;
	pf_note("%d us: %lld batches, longest %lld us", limit_us, batches, pf_get("lock_hold/max_us"));
	pf_vm_stop(&vm);
	REQUIRE(PF_UNTIL(pf_get("vms_registered") == 0), "entry stays");
	return batches;
}

static void lock_hold(void)
{
	long long few, many;

	CHECK(holds() == 0, "%lld before any scan", holds());
	few = batches_with(1000000);
	CHECK(few > 0 && few <= LARGE / 4, "%lld", few);
	many = batches_with(50);
	CHECK(many > few, "%lld batches of at most 50 us, %lld of at most a second", many, few);
}

static const struct pf_test tests[] = {
	{ "percent", percent },
	{ "automatic", automatic },
	{ "share", share },
	{ "shares_weigh", shares_weigh },
	{ "lock_hold", lock_hold },
};
PF_MAIN(tests)
