// SPDX-License-Identifier: GPL-2.0-only
/*
 * fold.c: the same memory folded by mainline KSM and by Pagefold, measured in CPU time of their threads.
 *
 * Runs in the virtual host with one CPU whose clock counts instructions, so that a nanosecond of a
 * thread's CPU time is an instruction. The process makes the memory, lets one engine fold it and
 * watches with real-time priority: neither its own time nor its sleep is in the figures. What could be
 * saved it counts itself, in the contents, before anybody folds them.
 * It prints rows "MEASURE PAGES UNIT ENGINE VALUE" and fails only if something did not work or content
 * was wrong.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Where count.c sees that a phase begins or ends: functions of their own, whatever the optimizer thinks. */
#define MARK		__attribute__((noinline, noclone))
#define PAGE		4096UL
#define WORDS		(PAGE / sizeof(uint64_t))
#define KSM		"/sys/kernel/mm/ksm/"
#define PF		"/sys/kernel/pagefold/"
#define TRACING		"/sys/kernel/tracing/"
#define CONTENTS	500
#define REGION		512
/* An engine that folds nothing more in so many passes will not. */
#define PASSES_IDLE	4
/* Until regions in which nothing changes rest as long as they ever do, and for whole rests. */
#define PASSES_SETTLE	64
#define PASSES_LONG	128
#define PASSES_LONGER	512
/* Memory of so many pages at most is small enough for more of them. */
#define PAGES_LONGER	32768
/* What the goal for idle memory asks for. */
#define PASSES_UNCHANGED	12
/* Passes over memory that is written between each two of them: more where some are left out. */
#define PASSES_VOLATILE	28
#define PASSES_VOLATILE_KSM	7
/* One tick rewrites this share of what is volatile. */
#define TICKS_A_REWRITE	50
/* Short passes are measured for this long: the watcher sees their ends a little late. */
#define STEADY_NS	300e6
#define SHORT_NS	10e6
/* Guests whose memory was kept, and the load that one of them is put under. */
#define GUESTS		3
#define GUEST_PAGES_MAX	(256UL << 8)
#define REQUESTS_MAX	(1 << 17)
#define REQUESTS_ALONE	4000
/* No multiple of a tick */
#define REQUEST_NS	1100000LL
#define REQUEST_READS	16
#define REQUEST_WRITES	2
#define HOT_PAGES	256
/* Events of the scheduler while one is under load. */
#define EVENTS_MAX	(1 << 17)
/* Huge pages that are split one by one. */
#define SPLITS		64

/* One engine, the way it is set up; and whether its holds of the lock are what is asked. */
struct engine {
	const char *name;
	long poll_us;
	bool ksm;
	bool tuned;
	bool holds;
};

static const struct engine engines[] = {
	/* At its default KSM looks at 100 pages and sleeps 20 ms: looking more often sees nothing new. */
	{ "ksm_default", 10000, true, false, false },
	{ "ksm_tuned", 1000, true, true, false },
	{ "pagefold", 1000, false, true, false },
	/* Apart, because events are recorded for that, which takes some time of its own. */
	{ "holds", 1000, false, true, true },
};

/*
 * A kind of memory: content number of each page (0: zeros); whether something of it folds; which of it is
 * rewritten, while it is scanned or between the passes; whether huge pages hold it; whether it is that of
 * guests, each in a process of its own, and one of them under load, and whether is asked what that waits for;
 * whether KSM's advisor says how much it looks at; whether we who look on are to count as others who want the CPU.
 */
struct work {
	const char *name;
	uint64_t (*id)(size_t page, size_t pages);
	bool (*is_volatile)(size_t page);
	bool folds;
	bool between;
	bool zero;
	bool writes;
	bool huge;
	bool guests;
	bool load;
	bool waits;
	bool advised;
	bool crowd;
};

static const struct engine *engine;
static const struct work *work;
static size_t nr_pages;
static uint64_t *memory;
static int thread_fd = -1;
/* Pages that could be saved, as the oracle counted them: zero ones, and those that equal others. */
static long long possible_zero, possible_equal, possible;

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

static MARK void row(const char *what, const char *unit, double value)
{
	printf("%s_%s %zu %s %s %.4f\n", work->name, what, work->guests ? 0 : nr_pages, unit,
	       engine->holds ? "pagefold" : engine->name, value);
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

	if (!work->is_volatile || work->between)
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

/* Memory with content that can be made again at any time, and cheaply: most of a run is this. */
static uint64_t word_of(uint64_t id, size_t k)
{
	uint64_t x = id * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9ULL + k * 0x94d049bb133111ebULL;
	return id ? x ^ (x >> 32) : 0;
}

static void make(size_t page, uint64_t *words)
{
	uint64_t id = work->id(page, nr_pages);
	size_t k;

	/* Content numbers with the top bit set differ only in the last word. */
	for (k = 0; k < WORDS; k++)
		words[k] = word_of(id >> 63 ? 1 : id, k);
	if (id >> 63)
		words[WORDS - 1] = id;
}

/* As a guest's memory lies in QEMU, fit for huge pages. */
static uint64_t *map_pages(size_t pages, bool offer)
{
	void *at = mmap(NULL, (pages + REGION) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	if (at == MAP_FAILED)
		die("mmap of %zu pages: %s", pages, strerror(errno));
	at = (void *)(((uintptr_t)at + REGION * PAGE - 1) & ~(REGION * PAGE - 1));
	madvise(at, pages * PAGE, work->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (offer && madvise(at, pages * PAGE, MADV_MERGEABLE))
		die("MADV_MERGEABLE: %s", strerror(errno));
	return at;
}

static void fill(void)
{
	size_t page;

	memory = map_pages(nr_pages, true);
	for (page = 0; page < nr_pages; page++)
		make(page, page_at(page));
}

struct content {
	uint64_t hash;
	const uint64_t *words;
};

static int by_hash(const void *a, const void *b)
{
	const struct content *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static uint64_t hash_of(const uint64_t *words)
{
	uint64_t hash = 0;
	size_t k;

	for (k = 0; k < WORDS; k++)
		hash = (hash ^ words[k]) * 0xff51afd7ed558ccdULL, hash ^= hash >> 29;
	return hash;
}

/*
 * The oracle: how many pages could be saved? All that are zero, and of each content that is there more
 * than once all pages but one. It reads the memory, and knows nothing of how that was made.
 */
static void count_possible(void)
{
	static const uint64_t zero[WORDS];
	struct content *all = malloc(nr_pages * sizeof(*all));
	size_t page, n = 0, first = 0, i;

	if (!all)
		die("no memory to count %zu pages", nr_pages);
	for (page = 0; page < nr_pages; page++) {
		if (!memcmp(page_at(page), zero, PAGE))
			possible_zero++;
		else
			all[n++] = (struct content){ hash_of(page_at(page)), page_at(page) };
	}
	qsort(all, n, sizeof(*all), by_hash);
	for (i = 1; i < n; i++) {
		if (all[i].hash == all[first].hash && !memcmp(all[i].words, all[first].words, PAGE))
			possible_equal++;
		else
			first = i;
	}
	free(all);
	possible = possible_zero + possible_equal;
	row("possible", "pages", possible);
}

/* @written: the first word of every page was inverted by us. */
static void check(const char *when, bool written)
{
	static uint64_t words[WORDS];
	size_t page, first;

	for (page = 0; page < nr_pages; page++) {
		make(page, words);
		if (written)
			words[0] = ~words[0];
		first = work->is_volatile && work->is_volatile(page);
		if (memcmp(page_at(page) + first, words + first, PAGE - first * sizeof(words[0])))
			die("%s: page %zu is wrong", when, page);
	}
}

/* A guest's memory, as it was when guest-dump wrote it; the pages that were there lie in our own. */
struct guest {
	pid_t pid;
	size_t pages;
	size_t present;
	uint8_t *there;
	uint64_t *kept;
	uint64_t *memory;
};

/* What a guest under load tells of its requests. */
struct load {
	volatile size_t nr;
	volatile long long slot_ns;
	long long due_ns[REQUESTS_MAX];
	float us[REQUESTS_MAX];
};

static struct guest guest[GUESTS];
static struct load *load;

static void read_all(int fd, void *to, size_t size, const char *path)
{
	ssize_t n;

	for (; size; to = (char *)to + n, size -= n) {
		n = read(fd, to, size < 1 << 20 ? size : 1 << 20);
		if (n <= 0)
			die("%s is too short", path);
	}
}

static void guest_read(struct guest *g, int no)
{
	char path[64];
	uint64_t pages;
	size_t i;
	int fd;

	snprintf(path, sizeof(path), "/files/guest-%d", no);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	read_all(fd, &pages, sizeof(pages), path);
	g->pages = pages;
	g->there = malloc(pages);
	if (!g->there)
		die("no memory for %s", path);
	read_all(fd, g->there, pages, path);
	for (i = 0; i < pages; i++)
		g->present += g->there[i];
	g->kept = memory + nr_pages * WORDS;
	read_all(fd, g->kept, g->present * PAGE, path);
	nr_pages += g->present;
	close(fd);
}

static uint64_t random_next(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static struct timespec as_timespec(long long ns)
{
	return (struct timespec) { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

/*
 * Requests come whether the one before is done or not: each reads a word of some pages of all that the guest
 * has and writes one of few. What one takes counts from when it came, which is anywhere in the first half of a
 * slot of time: at fixed times all would come in one and the same moment of the kernel's ticks.
 */
static void guest_serve(struct guest *g, uint64_t **at)
{
	long long slot_ns = clock_ns(CLOCK_MONOTONIC), due_ns;
	struct timespec due;
	int i;

	while (load->nr < REQUESTS_MAX) {
		slot_ns += REQUEST_NS;
		due_ns = slot_ns + random_next() % (REQUEST_NS / 2);
		due = as_timespec(due_ns);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		for (i = 0; i < REQUEST_READS; i++)
			*(volatile uint64_t *)at[random_next() % g->present];
		for (i = 0; i < REQUEST_WRITES; i++)
			(*(volatile uint64_t *)at[random_next() % HOT_PAGES])++;
		load->us[load->nr] = (clock_ns(CLOCK_MONOTONIC) - due_ns) / 1e3;
		load->due_ns[load->nr] = due_ns;
		load->slot_ns = slot_ns;
		load->nr++;
	}
}

static void guest_live(struct guest *g, bool serves, int ready)
{
	uint64_t **at = malloc(g->present * sizeof(*at)), *own;
	size_t i, n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	if (!at)
		die("no memory for a guest");
	for (i = 0, own = g->memory; i < g->pages; i++, own += WORDS) {
		if (!g->there[i])
			continue;
		memcpy(own, g->kept + n * WORDS, PAGE);
		at[n++] = own;
	}
	/* What is written lies anywhere. */
	for (i = 0; i < n; i++) {
		size_t k = random_next() % n;

		own = at[i];
		at[i] = at[k];
		at[k] = own;
	}
	if (write(ready, "", 1) != 1)
		die("pipe");
	if (serves)
		guest_serve(g, at);
	pause();
}

static void guests_start(void)
{
	int ready[2], i;
	char byte;

	/* Pages of ours are not offered: this is what they are compared with. */
	memory = map_pages(GUESTS * GUEST_PAGES_MAX, false);
	load = mmap(NULL, sizeof(*load), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load == MAP_FAILED || pipe(ready))
		die("guests: %s", strerror(errno));
	for (i = 0; i < GUESTS; i++)
		guest_read(&guest[i], i);
	for (i = 0; i < GUESTS; i++) {
		guest[i].memory = map_pages(guest[i].pages, true);
		fflush(stdout);
		guest[i].pid = fork();
		if (guest[i].pid < 0)
			die("fork: %s", strerror(errno));
		if (!guest[i].pid)
			guest_live(&guest[i], work->load && !i, ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			die("a guest did not come up");
	}
	close(ready[0]);
	close(ready[1]);
}

/* Every page of every guest must be as it was, but those that a load writes. */
static void guests_check(const char *when)
{
	static uint64_t page[WORDS];
	size_t i, n, wrong;
	int g;

	for (g = 0; g < GUESTS; g++) {
		for (i = n = wrong = 0; i < guest[g].pages; i++) {
			struct iovec to = { page, PAGE }, from = { guest[g].memory + i * WORDS, PAGE };

			if (!guest[g].there[i])
				continue;
			if (process_vm_readv(guest[g].pid, &to, 1, &from, 1, 0) != (ssize_t)PAGE)
				die("%s: guest %d cannot be read: %s", when, g, strerror(errno));
			wrong += !!memcmp(page, guest[g].kept + n++ * WORDS, PAGE);
		}
		if (wrong > (work->load && !g ? HOT_PAGES : 0))
			die("%s: %zu pages of guest %d are wrong", when, wrong, g);
	}
}

/* From now on we preempt the engine; what going to sleep and waking costs is measured without it. */
static MARK void become_watcher(void)
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
	/* Nobody else may say how many pages while it does. */
	put_if_there(KSM "advisor_mode", "none");
	put(KSM "pages_to_scan", engine->tuned ? "20000" : "100");
	put(KSM "sleep_millisecs", engine->tuned ? "0" : "20");
	put(KSM "max_page_sharing", engine->tuned ? "100000" : "256");
	put_if_there(KSM "smart_scan", "1");
	if (work->advised)
		put(KSM "advisor_mode", "scan-time");
}

static void pagefold_set_up(void)
{
	const char *dir = getenv("PF_MODULES");
	char path[256];
	int fd, i;

	snprintf(path, sizeof(path), "%s/pagefold.ko", dir ? dir : "/modules");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die("insmod %s: %s", path, strerror(errno));
	close(fd);
	/* A guest under load is scanned as any host would. */
	if (!work->load)
		put(PF "cpu_percent", "100");
	/*
	 * We come each ms, and are not there where nobody measures. Where others are meant to come it is the
	 * default on a CPU that does 3 instructions a nanosecond: here it does one.
	 */
	put(PF "busy_hold_max_us", work->load || work->crowd ? "30" : "1000");
	put(PF "pass_interval_ms", "0");
	register_ns = own_ns();
	for (i = 0; i < (work->guests ? GUESTS : 1); i++)
		put(PF "register", "%d policy=madvise", work->guests ? guest[i].pid : getpid());
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

static long long rss_anon_pages_of(pid_t pid)
{
	static char text[8192];
	char path[64], *field;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	get_text(path, text, sizeof(text));
	field = strstr(text, "RssAnon:");
	return field ? atoll(field + 8) / 4 : -1;
}

static long long rss_anon_pages(void)
{
	long long pages = 0;
	int i;

	if (!work->guests)
		return rss_anon_pages_of(getpid());
	for (i = 0; i < GUESTS; i++)
		pages += rss_anon_pages_of(guest[i].pid);
	return pages;
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

/* Pages of zeros that are saved. */
static long long saved_zero(void)
{
	static long long begin = -1;

	if (!engine->ksm)
		return get(PF "zero_pages");
	if (!work->zero)
		return 0;
	if (!access(KSM "ksm_zero_pages", R_OK))
		return get(KSM "ksm_zero_pages");
	/* Before 6.6 KSM does not count zero pages; the first answer comes before it began. */
	if (begin < 0) {
		settle_rss();
		begin = rss_anon_pages();
	}
	return begin - rss_anon_pages();
}

/* Of other contents what is saved. */
static long long saved_equal(void)
{
	if (engine->ksm)
		return get(KSM "pages_sharing");
	return get(PF "folded_pages") - get(PF "frames");
}

static long long saved(void)
{
	return saved_zero() + saved_equal();
}

static long long passes(void)
{
	char path[64];

	if (engine->ksm)
		return get(KSM "full_scans");
	if (work->guests)
		return get(PF "passes");
	snprintf(path, sizeof(path), PF "vms/%d/passes", getpid());
	return get(path);
}

/* Wait for @count passes, and if these are short for more until they took @enough; returns what one took. */
static double run_passes(int count, double enough)
{
	double begin = engine_ns(), used;
	long long first = passes(), now;

	do {
		long long before = passes();

		while ((now = passes()) == before)
			tick();
		used = engine_ns() - begin;
	} while (now < first + count || (used < enough && used < SHORT_NS * (now - first)));
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
	long long goal = possible, now = saved(), pass = pass0, last_pass = pass0;
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
	if (!engine->holds) {
		row("fold", "instructions", ns);
		row("fold_each", "instructions/page", ns / nr_pages);
		row("fold_passes", "passes", last_pass - pass0 + 1);
		row("saved", "%of_possible", 100.0 * now / goal);
		if (work->guests) {
			row("saved_zero", "%of_possible", 100.0 * saved_zero() / possible_zero);
			row("saved_equal", "%of_possible", 100.0 * saved_equal() / possible_equal);
		}
		curve_rows(&curve);
	}
	/* The pass under way is not a whole one. */
	run_passes(1, 0);
}

/* What so many passes over memory in which nothing changes cost. */
static void unchanged_row(const char *what, double pass_ns)
{
	row(what, "instructions/page/12passes", PASSES_UNCHANGED * pass_ns / nr_pages);
}

/*
 * smart_scan looks at a page that stays unique in ever fewer passes, at last in one of nine: a pass is measured
 * over so many. These are the same for all pages that came together, so that twelve passes have two looks or
 * one, as they begin. Where all passes are alike few will do.
 */
static double ksm_steady(void)
{
	bool ages = !access(KSM "smart_scan", R_OK);
	double each;

	unchanged_row("settling", run_passes(ages ? PASSES_UNCHANGED : 1, 0));
	each = run_passes(ages ? 9 : 3, ages ? 0 : STEADY_NS);
	unchanged_row("twelve", ages ? (9 * each + 3 * run_passes(3, 0)) / 12 : each);
	return each;
}

/*
 * Pagefold looks at a region in which nothing changes at last in one of 25 to 32 passes, at each in one that
 * is drawn: a pass is measured over many.
 */
static double pagefold_steady(void)
{
	int count = work->folds || nr_pages > PAGES_LONGER ? PASSES_LONG : PASSES_LONGER;
	double each;

	if (nr_pages <= PAGES_LONGER)
		unchanged_row("settling", run_passes(PASSES_UNCHANGED, 0));
	put(PF "rest_passes_max", "0");
	/* The pass under way may have passed over all that rested before. */
	run_passes(1, 0);
	row("look", "instructions/page", run_passes(3, STEADY_NS) / nr_pages);
	put(PF "rest_passes_max", "31");
	run_passes(PASSES_SETTLE, 0);
	each = run_passes(count, 0);
	unchanged_row("twelve", run_passes(PASSES_UNCHANGED, 0));
	return each;
}

/*
 * What a pass costs when all is known; and what twelve do, as the goal asks: right after memory was first looked
 * through, as they come when all has settled, and in the mean of all those.
 */
static void measure_steady(void)
{
	double each = engine->ksm ? ksm_steady() : pagefold_steady();

	row("steady", "instructions/page", each / nr_pages);
	unchanged_row("idle", each);
}

/* What a pass costs where every page was written since the last one. */
static void measure_volatile(void)
{
	int pass, most = engine->ksm ? PASSES_VOLATILE_KSM : PASSES_VOLATILE;
	double begin = engine_ns();
	size_t page;

	for (pass = 0; pass < most; pass++) {
		for (page = 0; page < nr_pages; page++)
			page_at(page)[0] += nr_pages;
		run_passes(1, 0);
	}
	row("pass", "instructions/page", (engine_ns() - begin) / nr_pages / most);
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
	row("metadata_ram", "%of_memory", 100 * bytes / nr_pages / PAGE);
}

static void holds_begin(void)
{
	put(TRACING "buffer_size_kb", "8192");
	put(TRACING "events/pagefold/pagefold_fold/enable", "1");
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * How long was the mmap lock held for a batch? Each is in the trace. An instruction takes 1 ns here; of
 * a machine that does 3 a nanosecond, which 3 GHz at one instruction a cycle are, it takes a third.
 */
static void measure_holds(void)
{
	static double us[1 << 16];
	char line[512], *at;
	size_t n = 0;
	FILE *trace;

	put(TRACING "events/pagefold/pagefold_fold/enable", "0");
	trace = fopen(TRACING "trace", "r");
	if (!trace)
		die(TRACING "trace: %s", strerror(errno));
	while (n < sizeof(us) / sizeof(us[0]) && fgets(line, sizeof(line), trace)) {
		at = line[0] != '#' ? strstr(line, " hold_ns=") : NULL;
		if (at)
			us[n++] = strtod(at + 9, NULL) / 1e3 / 3;
	}
	fclose(trace);
	if (!n)
		die("no pagefold_fold in the trace");
	qsort(us, n, sizeof(us[0]), by_size);
	row("hold_count", "batches", n);
	row("hold_p50", "us_native", us[n / 2]);
	row("hold_p99", "us_native", us[n - 1 - n / 100]);
	row("hold_max", "us_native", us[n - 1]);
}

/* What requests @first to @end, not included, took. */
static void load_rows(const char *when, size_t first, size_t end)
{
	static double us[REQUESTS_MAX];
	char what[32];
	size_t i, n = end - first;

	for (i = 0; i < n; i++)
		us[i] = load->us[first + i];
	qsort(us, n, sizeof(us[0]), by_size);
	snprintf(what, sizeof(what), "p50%s", when);
	row(what, "us", us[n / 2]);
	snprintf(what, sizeof(what), "p99%s", when);
	row(what, "us", us[n - 1 - n / 100]);
	snprintf(what, sizeof(what), "max%s", when);
	row(what, "us", us[n - 1]);
}

/* Who has the CPU; or it does not matter who, since the request was not woken yet, or waits for something else. */
enum who { OTHER, LOAD, ENGINE, WATCHER, UNWOKEN, BLOCKED, NR_WHO };

/* After this event: who has the CPU; does the load want it; did the scheduler just prefer the engine to it? */
struct event {
	double us;
	enum who runs;
	bool ready;
	bool preferred;
};

static void waits_begin(void)
{
	put(TRACING "trace_clock", "mono");
	put(TRACING "buffer_size_kb", "32768");
	put(TRACING "events/sched/sched_wakeup/filter", "pid==%d", guest[0].pid);
	put(TRACING "events/sched/sched_wakeup/enable", "1");
	put(TRACING "events/sched/sched_switch/enable", "1");
}

static enum who who_is(pid_t pid, pid_t engine_pid)
{
	return pid == guest[0].pid ? LOAD : pid == engine_pid ? ENGINE : pid == getpid() ? WATCHER : OTHER;
}

/*
 * A line of the trace: "COMM-PID [CPU] FLAGS TIME: EVENT: …". The second flag tells that one is to make way, and a
 * wakeup is told of when that is decided.
 */
static bool event_read(const char *line, struct event *event, pid_t engine_pid)
{
	const char *flags = strstr(line, "] "), *prev = strstr(line, " prev_pid="), *at;

	if (line[0] == '#' || !flags)
		return false;
	at = strpbrk(flags + 2, " ");
	event->us = at ? strtod(at, NULL) * 1e6 : 0;
	event->preferred = false;
	if (strstr(line, ": sched_wakeup: ")) {
		event->ready = true;
		event->preferred = event->runs == ENGINE && flags[3] == '.';
	} else if (prev) {
		/* Of who still wants to run the state begins with R. */
		if (atoi(prev + 10) == guest[0].pid)
			event->ready = strstr(prev, " prev_state=R");
		at = strstr(prev, " next_pid=");
		event->runs = who_is(at ? atoi(at + 10) : 0, engine_pid);
		event->preferred = event->runs == ENGINE && event->ready;
	}
	return true;
}

static size_t events_read(struct event *events)
{
	pid_t engine_pid = thread_pid(engine->ksm ? "ksmd" : "pagefold/0");
	struct event now = { .runs = OTHER };
	char line[512];
	size_t n = 0;
	FILE *trace;

	put(TRACING "events/sched/sched_switch/enable", "0");
	put(TRACING "events/sched/sched_wakeup/enable", "0");
	trace = fopen(TRACING "trace", "r");
	if (!trace)
		die(TRACING "trace: %s", strerror(errno));
	while (n < EVENTS_MAX && fgets(line, sizeof(line), trace))
		if (event_read(line, &now, engine_pid))
			events[n++] = now;
	fclose(trace);
	if (n < 2 || n == EVENTS_MAX)
		die("%zu events in the trace", n);
	return n;
}

/* What went by of a request while each had the CPU, into @us; returns whether the engine was preferred to it. */
static bool waited_for(size_t request, const struct event *events, size_t n, double us[NR_WHO])
{
	double begin = load->due_ns[request] / 1e3, end = begin + load->us[request], from, to;
	bool preferred = false, woken = false, wants;
	size_t i;

	for (i = 0; i + 1 < n; i++) {
		from = events[i].us > begin ? events[i].us : begin;
		to = events[i + 1].us < end ? events[i + 1].us : end;
		if (from >= to)
			continue;
		wants = events[i].ready || events[i].runs == LOAD;
		woken |= wants;
		us[wants ? events[i].runs : woken ? BLOCKED : UNWOKEN] += to - from;
		preferred |= events[i].preferred;
	}
	return preferred;
}

/* What the slowest hundredth of requests @first to @end, not included, waited for. */
static void waits_rows(size_t first, size_t end)
{
	static const char *const names[NR_WHO] = { "other", "served", "engine", "watcher", "unwoken", "blocked" };
	struct event *events = malloc(EVENTS_MAX * sizeof(*events));
	double *order = malloc((end - first) * sizeof(*order)), sum[NR_WHO] = { 0 }, longest[2] = { 0 }, all = 0, least;
	size_t i, n, slow = 0, nr_preferred = 0;
	bool preferred;
	enum who who;

	if (!events || !order)
		die("no memory for events");
	n = events_read(events);
	for (i = first; i < end; i++)
		order[i - first] = load->us[i];
	qsort(order, end - first, sizeof(*order), by_size);
	least = order[end - first - 1 - (end - first) / 100];
	for (i = first; i < end; i++) {
		double us[NR_WHO] = { 0 };

		if (load->us[i] < least)
			continue;
		slow++;
		preferred = waited_for(i, events, n, us);
		nr_preferred += preferred;
		for (who = 0; who < NR_WHO; who++)
			sum[who] += us[who];
		longest[preferred] = us[ENGINE] > longest[preferred] ? us[ENGINE] : longest[preferred];
		all += load->us[i];
	}
	row("slowest", "requests", slow);
	row("slowest_p99", "us", least);
	row("slowest_mean", "us", all / slow);
	for (who = 0; who < NR_WHO; who++)
		row(names[who], "us", sum[who] / slow);
	row("preferred", "requests", nr_preferred);
	row("engine_preferred_max", "us", longest[true]);
	row("engine_asked_max", "us", longest[false]);
	free(order);
	free(events);
}

/* What we do goes before all else, so it is done in that half of a slot in which no request comes. */
static void load_tick(void)
{
	long long now = clock_ns(CLOCK_MONOTONIC), at = now - now % REQUEST_NS;
	struct timespec when;

	at += (load->slot_ns + REQUEST_NS * 3 / 4) % REQUEST_NS;
	when = as_timespec(at > now ? at : at + REQUEST_NS);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

static void load_wait(size_t nr)
{
	while (load->nr < nr)
		load_tick();
}

/* Requests while nobody folds, and while there is something to fold. */
static void measure_load(void)
{
	long long goal = possible * 95 / 100, now;
	size_t alone, first;

	load_wait(REQUESTS_ALONE);
	alone = load->nr;
	saved();
	if (!engine->ksm)
		holds_begin();
	if (work->waits)
		waits_begin();
	start();
	/* Nor is it the engine's what the one waited for that came meanwhile. */
	load_wait(load->nr + 2);
	first = load->nr;
	while ((now = saved()) < goal && load->nr < REQUESTS_MAX)
		load_tick();
	if (work->waits) {
		waits_rows(first, load->nr);
		return;
	}
	/* The first ones find what only just came up. */
	load_rows("_alone", alone / 2, alone);
	load_rows("", first, load->nr);
	row("seconds", "s", (load->nr - first) * REQUEST_NS / 1e9);
	row("saved", "%of_possible", 100.0 * now / possible);
	if (!engine->ksm)
		measure_holds();
}

static long long huge_kib(void)
{
	static char text[1 << 16];
	char *field;

	get_text("/proc/self/smaps_rollup", text, sizeof(text));
	field = strstr(text, "AnonHugePages:");
	return field ? atoll(field + 14) : 0;
}

/*
 * What it takes to split a huge page alone: what is not wanted soon of one is split off before anything is done
 * with it.
 */
static void measure_split(void)
{
	static double us[SPLITS];
	uint64_t *at = map_pages(SPLITS * REGION, false);
	long long huge;
	size_t i;

	memset(at, 1, SPLITS * REGION * PAGE);
	huge = huge_kib();
	for (i = 0; i < SPLITS; i++) {
		double begin = own_ns();

		if (madvise(at + i * REGION * WORDS, PAGE, MADV_COLD))
			die("MADV_COLD: %s", strerror(errno));
		us[i] = (own_ns() - begin) / 1e3 / 3;
	}
	if (huge_kib() != huge - (long long)(SPLITS * REGION * PAGE / 1024))
		die("%lld KiB in huge pages became %lld", huge, huge_kib());
	qsort(us, SPLITS, sizeof(us[0]), by_size);
	row("hold_split_p50", "us_native", us[SPLITS / 2]);
	row("hold_split_max", "us_native", us[SPLITS - 1]);
	munmap(at, SPLITS * REGION * PAGE);
}

static MARK void measure_writes(void)
{
	double begin = own_ns();
	size_t page;

	for (page = 0; page < nr_pages; page++)
		page_at(page)[0] = ~page_at(page)[0];
	row("write", "instructions/page", (own_ns() - begin) / nr_pages);
}

static MARK void measure_unfold(void)
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
	if (work->guests)
		guests_check("in the end");
	else
		check("in the end", work->writes && !engine->holds);
	if (!engine->ksm && syscall(SYS_delete_module, "pagefold", O_NONBLOCK))
		die("rmmod pagefold: %s", strerror(errno));
}

static void measure_first(double begin, long long pass0)
{
	while (passes() == pass0)
		tick();
	row("first", "instructions/page", (engine_ns() - begin) / nr_pages);
}

static void measure(void)
{
	long long pass0;
	double begin;

	if (work->guests)
		guests_start();
	else
		fill();
	if (work->folds)
		count_possible();
	if (engine->ksm)
		ksm_set_up();
	else
		pagefold_set_up();
	become_watcher();
	if (work->load) {
		measure_load();
		end();
		return;
	}
	saved();
	pass0 = passes();
	if (engine->holds)
		holds_begin();
	start();
	/* KSM's thread lived before; nothing has run since the line above, for the watcher did not sleep. */
	begin = engine->ksm ? engine_ns() : -register_ns;
	if (work->folds)
		measure_fold(begin, pass0);
	else
		measure_first(begin, pass0);
	if (engine->holds) {
		measure_holds();
		if (work->huge)
			measure_split();
		end();
		return;
	}
	if (work->crowd) {
		end();
		return;
	}
	if (work->between)
		measure_volatile();
	else if (work->huge)
		row("kept", "KiB", huge_kib());
	else if (!work->is_volatile && !work->guests)
		measure_steady();
	if (!work->huge && !work->between)
		measure_metadata();
	pause_engine();
	if (work->writes) {
		/* What is wrong now is wrong in the end as well, unless it is written. */
		check("folded", false);
		measure_writes();
	} else if (work->folds && !work->zero && !work->is_volatile) {
		measure_unfold();
	}
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

static bool volatile_all(size_t page)
{
	return true;
}

/* Of every other huge page half is duplicates, of the rest a 64th. */
static uint64_t id_huge(size_t page, size_t pages)
{
	bool twice = page / REGION % 2 ? page % 64 == 0 : page % 2 == 0;

	return twice ? 1 + page / 2 % CONTENTS : pages + page;
}

static const struct work works[] = {
	{ .name = "copies", .id = id_copies, .folds = true },
	{ .name = "unique", .id = id_unique },
	{ .name = "last8", .id = id_last8 },
	{ .name = "pairs", .id = id_pairs, .folds = true, .writes = true },
	{ .name = "zero", .id = id_zero, .folds = true, .zero = true, .writes = true },
	{ .name = "volatile", .id = id_unique, .is_volatile = volatile_all, .between = true },
	{ .name = "mixed", .id = id_mixed, .folds = true, .is_volatile = volatile_mixed },
	{ .name = "huge", .id = id_huge, .folds = true, .huge = true },
	{ .name = "guests", .folds = true, .zero = true, .guests = true },
	{ .name = "latency", .folds = true, .zero = true, .guests = true, .load = true },
	{ .name = "waits", .folds = true, .zero = true, .guests = true, .load = true, .waits = true },
	{ .name = "crowdcopies", .id = id_copies, .folds = true, .crowd = true },
	{ .name = "crowdpairs", .id = id_pairs, .folds = true, .crowd = true },
	{ .name = "crowdzero", .id = id_zero, .folds = true, .zero = true, .crowd = true },
	{ .name = "advised", .id = id_copies, .folds = true, .advised = true },
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
	if (!engine || !work || nr_pages % (8 * REGION) || work->guests != !nr_pages) {
		fprintf(stderr,
			"usage: %s CASE ksm_default|ksm_tuned|pagefold|holds PAGES, a multiple of %d; 0 for guests;\n"
			"CASE is copies|unique|last8|pairs|zero|volatile|mixed|huge|guests|latency|waits|crowdcopies|\n"
			"crowdpairs|crowdzero|advised\n",
			argv[0], 8 * REGION);
		return 2;
	}
	measure();
	return 0;
}
