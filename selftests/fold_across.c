// SPDX-License-Identifier: GPL-2.0-only
/*
 * fold_across.c: equal pages of two processes fold when, and only when, both are in one domain.
 *
 * Domains are what keeps tenants apart: one shared frame across them would be a side channel.
 */
#include "pf.h"

#define PAGES	512

static uint64_t own(size_t i)
{
	return 1 + i;
}

/* How many physical pages two VMs share: exactly, whatever the module says of itself. */
static size_t shared(const struct pf_vm *a, const struct pf_vm *b)
{
	size_t i, count = 0;

	for (i = 0; i < PAGES; i++) {
		uint64_t pfn = pf_pfn(a->pid, pf_page(a->mem, i));

		count += pfn && pfn == pf_pfn(b->pid, pf_page(b->mem, i));
	}
	return count;
}

static void two(struct pf_vm *a, struct pf_vm *b, const char *of_a, const char *of_b)
{
	pf_vm_start(a, PAGES, PF_PLAIN, own);
	pf_vm_start(b, PAGES, PF_PLAIN, own);
	pf_register(a->pid, of_a);
	pf_register(b->pid, of_b);
	pf_run(1);
}

static void same_domain(void)
{
	struct pf_vm a, b;

	two(&a, &b, "name=a domain=one", "name=b domain=one");
	REQUIRE(PF_UNTIL(pf_get("passes") >= 2), "no passes");
	CHECK(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld", pf_get("folded_pages"));
	CHECK(pf_get("frames") == PAGES, "%lld", pf_get("frames"));
	CHECK(shared(&a, &b) == PAGES, "%zu shared", shared(&a, &b));
	pf_vm_write(&a, 3, 77);
	CHECK(pf_vm_wrong(&a) == 0, "a is wrong");
	CHECK(pf_vm_wrong(&b) == 0, "b is wrong");
	pf_vm_stop(&a);
	CHECK(PF_UNTIL(!pf_registered(a.pid)), "a dead process stays registered");
	CHECK(pf_vm_wrong(&b) == 0, "b lost content with a");
	CHECK(PF_UNTIL(pf_get("folded_pages") == PAGES), "%lld", pf_get("folded_pages"));
	pf_vm_stop(&b);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld frames", pf_get("frames"));
}

static void two_shared(struct pf_vm *a, struct pf_vm *b)
{
	two(a, b, "domain=one", "domain=one");
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld", pf_get("folded_pages"));
	pf_run(0);
	CHECK(shared(a, b) == PAGES, "%zu shared", shared(a, b));
}

static void two_right(struct pf_vm *a, struct pf_vm *b)
{
	CHECK(pf_vm_wrong(a) == 0, "a is wrong");
	CHECK(pf_vm_wrong(b) == 0, "b is wrong");
	pf_vm_stop(a);
	pf_vm_stop(b);
}

/* Leaving is no way to take what is shared along into another domain. */
static void comes_back_elsewhere(void)
{
	struct pf_vm a, b;

	two_shared(&a, &b);
	pf_set("unregister", a.pid);
	CHECK(shared(&a, &b) == PAGES, "%zu shared", shared(&a, &b));
	pf_register(a.pid, "domain=two");
	CHECK(shared(&a, &b) == 0, "%zu pages shared across domains", shared(&a, &b));
	two_right(&a, &b);
}

static void comes_back(void)
{
	struct pf_vm a, b;

	two_shared(&a, &b);
	pf_set("unregister", a.pid);
	pf_register(a.pid, "domain=one");
	CHECK(shared(&a, &b) == PAGES, "%zu shared", shared(&a, &b));
	two_right(&a, &b);
}

/* Of the frames that an earlier load left behind nobody knows whose they were. */
static void loaded_anew(void)
{
	struct pf_vm a, b;

	two_shared(&a, &b);
	pf_unload();
	CHECK(shared(&a, &b) == PAGES, "%zu shared", shared(&a, &b));
	pf_load();
	pf_register(a.pid, "domain=one");
	pf_register(b.pid, "domain=two");
	CHECK(shared(&a, &b) == 0, "%zu pages shared across domains", shared(&a, &b));
	two_right(&a, &b);
}

static void default_domain(void)
{
	struct pf_vm a, b;

	two(&a, &b, "", "");
	CHECK(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld", pf_get("folded_pages"));
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static void other_domain(void)
{
	struct pf_vm a, b;

	two(&a, &b, "domain=one", "domain=two");
	REQUIRE(pf_passes(a.pid, 3) && pf_passes(b.pid, 3), "no passes");
	CHECK(pf_get("scanned_pages") >= 4 * PAGES, "%lld", pf_get("scanned_pages"));
	CHECK(pf_get("folds") == 0, "%lld folds", pf_get("folds"));
	CHECK(shared(&a, &b) == 0, "%zu pages shared across domains", shared(&a, &b));
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

/* Each domain folds its own pairs, with frames of its own. */
static void frames_per_domain(void)
{
	struct pf_vm a, b;
	size_t i, j, common = 0;

	pf_vm_start(&a, PAGES, PF_PLAIN, pairs);
	pf_vm_start(&b, PAGES, PF_PLAIN, pairs);
	pf_register(a.pid, "domain=one");
	pf_register(b.pid, "domain=two");
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld", pf_get("folded_pages"));
	CHECK(pf_get("frames") == PAGES, "%lld", pf_get("frames"));
	for (i = 0; i < PAGES; i += 2)
		for (j = 0; j < PAGES; j += 2 * 16)
			common += pf_pfn(a.pid, pf_page(a.mem, i)) ==
				  pf_pfn(b.pid, pf_page(b.mem, j));
	CHECK(common == 0, "%zu frames in both domains", common);
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "content changed");
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

/* The write to the domain returns only once nothing is shared with the old one any more. */
static void domain_change(void)
{
	struct pf_vm a, b;
	char attr[64], text[80];
	int ret;

	two(&a, &b, "domain=one", "domain=one");
	REQUIRE(PF_UNTIL(pf_get("folded_pages") == 2 * PAGES), "%lld", pf_get("folded_pages"));
	CHECK(shared(&a, &b) == PAGES, "%zu shared", shared(&a, &b));
	snprintf(attr, sizeof(attr), "vms/%d/domain", b.pid);
	ret = pf_put(attr, "two");
	CHECK(ret == 0, "write domain: %s", strerror(-ret));
	CHECK(shared(&a, &b) == 0, "%zu pages still shared", shared(&a, &b));
	CHECK(pf_read(attr, text, sizeof(text)) && !strcmp(text, "two\n"), "reads '%s'", text);
	CHECK(pf_get("unfolds") >= PAGES, "%lld", pf_get("unfolds"));
	REQUIRE(pf_passes(a.pid, 2) && pf_passes(b.pid, 2), "no passes");
	CHECK(shared(&a, &b) == 0, "%zu pages shared again", shared(&a, &b));
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "content changed");
	ret = pf_put(attr, "one");
	CHECK(ret == 0, "write domain back: %s", strerror(-ret));
	CHECK(PF_UNTIL(shared(&a, &b) == PAGES), "%zu shared after coming back", shared(&a, &b));
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "content changed");
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

/* While it folds, over and over: at no moment after a write returns may a page be shared. */
static void domain_change_often(void)
{
	struct pf_vm a, b;
	char attr[64];
	int round, ret;

	two(&a, &b, "domain=one", "domain=one");
	snprintf(attr, sizeof(attr), "vms/%d/domain", b.pid);
	for (round = 0; round < pf_scale(10); round++) {
		REQUIRE(PF_UNTIL(shared(&a, &b) > PAGES / 4), "round %d: %zu", round, shared(&a, &b));
		ret = pf_put(attr, "two");
		REQUIRE(ret == 0, "round %d: %s", round, strerror(-ret));
		REQUIRE(shared(&a, &b) == 0, "round %d: %zu shared", round, shared(&a, &b));
		ret = pf_put(attr, "one");
		REQUIRE(ret == 0, "round %d: %s", round, strerror(-ret));
	}
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "content changed");
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static const struct pf_test tests[] = {
	{ "same_domain", same_domain },
	{ "comes_back_elsewhere", comes_back_elsewhere },
	{ "comes_back", comes_back },
	{ "loaded_anew", loaded_anew },
	{ "default_domain", default_domain },
	{ "other_domain", other_domain },
	{ "frames_per_domain", frames_per_domain },
	{ "domain_change", domain_change },
	{ "domain_change_often", domain_change_often },
};

PF_MAIN(tests)
