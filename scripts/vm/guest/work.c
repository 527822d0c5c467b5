// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workload of a guest: memory whose every byte can be computed again.
 *
 * The guest is the witness that folding changes nothing, so it does not trust a checksum: each page has
 * a key (from its index, its generation and the guest's seed), content follows from the key, and checking
 * means generating it again and comparing all 4096 bytes. Runs as the guest's first process.
 *
 *   work KIND MIB SEED PAUSE TTY     KIND: idle, cache, rewrite, touch; PAUSE between rounds in ms
 *
 * Requests come over TTY as lines "ID WORD [NUMBER]", each answered by one line "ID …":
 *   verify         check every page            pages=N wrong=N [first=INDEX byte=OFFSET]
 *   rounds         how far it got              rounds=N, a round being 64 pages rewritten, or all touched
 *   reads MIB      touch: read so much of it   huge=N, KiB that the guest maps by huge pages
 *   writes MIB     touch: write so much of it  huge=N
 *   waste MIB      use so much memory more, then free it; fewer where the guest has no more
 *   wasted         how much that was           wasting=MIB or, at the end, wasted=MIB
 *   unload MODULE  remove that module          ok
 *   corrupt INDEX  spoil one byte of a page, so that a test can see verify fail
 *   stop           end the guest               wrong=N as seen so far
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <termios.h>
#include <unistd.h>

#define PAGE		4096u
#define WORDS		(PAGE / sizeof(uint64_t))
#define BATCH		64
#define FEW		16	/* contents that a third of all rewritten pages are drawn from */
#define FILE_PAGES_MAX	32
#define REPORTS_MAX	16
#define HUGE		(512 * PAGE)
#define MIB_PAGES	(1024 * 1024 / PAGE)
/* Free memory that a guest does not waste: its kernel gives none of the 16 MiB that old devices can reach. */
#define WASTE_KEEP	(24 * MIB_PAGES * PAGE)
#define WASTE_WAIT_US	20000
#define WASTE_WAITS	1500	/* so often it waits for more of it */

/* Domains of keys: contents of different domains never meet by accident. */
enum { KEY_COMMON = 1, KEY_SEED, KEY_FEW, KEY_FILE, KEY_IMAGE, KEY_WASTE };

struct bad {
	uint64_t pages;
	uint64_t first;
	unsigned int byte;
};

struct work {
	const char *name;
	void (*build)(void);
	const uint8_t *(*load)(uint64_t index);
	void (*key_of)(uint64_t index, uint64_t *key);
	void (*spoil)(uint64_t index);
	bool (*step)(void);
};

static const struct work *work;
static uint64_t seed, npages, rounds;
static uint8_t *arena;
static uint32_t *generation;
static struct bad seen;		/* found wrong while rewriting, which mends the page */
static uint64_t read_pages, write_pages;
static struct {
	uint8_t *memory;
	uint64_t mib, done;
	unsigned int waits;
} waste;
static bool spoiled;		/* by request: not the kernel's fault, and said in other words */

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("work: failed: ");
	vprintf(fmt, ap);
	printf(": %s\n", strerror(errno));
	va_end(ap);
	fflush(stdout);
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t key3(uint64_t domain, uint64_t a, uint64_t b)
{
	return mix(mix(mix(domain) ^ a) ^ b) | 1;
}

/* The content that belongs to @key; key 0 is the zero page. */
static void fill(uint64_t *page, uint64_t key)
{
	uint64_t x = key;
	unsigned int i;

	if (!key) {
		memset(page, 0, PAGE);
		return;
	}
	for (i = 0; i < WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		page[i] = x;
	}
}

static void *reserve(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap of %" PRIu64 " bytes", bytes);
	return p;
}

/* Check page @index against its key; counts and reports what is wrong. */
static bool check(uint64_t index, struct bad *bad)
{
	static uint64_t want[WORDS];
	static unsigned int reports;
	const uint8_t *is = work->load(index);
	uint64_t key;
	unsigned int i;

	work->key_of(index, &key);
	fill(want, key);
	if (!memcmp(is, want, PAGE))
		return true;
	for (i = 0; is[i] == ((uint8_t *)want)[i]; i++)
		;
	if (!bad->pages++) {
		bad->first = index;
		bad->byte = i;
	}
	if (reports++ < REPORTS_MAX)
		printf("work: %spage %" PRIu64 " is wrong at byte %u: 0x%02x, should be 0x%02x\n",
		       spoiled ? "spoiled " : "", index, i, is[i], ((uint8_t *)want)[i]);
	return false;
}

/* idle and rewrite: one anonymous arena. */

static const uint8_t *arena_load(uint64_t index)
{
	return arena + index * PAGE;
}

static void arena_spoil(uint64_t index)
{
	arena[index * PAGE + index % PAGE] ^= 1;
}

static void arena_build(void)
{
	uint64_t i, key;

	arena = reserve(npages * PAGE);
	for (i = 0; i < npages; i++) {
		/* Zero pages too must have been written, or the guest never asks for them. */
		arena[i * PAGE] = 1;
		work->key_of(i, &key);
		fill((uint64_t *)(arena + i * PAGE), key);
	}
}

static void idle_key(uint64_t index, uint64_t *key)
{
	switch (index % 4) {
	case 2:
		*key = key3(KEY_COMMON, index, 0);
		break;
	case 3:
		*key = key3(KEY_SEED, seed, index);
		break;
	default:
		*key = 0;
	}
}

static void rewrite_key(uint64_t index, uint64_t *key)
{
	uint64_t own = key3(KEY_SEED, seed ^ ((uint64_t)generation[index] << 32), index);

	*key = (own >> 8) % 3 ? own : key3(KEY_FEW, (own >> 16) % FEW, 0);
}

static void rewrite_build(void)
{
	generation = reserve(npages * sizeof(*generation));
	arena_build();
}

static bool rewrite_step(void)
{
	static uint64_t at;
	uint64_t index, key;
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		index = mix(seed ^ at++) % npages;
		check(index, &seen);
		generation[index]++;
		rewrite_key(index, &key);
		fill((uint64_t *)(arena + index * PAGE), key);
	}
	rounds++;
	return true;
}

/*
 * touch: as much of the arena as was asked for, from both ends, again and again. In huge pages of the
 * guest's own, so that what it touches lies together in its memory, and in units of the host's huge
 * pages is as much as was asked for.
 */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("write to %s", path);
	close(fd);
}

static void touch_build(void)
{
	uint64_t i, key, bytes = npages * PAGE;

	generation = reserve(npages * sizeof(*generation));
	arena = reserve(bytes + HUGE);
	arena += -(uintptr_t)arena % HUGE;
	/* Guests of less than 512 MiB begin without. */
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	if (madvise(arena, bytes, MADV_HUGEPAGE))
		fail("madvise of %" PRIu64 " bytes", bytes);
	for (i = 0; i < npages; i++) {
		rewrite_key(i, &key);
		fill((uint64_t *)(arena + i * PAGE), key);
	}
}

static bool touch_step(void)
{
	uint64_t index, key;

	for (index = 0; index < read_pages; index++)
		*(volatile uint8_t *)(arena + index * PAGE);
	for (index = npages - write_pages; index < npages; index++) {
		generation[index]++;
		rewrite_key(index, &key);
		fill((uint64_t *)(arena + index * PAGE), key);
	}
	rounds++;
	return true;
}

static unsigned long huge_kib(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	if (!f)
		fail("open of smaps_rollup");
	while (fgets(line, sizeof(line), f))
		sscanf(line, "AnonHugePages: %lu", &kib);
	fclose(f);
	return kib;
}

/*
 * cache: page cache alone, the same in every guest. Half of it is a tree of files in tmpfs; a quarter is
 * an image file and the last quarter what reading that image as a disk leaves in the page cache.
 */

static int *fd_of;		/* per page: the file that holds it */
static uint32_t *page_of;	/* and where in there */
static uint64_t image_from, disk_from;

static void cache_key(uint64_t index, uint64_t *key)
{
	if (index < image_from)
		*key = key3(KEY_FILE, index, 0);
	else
		*key = key3(KEY_IMAGE, page_of[index], 0);
}

static const uint8_t *cache_load(uint64_t index)
{
	static uint8_t page[PAGE];

	if (pread(fd_of[index], page, PAGE, (off_t)page_of[index] * PAGE) != PAGE)
		fail("read of page %" PRIu64, index);
	return page;
}

static void cache_write(uint64_t index, const void *page)
{
	if (pwrite(fd_of[index], page, PAGE, (off_t)page_of[index] * PAGE) != PAGE)
		fail("write of page %" PRIu64, index);
}

static void cache_spoil(uint64_t index)
{
	uint8_t page[PAGE];

	memcpy(page, cache_load(index), PAGE);
	page[index % PAGE] ^= 1;
	cache_write(index, page);
}

static int make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		fail("open of %s", path);
	return fd;
}

static void add_pages(uint64_t from, uint64_t n, int fd, bool write)
{
	uint64_t i, key, page[WORDS];

	for (i = 0; i < n; i++) {
		fd_of[from + i] = fd;
		page_of[from + i] = i;
		if (!write)
			continue;
		cache_key(from + i, &key);
		fill(page, key);
		cache_write(from + i, page);
	}
}

static int open_disk(int image)
{
	int fd = open("/dev/loop0", O_RDWR);

	if (fd < 0 || ioctl(fd, LOOP_SET_FD, image))
		fail("loop device");
	return fd;
}

static void cache_build(void)
{
	struct rlimit files = { 65536, 65536 };
	uint64_t at, n, i;
	char path[64];
	int image;

	setrlimit(RLIMIT_NOFILE, &files);
	fd_of = reserve(npages * sizeof(*fd_of));
	page_of = reserve(npages * sizeof(*page_of));
	disk_from = npages - npages / 4;
	image_from = disk_from - npages / 4;
	for (at = 0; at < image_from; at += n) {
		n = 1 + mix(at) % FILE_PAGES_MAX;
		if (n > image_from - at)
			n = image_from - at;
		snprintf(path, sizeof(path), "/tmp/d%" PRIu64, at % 16);
		mkdir(path, 0700);
		snprintf(path, sizeof(path), "/tmp/d%" PRIu64 "/f%" PRIu64, at % 16, at);
		add_pages(at, n, make_file(path), true);
	}
	image = make_file("/tmp/image");
	add_pages(image_from, disk_from - image_from, image, true);
	add_pages(disk_from, npages - disk_from, open_disk(image), false);
	for (i = disk_from; i < npages; i++)
		cache_load(i);
}

static const struct work works[] = {
	{ "idle",    arena_build,   arena_load, idle_key,    arena_spoil, NULL },
	{ "cache",   cache_build,   cache_load, cache_key,   cache_spoil, NULL },
	{ "rewrite", rewrite_build, arena_load, rewrite_key, arena_spoil, rewrite_step },
	{ "touch",   touch_build,   arena_load, rewrite_key, arena_spoil, touch_step },
};

/*
 * Memory that is used once, as soon as there is some: who gets none for long ends with less. Half
 * of each page is zero, so that it can be compressed as most memory can.
 */

static void waste_begin(uint64_t mib)
{
	waste.mib = mib;
	waste.done = 0;
	waste.waits = 0;
	waste.memory = reserve(mib * MIB_PAGES * PAGE);
}

static void waste_step(void)
{
	struct sysinfo info;
	uint64_t i;
	uint8_t *page;

	sysinfo(&info);
	if (info.freeram * info.mem_unit < WASTE_KEEP && waste.waits < WASTE_WAITS) {
		waste.waits++;
		usleep(WASTE_WAIT_US);
		return;
	}
	if (waste.done == waste.mib || waste.waits == WASTE_WAITS) {
		munmap(waste.memory, waste.mib * MIB_PAGES * PAGE);
		waste.memory = NULL;
		return;
	}
	for (i = 0; i < MIB_PAGES; i++) {
		page = waste.memory + (waste.done * MIB_PAGES + i) * PAGE;
		fill((uint64_t *)page, key3(KEY_WASTE, seed ^ waste.done, i));
		memset(page + PAGE / 2, 0, PAGE / 2);
	}
	waste.done++;
}

static struct bad verify(void)
{
	struct bad bad = seen;
	uint64_t i;

	for (i = 0; i < npages; i++)
		check(i, &bad);
	return bad;
}

/* Do what is asked, and put what there is to say of it into @said. */
static void react(const char *word, const char *text, char *said, size_t size)
{
	uint64_t number = strtoull(text, NULL, 10);
	struct bad bad;
	int len;

	if (!strcmp(word, "verify")) {
		bad = verify();
		len = snprintf(said, size, "pages=%" PRIu64 " wrong=%" PRIu64, npages, bad.pages);
		if (bad.pages)
			snprintf(said + len, size - len, " first=%" PRIu64 " byte=%u", bad.first, bad.byte);
	} else if (!strcmp(word, "rounds")) {
		snprintf(said, size, "rounds=%" PRIu64, rounds);
	} else if (!strcmp(word, "corrupt") && number < npages) {
		spoiled = true;
		work->spoil(number);
		snprintf(said, size, "ok");
	} else if (!strcmp(word, "reads") && number * MIB_PAGES <= npages) {
		read_pages = number * MIB_PAGES;
		snprintf(said, size, "huge=%lu", huge_kib());
	} else if (!strcmp(word, "writes") && number * MIB_PAGES <= npages) {
		write_pages = number * MIB_PAGES;
		snprintf(said, size, "huge=%lu", huge_kib());
	} else if (!strcmp(word, "waste") && number && !waste.memory) {
		waste_begin(number);
		snprintf(said, size, "ok");
	} else if (!strcmp(word, "wasted")) {
		snprintf(said, size, "%s=%" PRIu64, waste.memory ? "wasting" : "wasted", waste.done);
	} else if (!strcmp(word, "unload")) {
		snprintf(said, size, "%s",
			 syscall(SYS_delete_module, text, O_NONBLOCK) ? strerror(errno) : "ok");
	} else if (!strcmp(word, "stop")) {
		snprintf(said, size, "wrong=%" PRIu64, seen.pages);
	} else {
		snprintf(said, size, "error=unknown");
	}
}

/*
 * Answer one request. One that is said again because its answer took long, or was lost, is not done
 * again: whoever is slow would become slower by it.
 */
static void answer(int tty, char *line)
{
	static unsigned long said_id;
	static char said[128];
	unsigned long id = 0;
	char word[16] = "", text[32] = "";

	sscanf(line, "%lu %15s %31s", &id, word, text);
	if (!id || id != said_id)
		react(word, text, said, sizeof(said));
	said_id = id;
	dprintf(tty, "%lu %s\n", id, said);
	if (!strcmp(word, "stop")) {
		tcdrain(tty);
		sync();
		reboot(RB_AUTOBOOT);
	}
}

/* Take what has come over @tty, answer each whole line. */
static void serve(int tty)
{
	static char line[128];
	static size_t len;
	char *end;
	ssize_t n = read(tty, line + len, sizeof(line) - 1 - len);

	if (n <= 0)
		return;
	len += n;
	line[len] = 0;
	while ((end = strchr(line, '\n'))) {
		*end++ = 0;
		answer(tty, line);
		len -= end - line;
		memmove(line, end, len + 1);
	}
	if (len == sizeof(line) - 1)
		len = 0;
}

static int open_tty(const char *path)
{
	struct termios t;
	int fd = open(path, O_RDWR | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, &t))
		fail("open of %s", path);
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &t))
		fail("setting up %s", path);
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd p = { .events = POLLIN };
	int pause_ms;
	size_t i;

	if (argc != 6) {
		fprintf(stderr, "usage: work idle|cache|rewrite|touch MIB SEED PAUSE TTY\n");
		return 2;
	}
	for (i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (!strcmp(works[i].name, argv[1]))
			work = &works[i];
	npages = strtoull(argv[2], NULL, 10) * (1024 * 1024 / PAGE);
	seed = mix(strtoull(argv[3], NULL, 10));
	pause_ms = strtoull(argv[4], NULL, 10);
	if (!work || !npages) {
		errno = EINVAL;
		fail("work '%s' of '%s' MiB", argv[1], argv[2]);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	p.fd = open_tty(argv[5]);
	work->build();
	dprintf(p.fd, "0 ready pages=%" PRIu64 "\n", npages);
	for (;;) {
		/* The pause leaves the machine to others: what counts is that pages change, not how fast. */
		if (poll(&p, 1, waste.memory ? 0 : work->step ? pause_ms : -1) > 0)
			serve(p.fd);
		if (waste.memory)
			waste_step();
		else if (work->step)
			work->step();
	}
}
