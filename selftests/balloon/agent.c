// SPDX-License-Identifier: GPL-2.0-only
/*
 * First process of a ballooned guest: does what the test outside asks for, one line at a time.
 *
 * It must work where memory has run out, so it locks itself into memory, asks for no memory when
 * answering, and leaves all that needs some to children. Requests come over a virtio-serial port as
 * "ID WORD [ARGUMENT…]" and are answered by one line "@ID ok …" or "@ID error …":
 *   get PATH             the file's text, its lines joined by tabs
 *   set PATH VALUE
 *   insmod NAME [PARAM…] from /m; rmmod NAME
 *   sh COMMAND           what busybox sh prints, joined by tabs
 *   hold MIB SEED [N]    memory with contents that can be computed again, of N kinds; verify; drop
 *   touch MIB            dirty that much anew and give it back; microseconds
 *   grab MIB             the same so fast that on a single CPU nothing else runs meanwhile
 *   work MIB [RATE] [N]  a child that fills memory, RATE MIB a second at most, and checks it N times, 2 if
 *                        not said; working: how far it is, how it ended
 *   thrash MIB GROUP [N] a child, of the cgroup GROUP, that reads over and over what does not fit, N pages a
 *                        millisecond, 8 if not said; calm ends it
 *   fault PATH GROUP     a child, of the cgroup GROUP, that reads a device by a fault for each page; calm ends it
 *   shred MIB            memory of which every other page is free, so that those have no neighbour; drop
 *   flagged BIT          how many pages have that bit in /proc/kpageflags
 *   stream               a child that measures bandwidth in slices; streamed [MS]: percentiles of its time, which
 *                        is at least so long
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096ul
#define WORDS	(PAGE / sizeof(uint64_t))
#define MIB	(1024 * 1024ul)
#define TEXT	65536
#define SLICES	65536

struct slice {
	float bandwidth;	/* GiB/s */
	float seconds;
};

/* What children tell: shared memory, because a killed child says nothing any more. */
struct shared {
	volatile uint64_t pages;	/* of the workload, filled so far */
	volatile uint64_t wrong;
	volatile uint32_t stop;
	volatile uint32_t slices;
	struct slice slice[SLICES];
};

static struct shared *shared;
static uint64_t *arena;
static uint64_t arena_pages, arena_seed, arena_kinds;
static pid_t worker, streamer;
static uint64_t streaming;		/* since when */
static char text[TEXT];
static int port;
static char last[TEXT + 128];	/* answer, to be said again when the request is */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static void say(void)
{
	size_t at = 0, len = strlen(last);
	ssize_t n;

	while (at < len) {
		n = write(port, last + at, len - at);
		if (n > 0)
			at += n;
	}
}

static void __attribute__((format(printf, 2, 3))) answer(const char *id, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	len = snprintf(last, sizeof(last), "@%s ", id);
	va_start(ap, fmt);
	len += vsnprintf(last + len, sizeof(last) - len - 2, fmt, ap);
	va_end(ap);
	if (len > sizeof(last) - 3)
		len = sizeof(last) - 3;
	strcpy(last + len, "\n");
	say();
}

/* Lines to tabs, so that an answer is one line. */
static void flatten(char *s)
{
	size_t len = strlen(s);

	while (len && s[len - 1] == '\n')
		s[--len] = 0;
	for (; *s; s++)
		if (*s == '\n')
			*s = '\t';
}

static int slurp(int fd)
{
	size_t len = 0;
	ssize_t n;

	while (len < TEXT - 1) {
		n = read(fd, text + len, TEXT - 1 - len);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += n;
	}
	text[len] = 0;
	flatten(text);
	return 0;
}

static void get(const char *id, const char *path)
{
	int fd = open(path, O_RDONLY), rc = fd < 0 ? -errno : slurp(fd);

	if (fd >= 0)
		close(fd);
	if (rc)
		answer(id, "error %s", strerror(-rc));
	else
		answer(id, "ok %s", text);
}

static int set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY), rc;

	if (fd < 0)
		return -errno;
	rc = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int load(const char *name, const char *params)
{
	char path[128];
	int fd, rc;

	snprintf(path, sizeof(path), "/m/%s.ko", name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	rc = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return rc;
}

static void status(const char *id, int rc)
{
	if (rc)
		answer(id, "error %s", strerror(-rc));
	else
		answer(id, "ok");
}

static void shell(const char *id, const char *command)
{
	int out[2], st;
	pid_t pid;

	if (pipe(out)) {
		status(id, -errno);
		return;
	}
	pid = vfork();
	if (!pid) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		execl("/bin/busybox", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(out[1]);
	slurp(out[0]);
	close(out[0]);
	waitpid(pid, &st, 0);
	answer(id, "%s %s", WIFEXITED(st) && !WEXITSTATUS(st) ? "ok" : "error", text);
}

/* Contents. */

static void fill(uint64_t *page, uint64_t key)
{
	uint64_t x = key * 0x9e3779b97f4a7c15u | 1;
	unsigned int i;

	for (i = 0; i < WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		page[i] = x;
	}
}

static int differs(const uint64_t *page, uint64_t key)
{
	uint64_t want[WORDS];

	fill(want, key);
	return !!memcmp(page, want, PAGE);
}

static void *reserve(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void drop(void)
{
	if (arena)
		munmap(arena, arena_pages * PAGE);
	arena = NULL;
	arena_pages = 0;
}

/* Pages of a kind are neighbours: where they are free again and some stay that nobody uses anew, those are of few. */
static uint64_t arena_key(uint64_t i)
{
	return arena_seed + (arena_kinds ? i * arena_kinds / arena_pages : i);
}

/* Without a number of kinds no two pages are equal. */
static void hold(const char *id, uint64_t mib, uint64_t seed, uint64_t kinds)
{
	uint64_t i;

	drop();
	arena = reserve(mib * MIB);
	if (!arena) {
		status(id, -ENOMEM);
		return;
	}
	arena_pages = mib * MIB / PAGE;
	arena_seed = seed << 32;
	arena_kinds = kinds;
	for (i = 0; i < arena_pages; i++)
		fill(arena + i * WORDS, arena_key(i));
	answer(id, "ok pages=%" PRIu64, arena_pages);
}

static void verify(const char *id)
{
	uint64_t i, wrong = 0;

	for (i = 0; i < arena_pages; i++)
		wrong += differs(arena + i * WORDS, arena_key(i));
	answer(id, "ok pages=%" PRIu64 " wrong=%" PRIu64, arena_pages, wrong);
}

/* One store a page is what makes the host back it; huge pages of the guest need no more either. */
static void touch(const char *id, uint64_t mib)
{
	uint64_t i, bytes = mib * MIB, began = now_us(), took;
	char *p = reserve(bytes);

	if (!p) {
		status(id, -ENOMEM);
		return;
	}
	for (i = 0; i < bytes; i += PAGE)
		*(volatile uint64_t *)(p + i) = i | 1;
	took = now_us() - began;
	munmap(p, bytes);
	answer(id, "ok us=%" PRIu64, took);
}

static void grab(const char *id, uint64_t mib)
{
	struct sched_param first = { .sched_priority = 1 }, normal = {};

	if (sched_setscheduler(0, SCHED_FIFO, &first)) {
		status(id, -errno);
		return;
	}
	touch(id, mib);
	sched_setscheduler(0, SCHED_OTHER, &normal);
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (!pid) {
		munlockall();
		set("/proc/self/oom_score_adj", "0");
	}
	return pid;
}

/* Fills, then checks more than once, so that memory given back late is seen used. */
static void work(const char *id, uint64_t mib, uint64_t rate, uint64_t rounds)
{
	uint64_t i, n = mib * MIB / PAGE, *p;

	shared->pages = 0;
	shared->wrong = 0;
	worker = child();
	if (worker) {
		status(id, worker < 0 ? -errno : 0);
		return;
	}
	p = reserve(n * PAGE);
	if (!p)
		_exit(2);
	for (i = 0; i < n; i++) {
		fill(p + i * WORDS, i);
		shared->pages = i + 1;
		if (rate && i % (MIB / PAGE) == 0)
			poll(NULL, 0, 1000 / rate);
	}
	while (rounds--)
		for (i = 0; i < n; i++)
			shared->wrong += differs(p + i * WORDS, i);
	_exit(shared->wrong ? 1 : 0);
}

static void working(const char *id)
{
	const char *how = "none";
	int st;

	if (worker > 0) {
		how = "running";
		if (waitpid(worker, &st, WNOHANG) == worker) {
			how = WIFSIGNALED(st) ? "killed" : WEXITSTATUS(st) ? "failed" : "done";
			worker = 0;
		}
	}
	answer(id, "ok %s pages=%" PRIu64 " wrong=%" PRIu64, how, shared->pages, shared->wrong);
}

/*
 * Pages of one word each, which swap in memory keeps for nothing; thousands a second, so that it is pressure in
 * each tenth of a second, however little of it the host gives to the guest.
 */
static void thrash(const char *id, uint64_t mib, char *group)
{
	char *rest = strchr(group, ' ');
	uint64_t few = rest ? strtoull(rest, NULL, 10) : 0;
	uint64_t i, n = mib * MIB / PAGE, *p;

	if (rest)
		*rest = 0;
	few = few ? few : 8;
	shared->stop = 0;
	shared->pages = 0;
	shared->wrong = 0;
	worker = child();
	if (worker) {
		status(id, worker < 0 ? -errno : 0);
		return;
	}
	p = reserve(n * PAGE);
	if (!p || set(group, "0") || madvise(p, n * PAGE, MADV_NOHUGEPAGE))
		_exit(2);
	for (i = 0; i < n * WORDS; i++)
		p[i] = i / WORDS + 1;
	for (i = 0; !shared->stop; i = (i + 1) % n) {
		shared->wrong += p[i * WORDS] != i + 1;
		shared->pages++;
		if (i % few == 0)
			poll(NULL, 0, 1);
	}
	_exit(shared->wrong ? 1 : 0);
}

/* Nothing is wanted twice before all has been, which takes minutes: these faults wait for a disk, and that is all. */
static void fault(const char *id, const char *path, const char *group)
{
	uint64_t i, n;
	char *p;
	int fd;

	shared->stop = 0;
	shared->pages = 0;
	worker = child();
	if (worker) {
		status(id, worker < 0 ? -errno : 0);
		return;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : lseek(fd, 0, SEEK_END) / PAGE;
	p = n ? mmap(NULL, n * PAGE, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (p == MAP_FAILED || madvise(p, n * PAGE, MADV_RANDOM) || set(group, "0"))
		_exit(2);
	for (i = 0; !shared->stop; i = (i + 1) % n) {
		*(volatile char *)(p + i * PAGE);
		shared->pages++;
		if (i % 8 == 0)
			poll(NULL, 0, 1);
	}
	_exit(0);
}

static void calm(const char *id)
{
	int st = 0;

	shared->stop = 1;
	if (worker > 0)
		waitpid(worker, &st, 0);
	worker = 0;
	answer(id, "%s pages=%" PRIu64, st ? "error" : "ok", shared->pages);
}

static void shred(const char *id, uint64_t mib)
{
	uint64_t i;

	drop();
	arena = reserve(mib * MIB);
	if (!arena || madvise(arena, mib * MIB, MADV_NOHUGEPAGE)) {
		status(id, -errno);
		return;
	}
	arena_pages = mib * MIB / PAGE;
	for (i = 0; i < arena_pages; i++)
		arena[i * WORDS] = i;
	for (i = 0; i < arena_pages; i += 2)
		if (madvise(arena + i * WORDS, PAGE, MADV_DONTNEED))
			break;
	status(id, i < arena_pages ? -errno : 0);
}

static void flagged(const char *id, unsigned int bit)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags[4096], n = 0;
	ssize_t got, i;

	if (fd < 0) {
		status(id, -errno);
		return;
	}
	while ((got = read(fd, flags, sizeof(flags))) > 0)
		for (i = 0; i < got / 8; i++)
			n += flags[i] >> bit & 1;
	close(fd);
	answer(id, "%s %" PRIu64, got ? "error" : "ok", n);
}

/* On the last CPU alone, so that the host can tell when it gave it none. */
static void stay(void)
{
	cpu_set_t last_cpu;

	CPU_ZERO(&last_cpu);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last_cpu);
	if (sched_setaffinity(0, sizeof(last_cpu), &last_cpu))
		_exit(2);
}

/* The triad of STREAM over 24 MiB, a figure for every slice of some milliseconds. */
static void stream(const char *id)
{
	size_t n = MIB, part = n / 8, i, at;
	double *a, *b, *c;
	uint64_t t;

	shared->stop = 0;
	shared->slices = 0;
	streaming = now_us();
	streamer = child();
	if (streamer) {
		status(id, streamer < 0 ? -errno : 0);
		return;
	}
	stay();
	a = reserve(n * 8);
	b = reserve(n * 8);
	c = reserve(n * 8);
	if (!a || !b || !c)
		_exit(2);
	for (i = 0; i < n; i++)
		a[i] = b[i] = c[i] = i;
	for (at = 0; !shared->stop && shared->slices < SLICES; at = (at + part) % n) {
		struct slice *slice = &shared->slice[shared->slices];

		t = now_us();
		for (i = at; i < at + part; i++)
			a[i] = b[i] + 3 * c[i];
		t = now_us() - t;
		slice->seconds = (t ? t : 1) / 1e6;
		slice->bandwidth = part * 24 / slice->seconds / (1024 * MIB);
		shared->slices++;
	}
	_exit(0);
}

static int by_bandwidth(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	return x->bandwidth < y->bandwidth ? -1 : x->bandwidth > y->bandwidth;
}

/* Bandwidth that the workload had for at least all but @part of its time. */
static double percentile(double seconds, double part)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < shared->slices - 1; i++) {
		sum += shared->slice[i].seconds;
		if (sum > seconds * part)
			break;
	}
	return shared->slice[i].bandwidth;
}

static void streamed(const char *id, uint64_t ms)
{
	double seconds = 0, moved = 0;
	uint32_t i;
	int st;

	while (now_us() < streaming + ms * 1000)
		poll(NULL, 0, 10);
	shared->stop = 1;
	waitpid(streamer, &st, 0);
	if (!shared->slices) {
		answer(id, "error no slice");
		return;
	}
	for (i = 0; i < shared->slices; i++) {
		seconds += shared->slice[i].seconds;
		moved += shared->slice[i].seconds * shared->slice[i].bandwidth;
	}
	qsort(shared->slice, shared->slices, sizeof(shared->slice[0]), by_bandwidth);
	answer(id, "ok n=%u s=%.2f p1=%.4f p5=%.4f p50=%.4f mean=%.4f", shared->slices, seconds,
	       percentile(seconds, 0.01), percentile(seconds, 0.05), percentile(seconds, 0.5),
	       moved / seconds);
}

static void serve(char *line)
{
	char *id = strsep(&line, " "), *word = line ? strsep(&line, " ") : NULL;
	char *a = line && *line ? line : "", *b = strchr(a, ' '), *c = b ? strchr(b + 1, ' ') : NULL;
	uint64_t n = strtoull(a, NULL, 10);

	if (!word) {
		answer(id, "error no word");
		return;
	}
	/* Asked again because the answer did not come. */
	if (last[0] == '@' && !strncmp(last + 1, id, strlen(id)) && last[1 + strlen(id)] == ' ')
		return say();
	if (!strcmp(word, "get"))
		return get(id, a);
	if (!strcmp(word, "sh"))
		return shell(id, a);
	if (!strcmp(word, "rmmod"))
		return status(id, syscall(SYS_delete_module, a, O_NONBLOCK) ? -errno : 0);
	if (!strcmp(word, "verify"))
		return verify(id);
	if (!strcmp(word, "drop"))
		return drop(), status(id, 0);
	if (!strcmp(word, "touch"))
		return touch(id, n);
	if (!strcmp(word, "grab"))
		return grab(id, n);
	if (!strcmp(word, "work"))
		return work(id, n, b ? strtoull(b, NULL, 10) : 0, c ? strtoull(c, NULL, 10) : 2);
	if (!strcmp(word, "working"))
		return working(id);
	if (!strcmp(word, "calm"))
		return calm(id);
	if (!strcmp(word, "thrash"))
		return thrash(id, n, b ? b + 1 : "");
	if (!strcmp(word, "shred"))
		return shred(id, n);
	if (!strcmp(word, "flagged"))
		return flagged(id, n);
	if (!strcmp(word, "stream"))
		return stream(id);
	if (!strcmp(word, "streamed"))
		return streamed(id, n);
	if (!strcmp(word, "hold"))
		return hold(id, n, b ? strtoull(b, NULL, 10) : 1, c ? strtoull(c, NULL, 10) : 0);
	if (b)
		*b++ = 0;
	if (!strcmp(word, "set"))
		return status(id, set(a, b ? b : ""));
	if (!strcmp(word, "fault"))
		return fault(id, a, b ? b : "");
	if (!strcmp(word, "insmod"))
		return status(id, load(a, b ? b : ""));
	answer(id, "error unknown word %s", word);
}

/* Only the test outside may end the guest: what cannot go on is shown on the console. */
static void die(const char *what)
{
	fprintf(stderr, "agent: failed: %s: %s\n", what, strerror(errno));
	for (;;)
		pause();
}

static void load_all(void)
{
	FILE *list = fopen("/m/list", "r");
	char name[64];

	while (list && fscanf(list, "%63s", name) == 1)
		if (load(name, ""))
			die(name);
	if (list)
		fclose(list);
}

static void open_port(void)
{
	char path[300];
	struct dirent *e;
	DIR *dev;

	while (port <= 0) {
		dev = opendir("/dev");
		while ((e = readdir(dev)))
			if (!strncmp(e->d_name, "vport", 5)) {
				snprintf(path, sizeof(path), "/dev/%s", e->d_name);
				port = open(path, O_RDWR | O_CLOEXEC);
			}
		closedir(dev);
		poll(NULL, 0, port > 0 ? 0 : 10);
	}
}

int main(void)
{
	static char line[4096];
	size_t len = 0;
	char *end;
	ssize_t n;

	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	setenv("PATH", "/bin", 1);
	set("/proc/self/oom_score_adj", "-1000");
	/* A hang that shows no stack teaches nothing. */
	set("/proc/sys/kernel/hung_task_timeout_secs", "20");
	set("/proc/sys/kernel/hung_task_check_interval_secs", "5");
	load_all();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("shared memory");
	mlockall(MCL_CURRENT);
	open_port();
	answer("0", "ok ready");
	for (;;) {
		n = read(port, line + len, sizeof(line) - 1 - len);
		if (n <= 0) {
			poll(NULL, 0, 10);	/* nobody at the other end yet */
			continue;
		}
		len += n;
		line[len] = 0;
		while ((end = strchr(line, '\n'))) {
			*end++ = 0;
			serve(line);
			len -= end - line;
			memmove(line, end, len + 1);
		}
	}
}
