// SPDX-License-Identifier: GPL-2.0-only
/*
 * faults.c: every allocation of the engine fails, at every site, now and then or always; nothing is lost.
 *
 * Needs the debug build, which names its allocation sites in debug/fault_sites.
 */
#include "pf.h"

#define PAGES 1024
#define HELD (8 * 512)
/* Few enough for the hints of three times as many beside HELD: their table is not made anew. */
#define LATE 256LL
/* A table as full as that hides a few pages from each other, for many passes if chance will have it. */
#define NEARLY(pages) ((pages) * 15 / 16)

static uint64_t kinds(size_t i)
{
	return i % 4 == 0 ? 0 : i % 4 == 1 ? 9000 + i : 1 + i / 8;
}

/* Returns how many allocations failed. */
static long long try_all(const char *site, int every)
{
	struct pf_vm a, b;
	long long hits = pf_get("debug/fault_hits"), passes = pf_get("passes"), failed;
	int ret;

	pf_vm_start(&a, PAGES, PF_MERGEABLE, kinds);
	pf_vm_start(&b, PAGES, PF_MERGEABLE, kinds);
	pf_set("debug/fault_every", every);
	REQUIRE(pf_put("debug/fault_site", "%s", site) == 0, "site %s", site);
	ret = pf_put("register", "%d name=a domain=x", a.pid);
	CHECK(ret == 0 || ret == -ENOMEM, "%s/%d: register gives %s", site, every, strerror(-ret));
	ret = pf_put("register", "%d name=b domain=x", b.pid);
	CHECK(ret == 0 || ret == -ENOMEM, "%s/%d: register gives %s", site, every, strerror(-ret));
	ret = pf_put("threads", "2");
	CHECK(ret == 0 || ret == -ENOMEM, "%s/%d: threads gives %s", site, every, strerror(-ret));
	ret = pf_put("run", "1");
	CHECK(ret == 0 || ret == -ENOMEM, "%s/%d: run=1 gives %s", site, every, strerror(-ret));
	/* Without a scan thread nothing happens. One that may allocate nothing may never finish a pass: hits tell. */
	if (!ret && (pf_registered(a.pid) || pf_registered(b.pid)))
		CHECK(PF_UNTIL(pf_get("passes") >= passes + 2 || pf_get("debug/fault_hits") > hits + 20),
		      "%s/%d: neither passes nor hits", site, every);
	pf_vm_write(&a, 5, 777);
	pf_vm_write(&b, 6, 778);
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "%s/%d: content changed", site, every);
	ret = pf_put("run", "2");
	CHECK(ret == 0 || ret == -ENOMEM, "%s/%d: run=2 gives %s", site, every, strerror(-ret));
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "%s/%d: content changed", site, every);
	failed = pf_get("debug/fault_hits") - hits;
	pf_note("%s, each %d: %lld failed, %lld skipped for it", site, every, failed, pf_get("skipped/nomem"));
	/* Memory is back: now everything works. */
	REQUIRE(pf_put("debug/fault_site", "none") == 0, "none");
	if (!pf_registered(a.pid))
		pf_register(a.pid, "domain=x");
	if (!pf_registered(b.pid))
		pf_register(b.pid, "domain=x");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") >= PAGES - 8), "%s/%d: %lld folded afterwards", site, every,
	      pf_get("folded_pages"));
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "%s/%d: content changed", site, every);
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%s/%d: %lld frames left", site, every, pf_get("frames"));
	CHECK(pf_get("frames_freed") == pf_get("frames_allocated"), "%s/%d: frames leak", site, every);
	pf_vm_stop(&a);
	pf_vm_stop(&b);
	CHECK(PF_UNTIL(pf_get("vms_registered") == 0), "%s/%d: entries stay", site, every);
	return failed;
}

/* A site may be asked for once in a round, so that it takes some rounds until the first time it fails. */
static void try_until_hit(const char *site, int every)
{
	long long failed = 0;
	int round;

	for (round = 0; round < every && !failed; round++)
		failed = try_all(site, every);
	CHECK(failed > 0, "%s/%d: nothing failed in %d rounds", site, every, round);
}

static void every_site(int every)
{
	char sites[4096], *site, *rest = sites;
	int count = 0;

	if (!pf_have("debug/fault_sites"))
		pf_skip("not the debug build");
	REQUIRE(pf_read("debug/fault_sites", sites, sizeof(sites)), "fault_sites");
	/* Sampling takes memory too. */
	pf_set("wss_period_ms", 30000);
	while ((site = strsep(&rest, "\n "))) {
		/* Where somebody is held nothing fails, see scan_held(). */
		if (!*site || !strcmp(site, "none") || strstr(site, "_hold"))
			continue;
		count++;
		try_until_hit(site, every);
		/* A fresh module for each site: what one leaves behind must not hide what the next does. */
		pf_unload();
		pf_load();
		pf_set("wss_period_ms", 30000);
	}
	CHECK(count > 3, "%d sites only", count);
	try_until_hit("all", every);
}

static void each(void)
{
	every_site(1);
}

static void each_second(void)
{
	every_site(2);
}

static void each_seventh(void)
{
	every_site(7);
}

static uint64_t unique(size_t i)
{
	return 1 + i;
}

static uint64_t other(size_t i)
{
	return 100000 + i;
}

/* Memory of this process that is scanned, rests, and is not looked at again; there is room for hints then. */
static char *scan_and_hold(size_t pages, uint64_t (*id)(size_t))
{
	char *mem = pf_map(pages + 512, PF_PLAIN);

	if (!pf_have("debug/fault_sites"))
		pf_skip("not the debug build");
	mem = (char *)(((uintptr_t)mem + PF_HUGE - 1) & ~(PF_HUGE - 1));
	madvise(mem, pages * PF_PAGE, MADV_DONTFORK);
	pf_fill_all(mem, pages, id);
	pf_settle(mem);
	pf_set("rest_passes_max", 255);
	/* Sampling of working sets makes what a scan has just read out of date, and there is one pass only. */
	pf_set("wss_period_ms", 0);
	pf_register(getpid(), "");
	pf_run(1);
	pf_wait_resting(pages);
	pf_hold_passes(getpid());
	return mem;
}

/*
 * Not an allocation: a VM is just being scanned when another finds the like of its pages. It folds its
 * half with its next pass, though nothing changes in it and it rests.
 */
static void peer_is_busy(void)
{
	char *mem = scan_and_hold(HELD, unique);
	pid_t self = getpid();
	struct pf_vm vm;
	int pass;

	REQUIRE(pf_put("debug/fault_site", "peer") == 0, "peer");
	pf_vm_start(&vm, LATE, PF_PLAIN, unique);
	pf_register(vm.pid, "");
	REQUIRE(PF_UNTIL(pf_get("debug/fault_hits") > 0), "no pair was found");
	REQUIRE(PF_UNTIL(pf_get("vms/%d/folded_pages", vm.pid) == LATE), "%lld",
		pf_get("vms/%d/folded_pages", vm.pid));
	CHECK(pf_get("vms/%d/folded_pages", self) == 0, "it was not busy");
	for (pass = 0; pass < 3 && pf_get("folded_pages") < 2 * LATE; pass++)
		pf_pass(self);
	CHECK(pf_get("folded_pages") == 2 * LATE, "%lld after %d passes", pf_get("folded_pages"), pass);
	REQUIRE(pf_put("debug/fault_site", "none") == 0, "none");
	CHECK(pf_vm_wrong(&vm) + pf_wrong(mem, HELD, unique) == 0, "content changed");
	pf_vm_stop(&vm);
}

/*
 * Not one either: pages hold something else by the time that their frames are made than when they were looked
 * at. Who has what the frames hold is led to them, though nobody has left hints to the frames since: all VMs
 * make one pass.
 */
static void late_write(void)
{
	struct pf_vm vm[3];
	int i;

	scan_and_hold(HELD, other);
	for (i = 0; i < 3; i++)
		pf_vm_start(&vm[i], LATE, PF_PLAIN, unique);
	REQUIRE(pf_put("debug/fault_site", "late_write") == 0, "late_write");
	pf_register(vm[0].pid, "");
	pf_register(vm[1].pid, "");
	REQUIRE(PF_UNTIL(pf_get("folded_pages") >= NEARLY(2 * LATE)), "%lld folded", pf_get("folded_pages"));
	REQUIRE(pf_put("debug/fault_site", "none") == 0, "none");
	pf_register(vm[2].pid, "");
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", vm[2].pid) > 0), "no pass");
	/* The table of hints hides a few of them where it is full, until the next pass. */
	CHECK(pf_get("vms/%d/folded_pages", vm[2].pid) >= LATE * 3 / 4, "%lld folded in one pass",
	      pf_get("vms/%d/folded_pages", vm[2].pid));
	CHECK(pf_get("frames") <= LATE, "%lld frames", pf_get("frames"));
	CHECK(pf_get("skipped/changed") == 0, "%lld changed", pf_get("skipped/changed"));
	for (i = 0; i < 3; i++) {
		CHECK(pf_vm_wrong(&vm[i]) == 0, "content changed");
		pf_vm_stop(&vm[i]);
	}
}

/*
 * A frame of pages that were written late lies where its like looks for it, also when no hint leads there: the
 * table of hints is made anew, smaller than before, when most of what it served is gone, and nobody who is
 * folded makes another pass.
 */
static void late_write_is_filed(void)
{
	struct pf_vm vm[4];
	int i;

	scan_and_hold(HELD, other);
	for (i = 0; i < 4; i++)
		pf_vm_start(&vm[i], LATE, PF_PLAIN, unique);
	REQUIRE(pf_put("debug/fault_site", "late_write") == 0, "late_write");
	pf_register(vm[0].pid, "");
	pf_register(vm[1].pid, "");
	REQUIRE(PF_UNTIL(pf_get("folded_pages") >= NEARLY(2 * LATE)), "%lld folded", pf_get("folded_pages"));
	REQUIRE(pf_put("debug/fault_site", "none") == 0, "none");
	/* No scan meanwhile: each of these makes the table anew. */
	pf_run(0);
	REQUIRE(pf_put("unregister", "%d", getpid()) == 0, "unregister");
	pf_register(vm[2].pid, "");
	pf_register(vm[3].pid, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", vm[2].pid) > 0 && pf_get("vms/%d/passes", vm[3].pid) > 0), "no pass");
	/* As above the table hides a few. */
	CHECK(pf_get("folded_pages") >= LATE * 2 + LATE * 3 / 2, "%lld folded", pf_get("folded_pages"));
	CHECK(pf_get("frames") <= LATE, "%lld frames", pf_get("frames"));
	for (i = 0; i < 4; i++) {
		CHECK(pf_vm_wrong(&vm[i]) == 0, "content changed");
		pf_vm_stop(&vm[i]);
	}
}

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

/* Two VMs that share nothing, a scan thread for each; somebody waits at @site as soon as one comes by. */
static void scan_held(struct pf_vm vm[2], const char *site)
{
	int i;

	if (!pf_have("debug/fault_sites"))
		pf_skip("not the debug build");
	pf_set("threads", 2);
	for (i = 0; i < 2; i++) {
		pf_vm_start(&vm[i], PAGES, PF_PLAIN, pairs);
		pf_register(vm[i].pid, i ? "domain=b" : "domain=a");
	}
	REQUIRE(pf_put("debug/fault_site", "%s", site) == 0, "%s", site);
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("debug/fault_hits") > 0), "nobody came by");
}

static void scan_on(struct pf_vm vm[2])
{
	int i;

	CHECK(pf_get("debug/fault_hits") == 1, "%lld at it", pf_get("debug/fault_hits"));
	REQUIRE(pf_put("debug/fault_site", "none") == 0, "none");
	CHECK(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld folded", pf_get("folded_pages"));
	for (i = 0; i < 2; i++) {
		CHECK(pf_vm_wrong(&vm[i]) == 0, "content changed");
		pf_vm_stop(&vm[i]);
	}
}

/* While one thread makes a larger table of frames the other neither waits for it nor makes one, too. */
static void frame_tables_come_one_at_a_time(void)
{
	struct pf_vm vm[2];

	scan_held(vm, "frame_hold");
	CHECK(PF_UNTIL(pf_get("vms/%d/folded_pages", vm[0].pid) == PAGES ||
		       pf_get("vms/%d/folded_pages", vm[1].pid) == PAGES),
	      "%lld and %lld folded", pf_get("vms/%d/folded_pages", vm[0].pid),
	      pf_get("vms/%d/folded_pages", vm[1].pid));
	scan_on(vm);
}

/* The same where one resizes the table of hints, for a VM that has grown. */
static void hint_tables_come_one_at_a_time(void)
{
	pid_t self = getpid();
	struct pf_vm vm;
	char *mem;

	if (!pf_have("debug/fault_sites"))
		pf_skip("not the debug build");
	pf_vm_start(&vm, LATE, PF_PLAIN, unique);
	pf_set("threads", 2);
	pf_register(self, "");
	pf_register(vm.pid, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 1) && pf_passes(vm.pid, 1), "no passes");
	REQUIRE(pf_put("debug/fault_site", "hints_hold") == 0, "hints_hold");
	mem = pf_map(HELD, PF_PLAIN);
	pf_fill_all(mem, HELD, other);
	REQUIRE(PF_UNTIL(pf_get("debug/fault_hits") > 0), "nobody came by");
	CHECK(pf_passes(vm.pid, 2) || pf_passes(self, 2), "the other thread waits");
	CHECK(pf_get("debug/fault_hits") == 1, "%lld at it", pf_get("debug/fault_hits"));
	REQUIRE(pf_put("debug/fault_site", "none") == 0, "none");
	CHECK(pf_passes(vm.pid, 2) && pf_passes(self, 2), "no passes");
	CHECK(pf_vm_wrong(&vm) + pf_wrong(mem, HELD, other) == 0, "content changed");
	pf_vm_stop(&vm);
}

static const struct pf_test tests[] = {
	{ "each", each },
	{ "each_second", each_second },
	{ "each_seventh", each_seventh },
	{ "peer_is_busy", peer_is_busy },
	{ "late_write", late_write },
	{ "late_write_is_filed", late_write_is_filed },
	{ "frame_tables_come_one_at_a_time", frame_tables_come_one_at_a_time },
	{ "hint_tables_come_one_at_a_time", hint_tables_come_one_at_a_time },
};

PF_MAIN(tests)
