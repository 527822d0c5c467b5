// SPDX-License-Identifier: GPL-2.0-only
/*
 * skips.c: what must not be folded is not, and is counted by reason.
 *
 * Each subtest puts a range of equal pages beside one that does fold, so that a scan that never
 * came by cannot pass for a page that was spared.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#define PAGES 64

static uint64_t pairs(size_t i)
{
	return 1 + i / 2;
}

static uint64_t witness_id(size_t i)
{
	return 5000 + i / 2;
}

static char *witness, *spared;

static void prepare(int flags)
{
	witness = pf_map(PAGES, PF_PLAIN);
	spared = pf_map(PAGES, flags);
	pf_fill_all(witness, PAGES, witness_id);
	pf_fill_all(spared, PAGES, pairs);
	pf_settle(spared);
}

/* Folds everything but @spared, which must be counted under its reason. */
static void expect_spared(const char *reason)
{
	pid_t self = getpid();
	size_t frames;
	long long counted;

	pf_settle(spared);
	pf_register(self, "");
	pf_run(1);
	CHECK(PF_UNTIL(pf_frames_in(self, witness, PAGES) == PAGES), "%zu of the witness folded",
	      pf_frames_in(self, witness, PAGES));
	REQUIRE(pf_passes(self, 2), "no passes");
	frames = pf_frames_in(self, spared, PAGES);
	CHECK(frames == 0, "%zu pages folded that are %s", frames, reason);
	counted = pf_get("skipped/%s", reason);
	CHECK(counted >= PAGES, "%lld of %d counted as %s", counted, PAGES, reason);
	CHECK(pf_wrong(witness, PAGES, witness_id) == 0, "content changed");
}

static void expect_folds_now(void)
{
	CHECK(PF_UNTIL(pf_frames_in(getpid(), spared, PAGES) == PAGES), "%zu folded after release",
	      pf_frames_in(getpid(), spared, PAGES));
	CHECK(pf_wrong(spared, PAGES, pairs) == 0, "content changed");
}

static void locked(void)
{
	prepare(PF_PLAIN);
	REQUIRE(mlock(spared, PAGES * PF_PAGE) == 0, "mlock: %s", strerror(errno));
	expect_spared("locked");
	CHECK(pf_wrong(spared, PAGES, pairs) == 0, "content changed");
	munlock(spared, PAGES * PF_PAGE);
	pf_settle(spared);
	expect_folds_now();
}

static void lazily_freed(void)
{
	size_t i, lost = 0;

	prepare(PF_PLAIN);
	REQUIRE(madvise(spared, PAGES * PF_PAGE, MADV_FREE) == 0, "MADV_FREE: %s", strerror(errno));
	expect_spared("lazyfree");
	/* Freed or not, page by page: both are right, anything else is not. */
	for (i = 0; i < PAGES; i++)
		lost += !pf_is(pf_page(spared, i), pairs(i)) && !pf_is(pf_page(spared, i), 0);
	CHECK(lost == 0, "%zu pages neither kept nor zero", lost);
}

static void userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_range range;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		pf_skip("no userfaultfd: %s", strerror(errno));
	prepare(PF_PLAIN);
	range = (struct uffdio_range){ (uintptr_t)spared, PAGES * PF_PAGE };
	reg.range = range;
	REQUIRE(ioctl(fd, UFFDIO_REGISTER, &reg) == 0, "register: %s", strerror(errno));
	expect_spared("uffd");
	CHECK(pf_wrong(spared, PAGES, pairs) == 0, "content changed");
	ioctl(fd, UFFDIO_UNREGISTER, &range);
	expect_folds_now();
}

/* io_uring's fixed buffers hold a long-term pin (FOLL_PIN). */
static void pinned(void)
{
	struct io_uring_params params = { 0 };
	int fd = syscall(SYS_io_uring_setup, 4, &params);
	struct iovec vec;

	if (fd < 0)
		pf_skip("no io_uring: %s", strerror(errno));
	prepare(PF_PLAIN);
	vec = (struct iovec){ spared, PAGES * PF_PAGE };
	REQUIRE(syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &vec, 1) == 0,
		"register buffers: %s", strerror(errno));
	expect_spared("pinned");
	CHECK(pf_wrong(spared, PAGES, pairs) == 0, "content changed");
	syscall(SYS_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
	close(fd);
	expect_folds_now();
}

/* vmsplice takes plain references (FOLL_GET), and whoever has the pipe reads through them later. */
static void spliced(void)
{
	struct iovec vec;
	char page[PF_PAGE];
	int pipes[2];
	size_t i;

	prepare(PF_PLAIN);
	REQUIRE(pipe(pipes) == 0, "pipe: %s", strerror(errno));
	fcntl(pipes[1], F_SETPIPE_SZ, PAGES * PF_PAGE);
	vec = (struct iovec){ spared, PAGES * PF_PAGE };
	REQUIRE(vmsplice(pipes[1], &vec, 1, 0) == (ssize_t)(PAGES * PF_PAGE), "vmsplice: %s",
		strerror(errno));
	expect_spared("busy");
	for (i = 0; i < PAGES; i++)
		CHECK(read(pipes[0], page, PF_PAGE) == (ssize_t)PF_PAGE && pf_is(page, pairs(i)),
		      "page %zu in the pipe is wrong", i);
	expect_folds_now();
}

/* KSM's pages are its own. */
static void ksm(void)
{
	const char *dir = "/sys/kernel/mm/ksm/";
	char path[64];

	if (!pf_ksm_available())
		pf_skip("no KSM");
	prepare(PF_PLAIN);
	snprintf(path, sizeof(path), "%ssleep_millisecs", dir);
	pf_file_write(path, "1");
	snprintf(path, sizeof(path), "%spages_to_scan", dir);
	pf_file_write(path, "1000");
	pf_file_write("/sys/kernel/mm/ksm/run", "1");
	REQUIRE(PF_UNTIL(pf_file_number("/sys/kernel/mm/ksm/pages_sharing") >= PAGES), "KSM merged %lld",
		pf_file_number("/sys/kernel/mm/ksm/pages_sharing"));
	pf_file_write("/sys/kernel/mm/ksm/run", "0");
	pf_register(getpid(), "");
	pf_run(1);
	REQUIRE(pf_passes(getpid(), 2), "no passes");
	CHECK(PF_UNTIL(pf_get("skipped/ksm") >= 2 * PAGES), "%lld", pf_get("skipped/ksm"));
	CHECK(pf_get("folds") == 0, "%lld", pf_get("folds"));
	CHECK(pf_wrong(spared, PAGES, pairs) + pf_wrong(witness, PAGES, witness_id) == 0,
	      "content changed");
	pf_file_write("/sys/kernel/mm/ksm/run", "2");
	CHECK(PF_UNTIL(pf_frames_in(getpid(), spared, PAGES) == PAGES), "%zu after KSM let go",
	      pf_frames_in(getpid(), spared, PAGES));
	pf_file_write("/sys/kernel/mm/ksm/run", "0");
	CHECK(pf_wrong(spared, PAGES, pairs) + pf_wrong(witness, PAGES, witness_id) == 0,
	      "content changed");
}

/* A huge page of which one small page lost its PMD: mapped by entries, yet one folio. */
static void large(void)
{
	const size_t half = 256;
	struct utsname kernel;
	pid_t self = getpid();
	char *huge;

	if (!pf_file_write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"))
		pf_skip("no transparent huge pages");
	huge = pf_map_huge(512, pairs);
	REQUIRE(huge, "no huge page to be had");
	mprotect(huge + half * PF_PAGE, PF_PAGE, PROT_READ);
	CHECK(pf_smaps(self, huge, "AnonHugePages") == 0, "still mapped by a PMD");
	pf_settle(huge);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 3), "no passes: does it loop on them?");
	/* Kernels from 7.0 on can take such a folio apart; older ones must skip it and say so. */
	REQUIRE(uname(&kernel) == 0, "uname");
	if (atoi(kernel.release) < 7)
		CHECK(pf_get("skipped/large") > 0 && pf_get("folds") == 0, "%lld skipped, %lld folded",
		      pf_get("skipped/large"), pf_get("folds"));
	else
		CHECK(pf_get("skipped/large") > 0 || pf_get("folds") > 0, "neither skipped nor folded");
	CHECK(pf_wrong(huge, 512, pairs) == 0, "content changed");
}

/* Equal pages in a mapping that is not plain anonymous memory of the process, filled and spared. */
static void expect_foreign(const char *what, char *mem, size_t pages)
{
	pid_t self = getpid();
	size_t i, moved = 0;
	uint64_t *was;

	was = calloc(pages, sizeof(*was));
	REQUIRE(was && mem != MAP_FAILED, "%s: %s", what, strerror(errno));
	pf_fill_all(mem, pages, pairs);
	madvise(mem, pages * PF_PAGE, MADV_MERGEABLE);
	for (i = 0; i < pages; i++)
		was[i] = pf_pfn(self, pf_page(mem, i));
	prepare(PF_PLAIN);
	pf_register(self, "policy=always");
	pf_run(1);
	CHECK(PF_UNTIL(pf_frames_in(self, spared, PAGES) == PAGES), "private range not folded");
	REQUIRE(pf_passes(self, 2), "no passes");
	for (i = 0; i < pages; i++)
		moved += pf_pfn(self, pf_page(mem, i)) != was[i];
	CHECK(moved == 0, "%zu pages of %s are elsewhere now", moved, what);
	CHECK(pf_get("skipped/vma") >= (long long)pages, "%lld counted", pf_get("skipped/vma"));
	CHECK(pf_wrong(mem, pages, pairs) == 0, "content changed");
	free(was);
}

static void shared_memory(void)
{
	expect_foreign("shared memory", mmap(NULL, PAGES * PF_PAGE, PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0), PAGES);
}

/* What was written of a private mapping of a file is anonymous, but a hole of it is the file's. */
static void private_file(void)
{
	int fd = memfd_create("pagefold", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && ftruncate(fd, PAGES * PF_PAGE) == 0, "memfd: %s", strerror(errno));
	expect_foreign("a private file", mmap(NULL, PAGES * PF_PAGE, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE, fd, 0), PAGES);
}

static void hugetlb(void)
{
	const char *nr = "/proc/sys/vm/nr_hugepages";

	pf_file_write(nr, "1");
	if (pf_file_number(nr) < 1)
		pf_skip("no hugetlb page to be had");
	expect_foreign("hugetlb", mmap(NULL, PF_HUGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0), 512);
	pf_file_write(nr, "0");
}

/*
 * Pages that were faulted in lately wait in a list of their CPU. The first ones of a pass are brought
 * out, those that come after that wait for the next pass: so pages come all the time.
 */
static void fresh(void)
{
	const size_t step = 512, count = 16;
	char *mem = pf_map(step * count, PF_PLAIN);
	pid_t self = getpid();
	size_t i;

	pf_register(self, "");
	pf_run(1);
	CHECK(PF_UNTIL(({
		madvise(mem, step * count * PF_PAGE, MADV_DONTNEED);
		for (i = 0; i < count; i++)
			pf_fill(pf_page(mem, i * step), 1 + i);
		pf_get("skipped/fresh") > 0;
	})), "none counted in %lld passes", pf_get("vms/%d/passes", self));
	for (i = 0; i < count; i++)
		CHECK(pf_is(pf_page(mem, i * step), 1 + i), "content changed");
}

static const struct pf_test tests[] = {
	{ "locked", locked },
	{ "lazily_freed", lazily_freed },
	{ "userfault", userfault },
	{ "pinned", pinned },
	{ "spliced", spliced },
	{ "ksm", ksm },
	{ "large", large },
	{ "shared_memory", shared_memory },
	{ "private_file", private_file },
	{ "hugetlb", hugetlb },
	{ "fresh", fresh },
};

PF_MAIN(tests)
