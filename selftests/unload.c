// SPDX-License-Identifier: GPL-2.0-only
/*
 * unload.c: the module goes at once, under load, and what it folded lives on as ordinary pages.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <pthread.h>
#include <stdatomic.h>

#define PAGES 2048
#define WRITERS 2
/*
 * At once, that is: nothing that takes long is waited for, of which the least would be an hour. In seconds, for a
 * machine that is emulated and does other things besides.
 */
#define UNLOAD_MAX 60

static char *mem;
static uint64_t ids[PAGES];
static atomic_bool stop;
static atomic_long steps;
static double longest;

static uint64_t few(size_t i)
{
	return i % 3 == 0 ? 0 : 1 + i % 50;
}

static void load_and_run(pid_t pid)
{
	pf_load();
	pf_register(pid, "");
	pf_run(1);
}

/* Did no pass end within the time of some? */
static bool rests(pid_t pid)
{
	long long passes = pf_get("vms/%d/passes", pid);
	struct pf_wait wait = pf_wait_begin();
	int ticks = 0;

	while (ticks++ < 20 && pf_wait_more(&wait))
		;
	return pf_get("vms/%d/passes", pid) == passes;
}

static void unload_now(void)
{
	double begin = pf_now(), took;
	int ret = pf_rmmod();

	took = pf_now() - begin;
	longest = took > longest ? took : longest;
	REQUIRE(ret == 0, "rmmod: %s", strerror(-ret));
	CHECK(took <= pf_scale(UNLOAD_MAX), "rmmod took %.1f s", took);
	CHECK(!pf_loaded(), "still there");
	CHECK(!pf_have("run"), "sysfs still there");
}

/* The rest between two passes is not waited for: here it would take longer than this test may. */
static void waits_for_nothing(void)
{
	struct pf_vm vm;

	pf_vm_start(&vm, PAGES, PF_PLAIN, few);
	load_and_run(vm.pid);
	REQUIRE(pf_passes(vm.pid, 1), "no passes");
	pf_set("pass_interval_ms", 3600 * 1000);
	REQUIRE(PF_UNTIL(rests(vm.pid)), "passes go on");
	unload_now();
	pf_vm_stop(&vm);
}

static void frames_live_on(void)
{
	struct pf_vm vm;
	size_t i;

	pf_vm_start(&vm, PAGES, PF_PLAIN, few);
	load_and_run(vm.pid);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") > PAGES / 2), "%lld", pf_get("folded_pages"));
	unload_now();
	CHECK(pf_frames_in(vm.pid, vm.mem, PAGES) > PAGES / 2, "frames went with the module");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	for (i = 0; i < PAGES; i += 2)
		pf_vm_write(&vm, i, 5000 + i);
	CHECK(pf_vm_wrong(&vm) == 0, "content changed after writes");
	/* A new module meets the old one's frames, as pages it knows nothing about. */
	load_and_run(vm.pid);
	REQUIRE(pf_passes(vm.pid, 2), "no passes");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed under the second module");
	unload_now();
	pf_vm_stop(&vm);
}

static void *writer(void *arg)
{
	size_t part = PAGES / WRITERS, first = (uintptr_t)arg * part;
	uint64_t random = 5 + first;

	while (!atomic_load(&stop)) {
		size_t i = first + pf_rand(&random) % part;

		REQUIRE(pf_is(pf_page(mem, i), ids[i]), "page %zu", i);
		ids[i] = pf_rand(&random) % 3 ? pf_rand(&random) % 50 : 1000 + i;
		pf_fill(pf_page(mem, i), ids[i]);
		atomic_fetch_add(&steps, 1);
	}
	return NULL;
}

/* Loading, folding and unloading in a row, while threads write all the time. */
static void under_load(void)
{
	pthread_t threads[WRITERS];
	uintptr_t k;
	size_t i;
	int round;

	mem = pf_map(PAGES, PF_PLAIN);
	for (k = 0; k < WRITERS; k++)
		pthread_create(&threads[k], NULL, writer, (void *)k);
	for (round = 0; round < pf_scale(8); round++) {
		long before = atomic_load(&steps);

		load_and_run(getpid());
		if (round % 2)
			pf_set("threads", 4);
		REQUIRE(PF_UNTIL(pf_get("folds") + pf_get("zero_folds") > 10 * round), "round %d: %lld folds",
			round, pf_get("folds"));
		REQUIRE(PF_UNTIL(atomic_load(&steps) > before + 50), "writers hang");
		unload_now();
	}
	atomic_store(&stop, true);
	for (k = 0; k < WRITERS; k++)
		pthread_join(threads[k], NULL);
	for (i = 0; i < PAGES; i++)
		CHECK(pf_is(pf_page(mem, i), ids[i]), "page %zu", i);
	pf_note("rmmod took %.3f s at most", longest);
}

/* Right after it was told to work, with many VMs, and with none. */
static void at_bad_moments(void)
{
	struct pf_vm vms[4];
	size_t i;
	int round;

	pf_load();
	unload_now();
	pf_load();
	pf_run(1);
	unload_now();
	for (i = 0; i < PF_COUNT(vms); i++)
		pf_vm_start(&vms[i], PAGES / 4, PF_PLAIN, few);
	for (round = 0; round < pf_scale(6); round++) {
		pf_load();
		pf_set("threads", 1 + round * 3 % 16);
		pf_run(round % 2);
		for (i = 0; i < PF_COUNT(vms); i++)
			pf_register(vms[i].pid, "policy=always");
		pf_run(1);
		unload_now();
	}
	for (i = 0; i < PF_COUNT(vms); i++) {
		CHECK(pf_vm_wrong(&vms[i]) == 0, "content changed");
		pf_vm_stop(&vms[i]);
	}
	pf_note("rmmod took %.3f s at most", longest);
}

static const struct pf_test tests[] = {
	{ "waits_for_nothing", waits_for_nothing, true },
	{ "frames_live_on", frames_live_on, true },
	{ "under_load", under_load, true },
	{ "at_bad_moments", at_bad_moments, true },
};

PF_MAIN(tests)
