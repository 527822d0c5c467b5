// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.c: madvise folds only what the process offered as mergeable, always folds the rest too.
 */
#include "pf.h"

#define PAGES 64

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

static uint64_t other(size_t i)
{
	return 1000 + i / 2;
}

static uint64_t other_behind(size_t i)
{
	return other(i + 2);
}

static char *plain, *offered;

static void two_ranges(const char *options)
{
	offered = pf_map(PAGES, PF_PLAIN);
	plain = pf_map(PAGES, PF_NOHUGEPAGE);
	pf_fill_all(offered, PAGES, pairs);
	pf_fill_all(plain, PAGES, other);
	pf_settle(plain);
	pf_register(getpid(), options);
	pf_run(1);
}

static void madvise_is_default(void)
{
	pid_t self = getpid();
	char attr[64], text[64];

	two_ranges("");
	REQUIRE(PF_UNTIL(pf_frames_in(self, offered, PAGES) == PAGES), "%zu",
		pf_frames_in(self, offered, PAGES));
	REQUIRE(pf_passes(self, 2), "no passes");
	CHECK(pf_frames_in(self, plain, PAGES) == 0, "%zu", pf_frames_in(self, plain, PAGES));
	CHECK(pf_get("vms/%d/eligible_bytes", self) == PAGES * (long long)PF_PAGE, "%lld",
	      pf_get("vms/%d/eligible_bytes", self));
	snprintf(attr, sizeof(attr), "vms/%d/policy", self);
	CHECK(pf_read(attr, text, sizeof(text)) && !strcmp(text, "madvise\n"), "'%s'", text);
	CHECK(pf_put(attr, "always") == 0, "policy=always refused");
	CHECK(PF_UNTIL(pf_frames_in(self, plain, PAGES) == PAGES), "%zu",
	      pf_frames_in(self, plain, PAGES));
	CHECK(pf_wrong(plain, PAGES, other) + pf_wrong(offered, PAGES, pairs) == 0, "content changed");
}

static void always(void)
{
	pid_t self = getpid();

	two_ranges("policy=always");
	CHECK(PF_UNTIL(pf_frames_in(self, plain, PAGES) == PAGES), "%zu",
	      pf_frames_in(self, plain, PAGES));
	CHECK(PF_UNTIL(pf_frames_in(self, offered, PAGES) == PAGES), "%zu",
	      pf_frames_in(self, offered, PAGES));
	CHECK(pf_wrong(plain, PAGES, other) + pf_wrong(offered, PAGES, pairs) == 0, "content changed");
}

/*
 * A narrower policy folds nothing anew outside of what was offered. What is folded there stays so until
 * it is written or unfolded.
 */
static void narrowed(void)
{
	pid_t self = getpid();
	char attr[64];

	two_ranges("policy=always");
	REQUIRE(PF_UNTIL(pf_frames_in(self, plain, PAGES) + pf_frames_in(self, offered, PAGES) == 2 * PAGES), "%zu",
		pf_frames_in(self, plain, PAGES));
	sprintf(attr, "vms/%d/policy", self);
	REQUIRE(pf_put(attr, "madvise") == 0, "policy=madvise refused");
	/* Pages that were equal and still are. */
	pf_fill(pf_page(plain, 0), 5000);
	pf_fill(pf_page(plain, 1), 5000);
	pf_fill(pf_page(offered, 0), 6000);
	pf_fill(pf_page(offered, 1), 6000);
	pf_settle(plain);
	REQUIRE(PF_UNTIL(pf_frames_in(self, offered, PAGES) == PAGES), "%zu", pf_frames_in(self, offered, PAGES));
	REQUIRE(pf_passes(self, 2), "no passes");
	CHECK(pf_frames_in(self, plain, PAGES) == PAGES - 2, "%zu", pf_frames_in(self, plain, PAGES));
	CHECK(!pf_is_frame(self, plain) && !pf_is_frame(self, pf_page(plain, 1)), "folded anew");
	CHECK(pf_is(plain, 5000) && pf_is(pf_page(plain, 1), 5000), "content changed");
	CHECK(pf_is(offered, 6000) && pf_is(pf_page(offered, 1), 6000), "content changed");
	CHECK(pf_wrong(pf_page(plain, 2), PAGES - 2, other_behind) == 0, "content changed");
	CHECK(pf_get("vms/%d/eligible_bytes", self) == PAGES * (long long)PF_PAGE, "%lld",
	      pf_get("vms/%d/eligible_bytes", self));
	sprintf(attr, "vms/%d/unfold", self);
	REQUIRE(pf_put(attr, "1") == 0, "unfold");
	pf_settle(plain);
	REQUIRE(PF_UNTIL(pf_frames_in(self, offered, PAGES) == PAGES), "%zu", pf_frames_in(self, offered, PAGES));
	REQUIRE(pf_passes(self, 2), "no passes");
	CHECK(pf_frames_in(self, plain, PAGES) == 0, "%zu folded anew", pf_frames_in(self, plain, PAGES));
}

/* Never, whatever the policy: memory that others map too, and memory that is a file's. */
static void shared_and_files(void)
{
	pid_t self = getpid();
	char *shared = mmap(NULL, PAGES * PF_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);

	pf_fill_all(shared, PAGES, pairs);
	two_ranges("policy=always");
	REQUIRE(pf_passes(self, 2), "no passes");
	/* Only the private ranges have twins; if the shared pages took part, there would be more. */
	CHECK(pf_pfn(self, shared) != pf_pfn(self, shared + PF_PAGE), "a shared mapping was folded");
	CHECK(pf_pfn(self, shared) != pf_pfn(self, offered), "a shared mapping was folded");
	CHECK(pf_get("skipped/vma") > 0, "%lld", pf_get("skipped/vma"));
	CHECK(pf_wrong(shared, PAGES, pairs) == 0, "content changed");
}

static const struct pf_test tests[] = {
	{ "madvise_is_default", madvise_is_default },
	{ "always", always },
	{ "narrowed", narrowed },
	{ "shared_and_files", shared_and_files },
};

PF_MAIN(tests)
