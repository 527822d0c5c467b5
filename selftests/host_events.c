// SPDX-License-Identifier: GPL-2.0-only
/*
 * host_events.c: CPUs that come and go, and a host that is suspended, while it folds.
 */
#define _GNU_SOURCE
#include "pf.h"

#define PAGES 2048
#define CPU1 "/sys/devices/system/cpu/cpu1/online"

static struct pf_vm vm;
static uint64_t random_state = 11;

static uint64_t kinds(size_t i)
{
	return i % 4 ? 1 + i % 70 : 0;
}

static void begin(int threads)
{
	pf_vm_start(&vm, PAGES, PF_PLAIN, kinds);
	pf_set("threads", threads);
	pf_register(vm.pid, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folds") > 0), "no folds");
}

static void churn(void)
{
	int k;

	for (k = 0; k < 100; k++)
		pf_vm_write(&vm, pf_rand(&random_state) % PAGES, pf_rand(&random_state) % 100);
}

static void cpu_hotplug(void)
{
	int round;

	if (access(CPU1, W_OK))
		pf_skip("cpu1 cannot go offline");
	begin(2);
	for (round = 0; round < pf_scale(8); round++) {
		REQUIRE(pf_file_write(CPU1, round % 2 ? "1" : "0"), "%s: %s", CPU1, strerror(errno));
		churn();
		REQUIRE(pf_passes(vm.pid, 1), "round %d: scanning stopped", round);
		REQUIRE(pf_vm_wrong(&vm) == 0, "round %d: content changed", round);
	}
	pf_file_write(CPU1, "1");
	pf_file_write(CPU1, "0");
	pf_run(2);
	pf_file_write(CPU1, "1");
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

/*
 * The freezer must be able to stop the scan threads, and they must go on afterwards. The steps behind it are for
 * devices and platforms, of which the module has none; and the bench's own root file system does not survive them.
 */
static void freezer(void)
{
	double start;

	if (!pf_file_write("/sys/power/pm_test", "freezer"))
		pf_skip("no pm_test");
	begin(2);
	start = pf_now();
	CHECK(pf_file_write("/sys/power/state", "freeze"), "freezing failed: %s", strerror(errno));
	pf_note("frozen for %.1f s", pf_now() - start);
	pf_file_write("/sys/power/pm_test", "none");
	churn();
	CHECK(pf_passes(vm.pid, 2), "scanning did not go on");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

static const struct pf_test tests[] = {
	{ "cpu_hotplug", cpu_hotplug },
	{ "freezer", freezer },
};

PF_MAIN(tests)
