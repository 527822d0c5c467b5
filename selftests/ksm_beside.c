// SPDX-License-Identifier: GPL-2.0-only
/*
 * ksm_beside.c: mainline KSM works on the same memory at the same time; both keep every page right.
 */
#include "pf.h"

#define PAGES 2048
#define KSM "/sys/kernel/mm/ksm/"

static uint64_t kinds(size_t i)
{
	return i % 5 == 0 ? 0 : 1 + i % 200;
}

/* A pair that KSM does not know: it looks twice, a whole scan apart, before it merges what is new. */
static void new_pair(struct pf_vm *a, struct pf_vm *b)
{
	static uint64_t made;

	pf_vm_write(a, made % PAGES, 1000 + made);
	pf_vm_write(b, made % PAGES, 1000 + made);
	pf_settle(&made);
	made++;
}

static void beside(void)
{
	struct pf_vm a, b;
	uint64_t random = 3;
	int round, k;

	if (!pf_ksm_available())
		pf_skip("no KSM");
	pf_file_write(KSM "sleep_millisecs", "1");
	pf_file_write(KSM "pages_to_scan", "500");
	pf_vm_start(&a, PAGES, PF_PLAIN, kinds);
	pf_vm_start(&b, PAGES, PF_PLAIN, kinds);
	pf_register(a.pid, "");
	pf_register(b.pid, "");
	pf_file_write(KSM "run", "1");
	/* Alone first: what it shares by then is not folded. */
	REQUIRE(PF_UNTIL(pf_file_number(KSM "pages_sharing") > 0), "KSM does not share");
	pf_run(1);
	/* KSM may have come to all there was before anybody looked. */
	CHECK(PF_UNTIL((new_pair(&a, &b), pf_get("folds") > 100)), "%lld folds", pf_get("folds"));
	CHECK(PF_UNTIL(pf_file_number(KSM "full_scans") >= 2), "KSM does not scan");
	for (round = 0; round < pf_scale(20); round++) {
		long long scans = pf_file_number(KSM "full_scans"), passes = pf_get("passes");

		for (k = 0; k < 100; k++) {
			pf_vm_write(&a, pf_rand(&random) % PAGES, pf_rand(&random) % 300);
			pf_vm_write(&b, pf_rand(&random) % PAGES, pf_rand(&random) % 300);
		}
		REQUIRE(PF_UNTIL(pf_get("passes") > passes && pf_file_number(KSM "full_scans") > scans),
			"one of them does not scan");
		REQUIRE(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "round %d", round);
	}
	pf_note("%lld folds, KSM shares %lld", pf_get("folds"), pf_file_number(KSM "pages_sharing"));
	pf_run(2);
	CHECK(PF_UNTIL(pf_get("frames") == 0), "%lld", pf_get("frames"));
	pf_file_write(KSM "run", "2");
	CHECK(pf_file_number(KSM "pages_sharing") == 0, "KSM still shares");
	pf_file_write(KSM "run", "0");
	CHECK(pf_vm_wrong(&a) + pf_vm_wrong(&b) == 0, "content changed");
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

static const struct pf_test tests[] = {
	{ "beside", beside },
};

PF_MAIN(tests)
