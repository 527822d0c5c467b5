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
	CHECK(PF_UNTIL(pf_get("folded_pages") >= PAGES / 4 - 64), "%lld", pf_get("folded_pages"));
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

/*
 * Pages in the swap cache: in swap, shared there with a child, and read again. They go nowhere while the
 * child has its entries.
 */
static void swap_cache(void)
{
	pid_t self = getpid(), child;
	size_t out, i, back = 0;
	char *mem;

	if (!swap_on())
		pf_skip("no zram to swap to");
	mem = pf_map(PAGES, PF_PLAIN);
	pf_fill_all(mem, PAGES, half);
	pf_settle(mem);
	madvise(mem, PAGES * PF_PAGE, MADV_PAGEOUT);
	out = swapped(self, mem);
	REQUIRE(out > PAGES / 2, "%zu pages in swap", out);
	child = fork();
	REQUIRE(child >= 0, "fork: %s", strerror(errno));
	while (!child)
		pause();
	for (i = 0; i < PAGES; i++)
		back += *(volatile char *)pf_page(mem, i) != 1;
	pf_note("%zu pages in swap, %zu bytes read back", out, back);
	pf_settle(mem);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 1), "no passes");
	CHECK(pf_get("skipped/swapcache") >= (long long)out / 2, "%lld of %zu", pf_get("skipped/swapcache"), out);
	CHECK(pf_wrong(mem, PAGES, half) == 0, "content changed");
	pf_run(0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(mem, PAGES * PF_PAGE);
	swap_off();
}

#define HUGETLB "/proc/sys/vm/nr_hugepages"

/*
 * Takes memory from the host until no more than @left KiB can be had: most of it as huge pages that
 * nobody maps, which is quick, the rest a piece at a time.
 */
static char *host_fill(long long left, size_t *size)
{
	long long total = pf_field("/proc/meminfo", "MemTotal");
	long long now = pf_field("/proc/meminfo", "MemAvailable");
	char bulk[32];
	char *mem = mmap(NULL, total << 10, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	*size = total << 10;
	sprintf(bulk, "%lld", now > left ? (now - left) / 2048 * 15 / 16 : 0);
	pf_file_write(HUGETLB, bulk);
	for (size_t at = 0; (now = pf_field("/proc/meminfo", "MemAvailable")) > left;) {
		/* Small steps at the end: one too many is a process too many. */
		size_t piece = now - left > 262144 ? 64 << 20 : now - left > 16384 ? 2 << 20 : 256 << 10;

		REQUIRE(at + piece < *size && !madvise(mem + at, piece, 23 /* MADV_POPULATE_WRITE */),
			"populate: %s", strerror(errno));
		at += piece;
	}
	return mem;
}

/* Unfolding leaves a 64th of the host's memory to others. */
static void host_reserve(void)
{
	long long total = pf_field("/proc/meminfo", "MemTotal");
	struct pf_vm vm;
	size_t size;
	char *mem;
	int ret;

	pf_vm_start(&vm, PAGES, PF_PLAIN, half);
	pf_register(vm.pid, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == PAGES / 2), "%lld", pf_get("folded_pages"));
	pf_run(0);
	mem = host_fill(total / 64 - 2048, &size);
	ret = pf_put("run", "2");
	if (!ret && pf_field("/proc/meminfo", "MemAvailable") > total / 64) {
		munmap(mem, size);
		pf_file_write(HUGETLB, "0");
		pf_vm_stop(&vm);
		pf_skip("the host found memory elsewhere");
	}
	CHECK(ret == -ENOMEM, "run=2 with %lld of %lld KiB left gives %s",
	      pf_field("/proc/meminfo", "MemAvailable"), total, strerror(-ret));
	CHECK(pf_get("run") == 0, "run reads %lld", pf_get("run"));
	/* Some memory may have been in the lists of a CPU. */
	CHECK(pf_get("folded_pages") > PAGES / 4, "%lld", pf_get("folded_pages"));
	munmap(mem, size);
	pf_file_write(HUGETLB, "0");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
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
	/* Room for a part of it only: unfolding gives up with ENOMEM, and kills nobody. */
	after = pf_file_number(GROUP "/memory.current");
	sprintf(pid, "%lld", after + 2 * 1024 * 1024);
	REQUIRE(pf_file_write(GROUP "/memory.max", pid), "memory.max");
	int ret = pf_put("run", "2");

	CHECK(ret == -ENOMEM, "run=2 in a tight group gives %s", strerror(-ret));
	CHECK(pf_get("run") == 0, "run reads %lld", pf_get("run"));
	CHECK(kill(vm.pid, 0) == 0 && waitpid(vm.pid, NULL, WNOHANG) == 0, "the VM was killed");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	REQUIRE(pf_file_write(GROUP "/memory.max", "max"), "memory.max");
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
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

	for (try = 0; try < 20 && !pf_get("frames_shrunk"); try++) {
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
	{ "swap_cache", swap_cache },
	{ "host_reserve", host_reserve },
	{ "limited_group", limited_group },
	{ "reclaim", reclaim },
	{ "shrinks", shrinks },
};

PF_MAIN(tests)
