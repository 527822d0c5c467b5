// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c: each thing that changes is told by its tracepoint, once, with numbers that are right.
 */
#include "pf.h"

#define PAGES 1024
#define TRACING "/sys/kernel/tracing/"

static char trace[1 << 20];

static uint64_t kinds(size_t i)
{
	return i % 4 == 0 ? 0 : 1 + i / 8;
}

/* Another content of every page with each call. */
static uint64_t changed(size_t i)
{
	static uint64_t id;

	return ++id;
}

static void trace_begin(void)
{
	if (access(TRACING "events/pagefold/enable", W_OK))
		pf_skip("no tracing");
	pf_file_write(TRACING "buffer_size_kb", "4096");
	REQUIRE(pf_file_write(TRACING "trace", " "), "the trace cannot be emptied");
	REQUIRE(pf_file_write(TRACING "events/pagefold/enable", "1"), "events/pagefold");
}

static void trace_read(void)
{
	FILE *file = fopen(TRACING "trace", "re");

	REQUIRE(file, "trace: %s", strerror(errno));
	trace[fread(trace, 1, sizeof(trace) - 1, file)] = 0;
	fclose(file);
}

static void trace_end(void)
{
	trace_read();
	REQUIRE(pf_file_write(TRACING "events/pagefold/enable", "0"), "events/pagefold");
}

/*
 * How often event @name was told with the text @with, and the sum of the numbers behind @field in
 * these.
 */
static long long told(const char *name, const char *with, const char *field, long long *sum)
{
	long long count = 0;
	char *line, *end, *at;

	*sum = 0;
	for (line = trace; *line; line = end + !!*end) {
		char event[64];

		end = line + strcspn(line, "\n");
		snprintf(event, sizeof(event), " pagefold_%s: ", name);
		at = strstr(line, event);
		if (at && at <= end && with)
			at = strstr(line, with);
		if (!at || at > end)
			continue;
		count++;
		at = field ? strstr(line, field) : NULL;
		if (at && at < end)
			*sum += atoll(at + strlen(field));
	}
	return count;
}

static void each(void)
{
	long long count, sum, folds, zeros;
	char pid[32], attr[64], *mem;

	trace_begin();
	mem = pf_map(PAGES, PF_PLAIN);
	pf_fill_all(mem, PAGES, kinds);
	pf_settle(mem);
	pf_register(getpid(), "");
	pf_run(1);
	/* Counted when the turn is over, so all of it is told by then. */
	REQUIRE(PF_UNTIL(pf_get("folds") + pf_get("zero_folds") == PAGES), "%lld and %lld",
		pf_get("folds"), pf_get("zero_folds"));
	pf_fill(pf_page(mem, 1), 7001);
	pf_fill(pf_page(mem, 4), 7002);
	REQUIRE(PF_UNTIL(pf_get("cow_breaks") > 0 && pf_get("zero_breaks") > 0), "no breaks");
	REQUIRE(pf_passes(getpid(), 1), "no passes");
	pf_run(0);
	/* Only now, because a page may have been folded once more between its copy and the write to it. */
	folds = pf_get("folds");
	zeros = pf_get("zero_folds");
	sprintf(attr, "vms/%d/domain", getpid());
	REQUIRE(pf_put(attr, "other") == 0, "domain");
	pf_run(2);
	REQUIRE(PF_UNTIL(pf_get("frames") == 0), "%lld frames", pf_get("frames"));
	pf_run(0);
	pf_set("unregister", getpid());
	trace_end();

	sprintf(pid, "pid=%d ", getpid());
	count = told("vm_add", pid, "pages=", &sum);
	/* Up to 6.1 a thread may hold back 64 pages of the count. */
	CHECK(count == 1 && sum >= PAGES - 64, "vm_add %lld times, %lld pages", count, sum);
	count = told("vm_del", pid, "pages=", &sum);
	CHECK(count == 1 && sum == 0, "vm_del %lld times, %lld pages", count, sum);
	CHECK(told("vm_pass", pid, NULL, &sum) > 1, "vm_pass");
	CHECK(told("vm_domain", pid, NULL, &sum) == 1, "vm_domain");
	told("fold", pid, "folded=", &sum);
	CHECK(sum == folds, "%lld of %lld folds told", sum, folds);
	told("fold", pid, "zero=", &sum);
	CHECK(sum == zeros, "%lld of %lld zero folds told", sum, zeros);
	told("cow_break", pid, "pages=", &sum);
	CHECK(sum == pf_get("cow_breaks"), "%lld of %lld COW breaks told", sum, pf_get("cow_breaks"));
	told("zero_break", pid, "pages=", &sum);
	CHECK(sum == pf_get("zero_breaks"), "%lld of %lld zero breaks told", sum, pf_get("zero_breaks"));
	told("unfold", pid, "pages=", &sum);
	CHECK(sum == pf_get("unfolds") && sum > 0, "%lld of %lld unfolds told", sum, pf_get("unfolds"));
	count = told("frame_new", NULL, NULL, &sum);
	CHECK(count > 0 && count <= pf_get("frames_allocated"), "frame_new %lld times", count);
	CHECK(told("frame_free", NULL, NULL, &sum) == count, "frame_free");
	CHECK(told("run", "run=1", NULL, &sum) == 1, "run=1");
	CHECK(told("run", "run=0", NULL, &sum) == 2, "run=0");
	CHECK(told("run", "run=2", NULL, &sum) == 1, "run=2");
	CHECK(pf_wrong(mem, 1, kinds) == 0, "content changed");
}

static void huge_split(void)
{
	long long count, sum;
	char pid[32], *mem;

	if (!pf_file_write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"))
		pf_skip("no transparent huge pages");
	trace_begin();
	mem = pf_map_huge(512, kinds);
	REQUIRE(mem, "no huge page to be had");
	pf_settle(mem);
	pf_register(getpid(), "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("huge_splits") > 0), "not split");
	pf_run(0);
	trace_end();
	sprintf(pid, "pid=%d ", getpid());
	count = told("huge_split", pid, "pages=", &sum);
	CHECK(count == pf_get("huge_splits") && sum >= 64, "huge_split %lld times, %lld pages", count, sum);
}

/* Each target that is taken, with what the VM uses; none that is refused. */
static void target(void)
{
	char pid[32], attr[64], *mem;
	long long count, sum, usage;

	trace_begin();
	mem = pf_map(PAGES, PF_PLAIN);
	pf_fill_all(mem, PAGES, kinds);
	pf_register(getpid(), "");
	sprintf(attr, "vms/%d/target_bytes", getpid());
	REQUIRE(pf_put(attr, "1000000") == 0, "target");
	REQUIRE(pf_put(attr, "-1") < 0, "a negative target is taken");
	usage = pf_get("vms/%d/usage_bytes", getpid());
	REQUIRE(pf_put(attr, "234567") == 0, "target");
	trace_end();
	sprintf(pid, "pid=%d ", getpid());
	count = told("target", pid, " bytes=", &sum);
	CHECK(count == 2 && sum == 1234567, "target %lld times, %lld bytes", count, sum);
	count = told("target", "bytes=234567 ", "usage_bytes=", &sum);
	/* The trace's own reader may have come to some memory meanwhile. */
	CHECK(count == 1 && llabs(sum - usage) <= 64 * (long long)PF_PAGE && sum >= PAGES / 2 * (long long)PF_PAGE,
	      "target %lld times, %lld of %lld bytes used", count, sum, usage);
}

/* Each time that a VM is sampled: what was looked at, and what that took. */
static void sampling(void)
{
	long long count, sampled, written, busy, rounds;
	char pid[32], *mem;

	trace_begin();
	mem = pf_map(PAGES, PF_PLAIN);
	pf_fill_all(mem, PAGES, kinds);
	pf_settle(mem);
	pf_register(getpid(), "");
	pf_set("wss_cpu_permille", 1000);
	pf_set("wss_period_ms", 50);
	REQUIRE(PF_UNTIL((pf_fill_all(mem, PAGES, changed), pf_get("vms/%d/wss_rounds", getpid()) >= 3)),
		"%lld rounds", pf_get("vms/%d/wss_rounds", getpid()));
	pf_set("wss_period_ms", 0);
	sprintf(pid, "pid=%d ", getpid());
	/* A turn counts what it found before it draws the next pages, and its time and its event come after that. */
	CHECK(PF_UNTIL((trace_read(), told("wss", pid, "busy_ns=", &busy), told("wss", pid, "sampled=", &sampled),
			busy == pf_get("vms/%d/wss_ns", getpid()) &&
			sampled == pf_get("vms/%d/wss_sampled_pages", getpid()))),
	      "%lld of %lld ns and %lld of %lld samples told", busy, pf_get("vms/%d/wss_ns", getpid()), sampled,
	      pf_get("vms/%d/wss_sampled_pages", getpid()));
	trace_end();
	count = told("wss", pid, NULL, &busy);
	rounds = pf_get("vms/%d/wss_rounds", getpid());
	CHECK(count >= rounds && rounds >= 3, "wss %lld times in %lld rounds", count, rounds);
	/* Of one trace: a turn that was under way when sampling was turned off may have been told since. */
	told("wss", pid, "sampled=", &sampled);
	told("wss", pid, "written=", &written);
	CHECK(written > 0 && written <= sampled, "%lld of %lld written", written, sampled);
}

static const struct pf_test tests[] = {
	{ "each", each },
	{ "target", target },
	{ "sampling", sampling },
	{ "huge_split", huge_split },
};

PF_MAIN(tests)
