// SPDX-License-Identifier: GPL-2.0-only
/*
 * pressure.c: folding while memory is short: pages in swap, a limited cgroup, a host that must reclaim.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <sys/stat.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGES 4096	/* 16 MiB */
#define GROUP "/sys/fs/cgroup/pagefold-selftest"

static uint64_t half(size_t i)
{
	return i % 2 ? 1 + i / 2 % 64 : 100000 + i;
}

static bool swap_on(void)
{
	return system("modprobe zram num_devices=1 2>/dev/null && echo 64M >/sys/block/zram0/disksize && "
		      "mkswap /dev/zram0 >/dev/null && swapon /dev/zram0") == 0;
}

static void swap_off(void)
{
	if (system("swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset && rmmod zram"))
		pf_note("zram stays");
}

static size_t swapped(pid_t pid, void *mem)
{
	size_t i, count = 0;

	for (i = 0; i < PAGES; i++)
		count += !!(pf_pagemap(pid, pf_page(mem, i)) & PF_PM_SWAP);
	return count;
}

/* The scan reads page tables as they are: what is in swap stays there, what comes back may fold. */
static void swap(void)
{
	pid_t self = getpid();
	size_t out, still;
	char *mem;

	if (!swap_on())
		pf_skip("no zram to swap to");
	mem = pf_map(PAGES, PF_PLAIN);
	pf_fill_all(mem, PAGES, half);
	pf_settle(mem);
	madvise(mem, PAGES / 2 * PF_PAGE, MADV_PAGEOUT);
	out = swapped(self, mem);
	pf_note("%zu pages in swap", out);
	CHECK(out > PAGES / 8, "%zu pages in swap", out);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 2), "no passes");
	still = swapped(self, mem);
	CHECK(still + 64 >= out, "scanning brought %zu of %zu pages in", out - still, out);
	CHECK(pf_get("folded_pages") >= PAGES / 4 - 64, "%lld", pf_get("folded_pages"));
	/* Out again while it folds, several times; then all of it back. */
	for (int round = 0; round < pf_scale(5); round++) {
		madvise(mem, PAGES * PF_PAGE, MADV_PAGEOUT);
		CHECK(pf_wrong(mem, PAGES, half) == 0, "round %d: content changed", round);
	}
	pf_settle(mem);
	CHECK(PF_UNTIL(pf_get("folded_pages") >= PAGES / 2 - 64), "%lld", pf_get("folded_pages"));
	CHECK(pf_wrong(mem, PAGES, half) == 0, "content changed");
	pf_run(2);
	CHECK(pf_wrong(mem, PAGES, half) == 0, "content changed");
	munmap(mem, PAGES * PF_PAGE);
	swap_off();
}

static void group_begin(const char *max)
{
	pf_file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	rmdir(GROUP);
	if (mkdir(GROUP, 0755) || access(GROUP "/memory.max", W_OK)) {
		rmdir(GROUP);
		pf_skip("no cgroup2 with a memory controller");
	}
	REQUIRE(pf_file_write(GROUP "/memory.max", max), "memory.max");
}

/* A VM in a limited group: what folds is no longer charged to it. */
static void limited_group(void)
{
	long long before, after;
	struct pf_vm vm;
	char pid[32];

	group_begin("40M");
	sprintf(pid, "%d", getpid());
	REQUIRE(pf_file_write(GROUP "/cgroup.procs", pid), "cgroup.procs");
	pf_vm_start(&vm, PAGES, PF_PLAIN, half);
	REQUIRE(pf_file_write("/sys/fs/cgroup/cgroup.procs", pid), "cgroup.procs");
	before = pf_file_number(GROUP "/memory.current");
	pf_register(vm.pid, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	CHECK(PF_UNTIL(pf_file_number(GROUP "/memory.current") <= before - PAGES / 2 * 3 / 4 * (long long)PF_PAGE),
	      "charged %lld before, %lld after", before, pf_file_number(GROUP "/memory.current"));
	/* Room for a part of it only: unfolding gives up with ENOMEM or is done, and kills nobody. */
	after = pf_file_number(GROUP "/memory.current");
	sprintf(pid, "%lld", after + 2 * 1024 * 1024);
	REQUIRE(pf_file_write(GROUP "/memory.max", pid), "memory.max");
	int ret = pf_put("run", "2");

	CHECK(ret == 0 || ret == -ENOMEM, "run=2 in a tight group gives %s", strerror(-ret));
	CHECK(pf_get("run") == (ret ? 0 : 2), "run reads %lld", pf_get("run"));
	CHECK(kill(vm.pid, 0) == 0 && waitpid(vm.pid, NULL, WNOHANG) == 0, "the VM was killed");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	REQUIRE(pf_file_write(GROUP "/memory.max", "max"), "memory.max");
	pf_run(2);
	CHECK(pf_get("frames") == 0, "%lld", pf_get("frames"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
	CHECK(PF_UNTIL(rmdir(GROUP) == 0), "the group stays busy: %s", strerror(errno));
}

/* Frames in use stay when the host reclaims. */
static void reclaim(void)
{
	struct pf_vm vm;
	int round;

	pf_vm_start(&vm, PAGES, PF_PLAIN, half);
	pf_register(vm.pid, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
	for (round = 0; round < pf_scale(5); round++) {
		pf_file_write("/proc/sys/vm/drop_caches", "2");
		REQUIRE(pf_passes(vm.pid, 1), "no passes");
		CHECK(pf_vm_wrong(&vm) == 0, "round %d: content changed", round);
	}
	CHECK(pf_get("folded_pages") == PAGES / 2, "%lld folded: reclaim took frames in use",
	      pf_get("folded_pages"));
	pf_vm_stop(&vm);
}

static pid_t reclaim_begin(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	while (!pid)
		pf_file_write("/proc/sys/vm/drop_caches", "2");
	return pid;
}

/*
 * Unused frames are given back when the host reclaims. The work that goes round once a second finds
 * them too, so the VM goes while the host reclaims all the time; on a slow host, more than once.
 */
static void shrinks(void)
{
	struct pf_vm vm;
	int try;

	for (try = 0; try < 5 && !pf_get("frames_shrunk"); try++) {
		pid_t pressure;

		pf_vm_start(&vm, PAGES, PF_PLAIN, half);
		pf_register(vm.pid, "");
		pf_run(1);
		REQUIRE(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
		pf_run(0);
		pressure = reclaim_begin();
		pf_vm_stop(&vm);
		CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld unused frames kept under pressure", pf_get("frames"));
		kill(pressure, SIGKILL);
		waitpid(pressure, NULL, 0);
	}
	CHECK(pf_get("frames_shrunk") > 0, "the shrinker freed nothing");
	CHECK(pf_get("frames_shrunk") <= pf_get("frames_freed"), "%lld", pf_get("frames_shrunk"));
}

static const struct pf_test tests[] = {
	{ "swap", swap },
	{ "limited_group", limited_group },
	{ "reclaim", reclaim },
	{ "shrinks", shrinks },
};
PF_MAIN(tests)
