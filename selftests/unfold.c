// SPDX-License-Identifier: GPL-2.0-only
/*
 * unfold.c: every folded page gets memory of its own again: all of them, one VM's, or when it leaves.
 */
#include "pf.h"

#include <signal.h>
#include <sys/time.h>

#define PAGES 2048

static uint64_t kinds(size_t i)
{
	return i % 4 == 0 ? 0 : 1 + i % 100;
}

/* No page is a frame, and no two pages are one. */
static void all_private(struct pf_vm *vm)
{
	uint64_t pfns[PAGES], zero = pf_zero_pfn();
	size_t i, k, doubled = 0;

	CHECK(pf_frames_in(vm->pid, vm->mem, PAGES) == 0, "%zu frames left",
	      pf_frames_in(vm->pid, vm->mem, PAGES));
	for (i = 0; i < PAGES; i++)
		pfns[i] = pf_pfn(vm->pid, pf_page(vm->mem, i));
	for (i = 0; i < PAGES; i++)
		for (k = i + 1; k < PAGES; k++)
			doubled += pfns[i] && pfns[i] != zero && pfns[i] == pfns[k];
	CHECK(doubled == 0, "%zu pairs of pages share memory", doubled);
	CHECK(pf_vm_wrong(vm) == 0, "content changed");
}

static void folded(struct pf_vm *vm, const char *options)
{
	long long before = pf_get("folded_pages");

	pf_vm_start(vm, PAGES, PF_PLAIN, kinds);
	pf_register(vm->pid, options);
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == before + PAGES / 4 * 3), "%lld",
		pf_get("folded_pages"));
}

static void run_2(void)
{
	struct pf_vm vm;
	long long anon;

	folded(&vm, "");
	pf_run(2);
	CHECK(pf_get("run") == 2, "%lld", pf_get("run"));
	CHECK(pf_get("folded_pages") == 0, "%lld", pf_get("folded_pages"));
	CHECK(pf_get("frames") == 0, "%lld", pf_get("frames"));
	CHECK(pf_get("frames_freed") == pf_get("frames_allocated"), " ");
	CHECK(pf_get("unfolds") >= PAGES / 4 * 3, "%lld", pf_get("unfolds"));
	CHECK(pf_get("vms/%d/unfolds", vm.pid) >= PAGES / 4 * 3, "%lld", pf_get("vms/%d/unfolds", vm.pid));
	anon = pf_smaps(vm.pid, vm.mem, "Anonymous");
	CHECK(anon >= PAGES / 4 * 3 * 4, "%lld KiB anonymous", anon);
	all_private(&vm);
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == PAGES / 4 * 3), "%lld after run=1 again",
	      pf_get("folded_pages"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

static void per_vm(void)
{
	struct pf_vm a, b;
	char attr[64];

	folded(&a, "domain=a");
	folded(&b, "domain=b");
	pf_run(0);
	sprintf(attr, "vms/%d/unfold", a.pid);
	CHECK(pf_put(attr, "1") == 0, "unfold");
	CHECK(pf_get("vms/%d/folded_pages", a.pid) == 0, "%lld", pf_get("vms/%d/folded_pages", a.pid));
	all_private(&a);
	CHECK(pf_get("vms/%d/folded_pages", b.pid) == PAGES / 4 * 3, "%lld",
	      pf_get("vms/%d/folded_pages", b.pid));
	CHECK(pf_frames_in(b.pid, b.mem, PAGES) == PAGES / 4 * 3, "the other VM was unfolded too");
	CHECK(pf_vm_wrong(&b) == 0, "content changed");
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static void unregister_unfold(void)
{
	struct pf_vm vm;

	folded(&vm, "");
	CHECK(pf_put("unregister", "%d unfold", vm.pid) == 0, "unregister unfold");
	CHECK(!pf_registered(vm.pid), "still registered");
	all_private(&vm);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	CHECK(pf_get("folded_pages") == 0, "%lld", pf_get("folded_pages"));
	pf_vm_stop(&vm);
}

/* Without "unfold" the frames stay mapped, and stay right. */
static void unregister_keeps(void)
{
	struct pf_vm vm;

	folded(&vm, "");
	pf_set("unregister", vm.pid);
	CHECK(!pf_registered(vm.pid), "still registered");
	CHECK(pf_frames_in(vm.pid, vm.mem, PAGES) == PAGES / 4 * 3, "%zu",
	      pf_frames_in(vm.pid, vm.mem, PAGES));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_write(&vm, 1, 4242);
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	/* Coming back, its pages are found where they are. */
	pf_register(vm.pid, "");
	REQUIRE(pf_passes(vm.pid, 2), "no passes");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_run(2);
	all_private(&vm);
	pf_vm_stop(&vm);
}

static void nothing(int signal)
{
}

/* A signal stops the work half way: EINTR, run reads 0, every page is right, and run=2 goes on. */
static void interrupted(void)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval soon = { .it_value.tv_usec = 2000 };
	struct itimerval never = { 0 };
	struct pf_vm vm;
	int ret;

	folded(&vm, "");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	ret = pf_put("run", "2");
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(ret == 0 || ret == -EINTR, "%s", strerror(-ret));
	pf_note("run=2 under a signal: %s", ret ? strerror(-ret) : "done before it");
	CHECK(pf_get("run") == (ret ? 0 : 2), "run reads %lld", pf_get("run"));
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_run(2);
	CHECK(pf_get("frames") == 0, "%lld", pf_get("frames"));
	all_private(&vm);
	pf_vm_stop(&vm);
}

/* Nothing is there to unfold: it works and changes nothing. */
static void empty(void)
{
	pf_run(2);
	CHECK(pf_get("run") == 2, "%lld", pf_get("run"));
	CHECK(pf_get("unfolds") == 0, "%lld", pf_get("unfolds"));
}

static const struct pf_test tests[] = {
	{ "run_2", run_2 },
	{ "per_vm", per_vm },
	{ "unregister_unfold", unregister_unfold },
	{ "unregister_keeps", unregister_keeps },
	{ "interrupted", interrupted },
	{ "empty", empty },
};
PF_MAIN(tests)
