// SPDX-License-Identifier: GPL-2.0-only
/*
 * fold.c: the same memory folded by mainline KSM and by Pagefold, measured in CPU time of their threads.
 *
 * Runs in the virtual host with one CPU whose clock counts instructions, so that a nanosecond of a
 * thread's CPU time is an instruction. The process makes the memory, lets one engine fold it and
 * watches with real-time priority: neither its own time nor its sleep is in the figures.
 * It prints rows "MEASURE PAGES UNIT ENGINE VALUE" and fails only if something did not work or content
 * was wrong.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define WORDS		(PAGE / sizeof(uint64_t))
#define KSM		"/sys/kernel/mm/ksm/"
#define PF		"/sys/kernel/pagefold/"
#define CONTENTS	500
#define REGION		512
/* An engine that folds nothing more in so many passes will not. */
#define PASSES_IDLE	4
/* Until regions in which nothing changes rest as long as they ever do, and for whole rests. */
#define PASSES_SETTLE	80
#define PASSES_LONG	256
/* One tick rewrites this share of what is volatile. */
#define TICKS_A_REWRITE	50
/* Short passes are measured for this long: the watcher sees their ends a little late. */
#define STEADY_NS	300e6

/* One engine, the way it is set up. */
struct engine {
	const char *name;
	long poll_us;
	bool ksm;
	bool tuned;
};

static const struct engine engines[] = {
	/* At its default KSM looks at 100 pages and sleeps 20 ms: looking more often sees nothing new. */
	{ "ksm_default", 10000, true, false },
	{ "ksm_tuned", 1000, true, true },
	{ "pagefold", 1000, false, true },
};

/*
 * A kind of memory: content number of each page (0: zeros), and what of it is there twice; which of
 * it is rewritten while it is scanned; whether huge pages hold it.
 */
struct work {
	const char *name;
	uint64_t (*id)(size_t page, size_t pages);
	long (*duplicates)(size_t pages);
	bool (*is_volatile)(size_t page);
	bool zero;
	bool writes;
	bool huge;
};

static const struct engine *engine;
static const struct work *work;
static size_t nr_pages;
static uint64_t *memory;
static int thread_fd = -1;

/* The watcher's account of itself. */
static double watch_begin_ns, watch_begin_cpu_ns, asleep_ns, nap_cost_ns;
static long naps;
/* What registering took of our own time, which is the engine's. */
static double register_ns;

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "bench %s %s: ", work ? work->name : "", engine ? engine->name : "");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void row(const char *what, const char *unit, double value)
{
	printf("%s_%s %zu %s %s %.4f\n", work->name, what, nr_pages, unit, engine->name, value);
	fflush(stdout);
}

static bool try_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) >= 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static void put(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *path, const char *fmt, ...)
{
	char text[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!try_put(path, text))
		die("write '%s' to %s: %s", text, path, strerror(errno));
}

/* Knobs that only some kernels have. */
static void put_if_there(const char *path, const char *text)
{
	if (!access(path, W_OK))
		put(path, "%s", text);
}

static void get_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	while (got < size - 1 && (n = read(fd, text + got, size - 1 - got)) > 0)
		got += n;
	text[got] = 0;
	close(fd);
}

static long long get(const char *path)
{
	char text[64];

	get_text(path, text, sizeof(text));
	return atoll(text);
}

/* Kernel threads are found by name; the one asked for is there. */
static pid_t thread_pid(const char *name)
{
	char path[320], comm[64];
	struct dirent *entry;
	pid_t pid = 0;
	DIR *proc = opendir("/proc");

	while (!pid && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (access(path, R_OK))
			continue;
		get_text(path, comm, sizeof(comm));
		comm[strcspn(comm, "\n")] = 0;
		if (!strcmp(comm, name))
			pid = atoi(entry->d_name);
	}
	closedir(proc);
	if (!pid)
		die("no kernel thread '%s'", name);
	return pid;
}

static double clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static double own_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t *page_at(size_t page)
{
	return memory + page * WORDS;
}

/* A guest at work: what is volatile gets another first word, some of it with every tick. */
static void rewrite_some(void)
{
	static size_t next;
	size_t end = next + nr_pages / TICKS_A_REWRITE;

	if (!work->is_volatile)
		return;
	for (; next < end; next++)
		if (work->is_volatile(next % nr_pages))
			page_at(next % nr_pages)[0] += next + 1;
	next %= nr_pages;
}

static void tick(void)
{
	struct timespec nap = { .tv_nsec = engine->poll_us * 1000 };
	double begin = clock_ns(CLOCK_MONOTONIC);

	nanosleep(&nap, NULL);
	asleep_ns += clock_ns(CLOCK_MONOTONIC) - begin;
	naps++;
	rewrite_some();
}

/* CPU time that the scheduler counted as ours while we slept: nothing of what we did. */
static double slept_cpu_ns(void)
{
	double awake = clock_ns(CLOCK_MONOTONIC) - watch_begin_ns - asleep_ns;

	return own_ns() - watch_begin_cpu_ns - awake;
}

/*
 * CPU time of the engine's thread. When a timer wakes us the scheduler takes the time once, then, and
 * not again when the thread at last makes way: what it does in between is counted as ours (see
 * rq_clock_skip_update() of the kernel). So it is given back, less what going to sleep costs.
 */
static double engine_ns(void)
{
	char text[128];
	ssize_t n = pread(thread_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		die("schedstat of the engine's thread: %s", strerror(errno));
	text[n] = 0;
	return strtod(text, NULL) + slept_cpu_ns() - naps * nap_cost_ns;
}

/* Memory with content that can be made again at any time. */
static uint64_t word_of(uint64_t id, size_t k)
{
	uint64_t x = id * 0x9e3779b97f4a7c15ULL + k;

	x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ULL;
	return id ? x ^ (x >> 32) : 0;
}

static uint64_t expected(size_t page, size_t k)
{
	uint64_t id = work->id(page, nr_pages);

	/* Content numbers with the top bit set differ only in the last word. */
	if (id >> 63)
		return k == WORDS - 1 ? id : word_of(1, k);
	return word_of(id, k);
}

static void fill(void)
{
	size_t page, k;

	memory = mmap(NULL, (nr_pages + REGION) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (memory == MAP_FAILED)
		die("mmap of %zu pages: %s", nr_pages, strerror(errno));
	/* As a guest's memory lies in QEMU, fit for huge pages. */
	memory = (uint64_t *)(((uintptr_t)memory + REGION * PAGE - 1) & ~(REGION * PAGE - 1));
	madvise(memory, nr_pages * PAGE, work->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (madvise(memory, nr_pages * PAGE, MADV_MERGEABLE))
		die("MADV_MERGEABLE: %s", strerror(errno));
	for (page = 0; page < nr_pages; page++)
		for (k = 0; k < WORDS; k++)
			page_at(page)[k] = expected(page, k);
}

/* @written: the first word of every page was inverted by us. */
static void check(const char *when, bool written)
{
	size_t page, k;

	for (page = 0; page < nr_pages; page++)
		for (k = work->is_volatile && work->is_volatile(page); k < WORDS; k++)
			if (page_at(page)[k] != (expected(page, k) ^ (written && !k ? ~0ULL : 0)))
				die("%s: page %zu is wrong at word %zu", when, page, k);
}

/* From now on we preempt the engine; what going to sleep and waking costs is measured without it. */
static void become_watcher(void)
{
	struct sched_param param = { .sched_priority = 10 };
	int i;

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		die("SCHED_FIFO: %s", strerror(errno));
	watch_begin_ns = clock_ns(CLOCK_MONOTONIC);
	watch_begin_cpu_ns = own_ns();
	for (i = 0; i < 100; i++)
		tick();
	nap_cost_ns = slept_cpu_ns() / naps;
}

static void ksm_set_up(void)
{
	put(KSM "run", "2");
	put(KSM "run", "0");
	put(KSM "use_zero_pages", "%d", work->zero);
	put(KSM "pages_to_scan", engine->tuned ? "20000" : "100");
	put(KSM "sleep_millisecs", engine->tuned ? "0" : "20");
	put(KSM "max_page_sharing", engine->tuned ? "100000" : "256");
	put_if_there(KSM "smart_scan", "1");
}

static void pagefold_set_up(void)
{
	const char *dir = getenv("PF_MODULES");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/pagefold.ko", dir ? dir : "/modules");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die("insmod %s: %s", path, strerror(errno));
	close(fd);
	put(PF "cpu_percent", "100");
	put(PF "pass_interval_ms", "0");
	register_ns = own_ns();
	put(PF "register", "%d policy=madvise", getpid());
	register_ns = own_ns() - register_ns;
}

static void start(void)
{
	char path[64];

	put(engine->ksm ? KSM "run" : PF "run", "1");
	snprintf(path, sizeof(path), "/proc/%d/schedstat",
		 thread_pid(engine->ksm ? "ksmd" : "pagefold/0"));
	thread_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (thread_fd < 0)
		die("%s: %s", path, strerror(errno));
}

static void pause_engine(void)
{
	put(engine->ksm ? KSM "run" : PF "run", "0");
}

static long long rss_anon_pages(void)
{
	static char text[8192];
	char *field;

	get_text("/proc/self/status", text, sizeof(text));
	field = strstr(text, "RssAnon:");
	return field ? atoll(field + 8) / 4 : -1;
}

/*
 * Before 6.2 a thread tells its mm of pages only every 64 faults. Faults that read what nobody wrote
 * bring no page of one's own, and make it tell.
 */
static void settle_rss(void)
{
	size_t i, pages = 160;
	volatile char *empty = mmap(NULL, pages * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (empty == MAP_FAILED)
		die("mmap of %zu pages: %s", pages, strerror(errno));
	for (i = 0; i < pages; i++)
		(void)empty[i * PAGE];
	munmap((void *)empty, pages * PAGE);
}

/* Pages of memory that are saved. */
static long long saved(void)
{
	static long long begin = -1;

	if (!engine->ksm)
		return get(PF "folded_pages") - get(PF "frames") + get(PF "zero_pages");
	if (!work->zero)
		return get(KSM "pages_sharing");
	if (!access(KSM "ksm_zero_pages", R_OK))
		return get(KSM "ksm_zero_pages");
	/* Before 6.6 KSM does not count zero pages; the first answer comes before it began. */
	if (begin < 0) {
		settle_rss();
		begin = rss_anon_pages();
	}
	return begin - rss_anon_pages();
}

static long long passes(void)
{
	char path[64];

	if (engine->ksm)
		return get(KSM "full_scans");
	snprintf(path, sizeof(path), PF "vms/%d/passes", getpid());
	return get(path);
}

/* Wait for @count passes, and more until they took @enough; returns what one took. */
static double run_passes(int count, double enough)
{
	double begin = engine_ns(), used;
	long long first = passes(), now;

	do {
		long long before = passes();

		while ((now = passes()) == before)
			tick();
		used = engine_ns() - begin;
	} while (now < first + count || used < enough);
	return used / (now - first);
}

/* CPU time until so many twentieths of the duplicates were folded: how fast savings come. */
struct curve {
	double ns[21];
	int at;
};

static void curve_add(struct curve *curve, long long goal, long long now, double ns)
{
	while (curve->at <= 20 && now * 20 >= goal * curve->at)
		curve->ns[curve->at++] = ns;
}

static void curve_rows(const struct curve *curve)
{
	char what[16];
	int i;

	for (i = 1; i < curve->at; i++) {
		snprintf(what, sizeof(what), "to%d", i * 5);
		row(what, "instructions", curve->ns[i]);
	}
}

/*
 * Until the last duplicate is folded, and how many passes that took; both begin where nothing was
 * scanned. What an engine leaves unfolded pass after pass is told, and is not waited for.
 */
static void measure_fold(double begin, long long pass0)
{
	long long goal = work->duplicates(nr_pages), now = saved(), pass = pass0, last_pass = pass0;
	struct curve curve = { .at = 1 };
	double ns = 0;

	while (now < goal && passes() - last_pass < PASSES_IDLE) {
		long long before = now;

		tick();
		now = saved();
		if (now > before) {
			last_pass = pass;
			ns = engine_ns() - begin;
			curve_add(&curve, goal, now, ns);
		}
		pass = passes();
	}
	row("fold", "instructions", ns);
	row("fold_each", "instructions/page", ns / nr_pages);
	row("fold_passes", "passes", last_pass - pass0 + 1);
	row("saved", "%of_possible", 100.0 * (now < goal ? now : goal) / goal);
	curve_rows(&curve);
	/* The pass under way is not a whole one. */
	run_passes(1, 0);
}

static bool skips_by_age(void)
{
	return engine->ksm && !access(KSM "smart_scan", R_OK);
}

/*
 * What a pass costs when all is known: over as many passes as it takes for an engine that leaves out
 * some of them. smart_scan looks at a page that stays unique in ever fewer passes, at last in one of
 * nine; Pagefold at a region in which nothing changes at last in one of 25 to 32.
 */
static void measure_steady(void)
{
	bool ages = skips_by_age();
	double each;

	if (!engine->ksm) {
		put(PF "rest_passes_max", "0");
		row("look", "instructions/page", run_passes(3, STEADY_NS) / nr_pages);
		put(PF "rest_passes_max", "31");
		run_passes(PASSES_SETTLE, 0);
		each = run_passes(PASSES_LONG, 0) / nr_pages;
	} else {
		run_passes(ages ? 12 : 1, 0);
		each = run_passes(ages ? 9 : 3, ages ? 0 : STEADY_NS) / nr_pages;
	}
	row("steady", "instructions/page", each);
	row("idle", "instructions/page/12passes", 12 * each);
}

static double ksm_slab_bytes(void)
{
	static char text[65536];
	double bytes = 0;
	char *line;

	get_text("/proc/slabinfo", text, sizeof(text));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long active, all, size;

		if (!strncmp(line, "ksm_", 4) && sscanf(line, "%*s %lu %lu %lu", &active, &all, &size) == 3)
			bytes += (double)active * size;
	}
	if (!bytes)
		die("no ksm_* in /proc/slabinfo");
	return bytes;
}

static void measure_metadata(void)
{
	double bytes = engine->ksm ? ksm_slab_bytes() : get(PF "metadata_bytes");

	row("metadata", "bytes/page", bytes / nr_pages);
}

/*
 * The bound below which 99 of 100 holds of the mmap lock stayed. An instruction takes 1 ns here; of a
 * machine that does 3 a nanosecond, which 3 GHz at one instruction a cycle are, it takes a third.
 */
static void measure_holds(void)
{
	long long count[17], all = 0, sum = 0;
	long bound = 16;
	char path[64];
	int i;

	for (i = 0; i < 17; i++, bound *= 2) {
		snprintf(path, sizeof(path), PF "lock_hold/%s_%ldus", i < 16 ? "lt" : "ge",
			 i < 16 ? bound : bound / 2);
		count[i] = get(path);
		all += count[i];
	}
	for (i = 0, bound = 16; i < 16; i++, bound *= 2) {
		sum += count[i];
		if (sum * 100 >= all * 99)
			break;
	}
	row("hold_p99", "us_native", bound / 3.0);
}

static long long huge_kib(void)
{
	static char text[1 << 16];
	char *field;

	get_text("/proc/self/smaps_rollup", text, sizeof(text));
	field = strstr(text, "AnonHugePages:");
	return field ? atoll(field + 14) : 0;
}

static void measure_writes(void)
{
	double begin = own_ns();
	size_t page;

	for (page = 0; page < nr_pages; page++)
		page_at(page)[0] = ~expected(page, 0);
	row("write", "instructions/page", (own_ns() - begin) / nr_pages);
}

static void measure_unfold(void)
{
	long long pages = engine->ksm ? get(KSM "pages_sharing") + get(KSM "pages_shared") :
				       get(PF "folded_pages");
	double begin = own_ns(), ns;
	bool done = try_put(engine->ksm ? KSM "run" : PF "run", "2");
	int err = errno;

	ns = own_ns() - begin;
	if (!done) {
		fprintf(stderr, "%s %s does not unfold: %s\n", work->name, engine->name, strerror(err));
		return;
	}
	row("unfold", "instructions/page", ns / pages);
	row("unfold_rate", "MiB/s", pages * PAGE / 1048576.0 / (ns / 1e9));
}

static void end(void)
{
	if (engine->ksm)
		put(KSM "run", "2");
	pause_engine();
	check("in the end", work->writes);
	if (!engine->ksm && syscall(SYS_delete_module, "pagefold", O_NONBLOCK))
		die("rmmod pagefold: %s", strerror(errno));
}

static void measure(void)
{
	long long pass0;
	double begin;

	fill();
	if (engine->ksm)
		ksm_set_up();
	else
		pagefold_set_up();
	become_watcher();
	saved();
	pass0 = passes();
	start();
	/* KSM's thread lived before; nothing has run since the line above, for the watcher did not sleep. */
	begin = engine->ksm ? engine_ns() : -register_ns;
	if (work->duplicates) {
		measure_fold(begin, pass0);
		if (!engine->ksm)
			measure_holds();
		if (work->huge)
			row("kept", "KiB", huge_kib());
	} else {
		while (passes() == pass0)
			tick();
		row("first", "instructions/page", (engine_ns() - begin) / nr_pages);
	}
	if (!work->huge && !work->is_volatile) {
		measure_steady();
		measure_metadata();
	}
	pause_engine();
	check("folded", false);
	if (work->writes)
		measure_writes();
	else if (work->duplicates && !work->zero && !work->is_volatile)
		measure_unfold();
	end();
}

static uint64_t id_copies(size_t page, size_t pages)
{
	return page % 2 ? 1 + page / 2 % CONTENTS : pages + page;
}

static uint64_t id_unique(size_t page, size_t pages)
{
	return 1 + page;
}

static uint64_t id_last8(size_t page, size_t pages)
{
	return 1ULL << 63 | page;
}

static uint64_t id_pairs(size_t page, size_t pages)
{
	return 1 + page % (pages / 2);
}

static uint64_t id_zero(size_t page, size_t pages)
{
	return 0;
}

/* Two rich regions of eight, two volatile ones, four of unique pages. */
static uint64_t id_mixed(size_t page, size_t pages)
{
	return page / REGION % 8 < 2 ? 1 + page % CONTENTS : pages + page;
}

static bool volatile_mixed(size_t page)
{
	return page / REGION % 8 >= 6;
}

/* Of every other huge page half is duplicates, of the rest a 64th. */
static uint64_t id_huge(size_t page, size_t pages)
{
	bool twice = page / REGION % 2 ? page % 64 == 0 : page % 2 == 0;

	return twice ? 1 + page / 2 % CONTENTS : pages + page;
}

static long mixed_less_contents(size_t pages)
{
	return pages / 4 - CONTENTS;
}

static long huge_less_contents(size_t pages)
{
	static bool seen[CONTENTS + 1];
	size_t page;
	long twice = 0, contents = 0;

	for (page = 0; page < pages; page++) {
		uint64_t id = id_huge(page, pages);

		if (id > CONTENTS)
			continue;
		twice++;
		contents += !seen[id];
		seen[id] = true;
	}
	return twice - contents;
}

static long half_less_contents(size_t pages)
{
	return pages / 2 - CONTENTS;
}

static long half(size_t pages)
{
	return pages / 2;
}

static long all(size_t pages)
{
	return pages;
}

static const struct work works[] = {
	{ .name = "copies", .id = id_copies, .duplicates = half_less_contents },
	{ .name = "unique", .id = id_unique },
	{ .name = "last8", .id = id_last8 },
	{ .name = "pairs", .id = id_pairs, .duplicates = half, .writes = true },
	{ .name = "zero", .id = id_zero, .duplicates = all, .zero = true, .writes = true },
	{ .name = "mixed", .id = id_mixed, .duplicates = mixed_less_contents,
	  .is_volatile = volatile_mixed },
	{ .name = "huge", .id = id_huge, .duplicates = huge_less_contents, .huge = true },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc == 4 && i < sizeof(engines) / sizeof(engines[0]); i++)
		if (!strcmp(argv[2], engines[i].name))
			engine = &engines[i];
	for (i = 0; argc == 4 && i < sizeof(works) / sizeof(works[0]); i++)
		if (!strcmp(argv[1], works[i].name))
			work = &works[i];
	nr_pages = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	if (!engine || !work || nr_pages < 8 * REGION || nr_pages % (8 * REGION)) {
		fprintf(stderr, "usage: %s copies|unique|last8|pairs|zero|mixed|huge "
			"ksm_default|ksm_tuned|pagefold PAGES, a multiple of %d\n", argv[0], 8 * REGION);
		return 2;
	}
	measure();
	return 0;
}
