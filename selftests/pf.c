// SPDX-License-Identifier: GPL-2.0-only
/*
 * pf.c: the harness of the selftests: subtests, verdicts, waiting, sysfs, memory with known content.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

/* Shared by every process of a subtest, so that a failed check in a child fails the subtest. */
static struct verdict {
	atomic_int failed;
	atomic_int skipped;
} *verdict;

static long env_number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? atol(text) : otherwise;
}

int pf_scale(int count)
{
	return count * (int)env_number("PF_SCALE", 1);
}

void pf_note(const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	dprintf(1, "# %s\n", line);
}

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (got < size - 1 && (n = read(fd, buf + got, size - 1 - got)) > 0)
		got += n;
	close(fd);
	buf[got] = 0;
	return got;
}

/* What the engine says of itself at the first failed check: half of every explanation. */
static void note_state(const char *dir)
{
	char path[512], text[64], line[1024] = "";
	struct dirent *entry;
	size_t len = 0;
	DIR *list;

	snprintf(path, sizeof(path), PF_SYS "%s", dir);
	list = opendir(path);
	if (!list)
		return;
	while ((entry = readdir(list))) {
		snprintf(path, sizeof(path), PF_SYS "%s/%s", dir, entry->d_name);
		if (entry->d_type != DT_REG || read_file(path, text, sizeof(text)) <= 0 || !strcmp(text, "0\n"))
			continue;
		text[strcspn(text, "\n")] = 0;
		len += snprintf(line + len, sizeof(line) - len, " %s=%s", entry->d_name, text);
		if (len > sizeof(line) - 128)
			break;
	}
	closedir(list);
	dprintf(1, "#   %s:%s\n", *dir ? dir : "state", line);
}

bool pf_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	char text[512];
	va_list args;
	int failure;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* One broken expectation may repeat for thousands of pages: the first ones tell it. */
	failure = atomic_fetch_add(&verdict->failed, 1);
	if (failure < 20)
		dprintf(1, "# %s:%d: %s:%s\n", file, line, what, text);
	if (!failure) {
		note_state("");
		note_state("skipped");
	}
	return false;
}

void pf_skip(const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	dprintf(1, "# skipped: %s\n", text);
	atomic_store(&verdict->skipped, 1);
	_exit(PF_SKIP);
}

double pf_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

struct pf_wait pf_wait_begin(void)
{
	return (struct pf_wait){ .end = pf_now() + env_number("PF_LIMIT", 300) };
}

bool pf_wait_more(struct pf_wait *wait)
{
	struct timespec tick = { .tv_nsec = 5 * 1000 * 1000 };

	nanosleep(&tick, NULL);
	return pf_now() < wait->end;
}

int pf_insmod(const char *params)
{
	const char *dir = getenv("PF_MODULES");
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/pagefold.ko", dir ? dir : "/modules");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int pf_rmmod(void)
{
	return syscall(SYS_delete_module, "pagefold", O_NONBLOCK) ? -errno : 0;
}

bool pf_loaded(void)
{
	return access("/sys/module/pagefold", F_OK) == 0;
}

void pf_load(void)
{
	int ret = pf_insmod("");

	REQUIRE(ret == 0, "insmod pagefold.ko: %s", strerror(-ret));
	pf_set("pass_interval_ms", 0);
	pf_set("cpu_percent", 100);
	/* What is written shows in the next pass, but where a lane has regions rest; see also rest.c. */
	pf_set("rest_passes_max", env_number("PF_REST", 0));
	/*
	 * What is being sampled is folded a pass later, and its frame is held so long; tests that are to
	 * bear that ask for it.
	 */
	pf_set("wss_period_ms", 0);
}

void pf_unload(void)
{
	int ret = pf_rmmod();

	CHECK(ret == 0, "rmmod pagefold: %s", strerror(-ret));
}

bool pf_have(const char *attr)
{
	char path[256];

	snprintf(path, sizeof(path), PF_SYS "%s", attr);
	return access(path, F_OK) == 0;
}

bool pf_read(const char *attr, char *buf, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), PF_SYS "%s", attr);
	return read_file(path, buf, size) >= 0;
}

long long pf_get(const char *fmt, ...)
{
	char attr[128], text[64], *end;
	long long value;
	va_list args;

	va_start(args, fmt);
	vsnprintf(attr, sizeof(attr), fmt, args);
	va_end(args);
	REQUIRE(pf_read(attr, text, sizeof(text)), "read %s: %s", attr, strerror(errno));
	errno = 0;
	value = strtoll(text, &end, 10);
	REQUIRE(end != text && !strcmp(end, "\n") && !errno, "%s holds '%s', not one number", attr, text);
	return value;
}

int pf_write_raw(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, data, size);
	if (n < 0)
		ret = -errno;
	else if ((size_t)n != size)
		ret = -EMSGSIZE;
	close(fd);
	return ret;
}

int pf_put(const char *attr, const char *fmt, ...)
{
	char path[256], text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), PF_SYS "%s", attr);
	return pf_write_raw(path, text, strlen(text));
}

void pf_set(const char *attr, long long value)
{
	int ret = pf_put(attr, "%lld", value);

	REQUIRE(ret == 0, "write %lld to %s: %s", value, attr, strerror(-ret));
}

/* PF_IDLE=1 leaves the engine stopped: a test of folding that still passes tests nothing. */
void pf_run(int state)
{
	if (state == 1 && env_number("PF_IDLE", 0))
		return;
	pf_set("run", state);
}

void pf_sample_fast(void)
{
	pf_set("wss_samples", 1000);
	pf_set("wss_cpu_permille", 1000);
	pf_set("wss_period_ms", 1);
}

void pf_register(pid_t pid, const char *options)
{
	int ret = pf_put("register", "%d%s%s", pid, *options ? " " : "", options);

	REQUIRE(ret == 0, "register '%d %s': %s", pid, options, strerror(-ret));
}

bool pf_registered(pid_t pid)
{
	char attr[32];

	snprintf(attr, sizeof(attr), "vms/%d", pid);
	return pf_have(attr);
}

bool pf_passes(pid_t pid, int count)
{
	long long start = pf_get("vms/%d/passes", pid);
	/* The pass under way may be past the pages in question already: it does not count. */
	long long goal = start + count + 1;

	return PF_UNTIL(pf_get("vms/%d/passes", pid) >= goal);
}

/* Lets the VM make one pass and no more: the next one waits for an hour, or for a shorter interval. */
static void pass_with_interval(pid_t pid, long long ms)
{
	long long passes;

	/* Nobody ends a pass by the interval that was. */
	pf_run(0);
	pf_set("pass_interval_ms", ms);
	passes = pf_get("vms/%d/passes", pid);
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", pid) > passes), "no pass");
}

void pf_hold_passes(pid_t pid)
{
	pass_with_interval(pid, 3600 * 1000);
}

void pf_pass(pid_t pid)
{
	pass_with_interval(pid, pf_get("pass_interval_ms") - 1);
}

/* Was nothing scanned while 64 passes went by? A region rests for 96 then, or for more. */
static bool rests_long(long long pages, long long *scanned, long long *rested)
{
	long long now = pf_get("scanned_pages");

	if (now != *scanned)
		*rested = pf_get("rested_pages");
	*scanned = now;
	return pf_get("rested_pages") >= *rested + 64 * pages;
}

void pf_wait_resting(long long pages)
{
	long long scanned = -1, rested = 0, interval = pf_get("pass_interval_ms");

	/* Of twenty thousand passes a second nobody sees that some went by without a scan. */
	if (interval < 2)
		pf_set("pass_interval_ms", 2);
	REQUIRE(PF_UNTIL(rests_long(pages, &scanned, &rested)), "%lld pages scanned, %lld rested", scanned,
		pf_get("rested_pages") - rested);
	pf_set("pass_interval_ms", interval);
}

bool pf_file_write(const char *path, const char *text)
{
	return pf_write_raw(path, text, strlen(text)) == 0;
}

long long pf_file_number(const char *path)
{
	char text[64];

	return read_file(path, text, sizeof(text)) > 0 ? atoll(text) : -1;
}

long long pf_field(const char *path, const char *field)
{
	static __thread char text[65536];
	size_t len = strlen(field);
	char *line;

	if (read_file(path, text, sizeof(text)) <= 0)
		return -1;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, field, len) && (line[len] == ':' || line[len] == ' '))
			return atoll(line + len + 1);
	}
	return -1;
}

bool pf_ksm_available(void)
{
	return access("/sys/kernel/mm/ksm/run", W_OK) == 0;
}

void *pf_map(size_t pages, int flags)
{
	size_t size = pages * PF_PAGE, slack = flags & PF_HUGEPAGE ? PF_HUGE - PF_PAGE : 0;
	char *mem = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(mem != MAP_FAILED, "mmap %zu pages: %s", pages, strerror(errno));
	/* The gap that is left is too small for another huge page: who maps small ones next gets them apart. */
	if (slack) {
		char *aligned = (char *)(((uintptr_t)mem + slack) & ~(PF_HUGE - 1));

		if (aligned > mem)
			munmap(mem, aligned - mem);
		if (mem + slack > aligned)
			munmap(aligned + size, mem + slack - aligned);
		mem = aligned;
		madvise(mem, size, MADV_HUGEPAGE);
	}
	if (flags & PF_NOHUGEPAGE)
		madvise(mem, size, MADV_NOHUGEPAGE);
	if (flags & PF_MERGEABLE)
		REQUIRE(madvise(mem, size, MADV_MERGEABLE) == 0, "MADV_MERGEABLE: %s", strerror(errno));
	return mem;
}

static void make(uint64_t *words, uint64_t id)
{
	uint64_t state = id * 0x9e3779b97f4a7c15ULL;
	size_t k;

	if (!id) {
		memset(words, 0, PF_PAGE);
		return;
	}
	for (k = 0; k < PF_PAGE / sizeof(*words); k++)
		words[k] = pf_rand(&state) + k;
}

void pf_fill(void *page, uint64_t id)
{
	make(page, id);
}

bool pf_is(const void *page, uint64_t id)
{
	uint64_t expect[PF_PAGE / sizeof(uint64_t)];

	make(expect, id);
	return !memcmp(page, expect, PF_PAGE);
}

void pf_fill_all(void *mem, size_t pages, uint64_t (*id)(size_t))
{
	size_t i;

	for (i = 0; i < pages; i++)
		pf_fill(pf_page(mem, i), id(i));
}

void *pf_map_huge(size_t pages, uint64_t (*id)(size_t))
{
	int try;

	for (try = 0; try < 5; try++) {
		void *mem = pf_map(pages, PF_MERGEABLE | PF_HUGEPAGE);

		pf_fill_all(mem, pages, id);
		if (pf_smaps(getpid(), mem, "AnonHugePages") == (long long)(pages * PF_PAGE / 1024))
			return mem;
		munmap(mem, pages * PF_PAGE);
		pf_file_write("/proc/sys/vm/drop_caches", "3");
		pf_file_write("/proc/sys/vm/compact_memory", "1");
	}
	return NULL;
}

size_t pf_wrong(void *mem, size_t pages, uint64_t (*id)(size_t))
{
	size_t i, wrong = 0;

	for (i = 0; i < pages; i++)
		wrong += !pf_is(pf_page(mem, i), id(i));
	return wrong;
}

/* move_pages() begins by emptying every CPU's LRU batches; the move itself goes nowhere. */
void pf_settle(void *any_page)
{
	int status, node = 0;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0, any_page, 3 /* MPOL_F_NODE | MPOL_F_ADDR */))
		node = 0;
	syscall(SYS_move_pages, 0, 1UL, &any_page, &node, &status, 0);
}

uint64_t pf_pagemap(pid_t pid, const void *addr)
{
	uint64_t entry = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0, "%s: %s", path, strerror(errno));
	REQUIRE(pread(fd, &entry, sizeof(entry), (uintptr_t)addr / PF_PAGE * sizeof(entry)) ==
		sizeof(entry), "%s: %s", path, strerror(errno));
	close(fd);
	return entry;
}

uint64_t pf_pfn(pid_t pid, const void *addr)
{
	uint64_t entry = pf_pagemap(pid, addr);

	return entry & PF_PM_PRESENT ? entry & ((1ULL << 55) - 1) : 0;
}

uint64_t pf_zero_pfn(void)
{
	volatile char *page = pf_map(1, PF_NOHUGEPAGE);
	uint64_t pfn;

	(void)page[0];
	pfn = pf_pfn(getpid(), (void *)page);
	munmap((void *)page, PF_PAGE);
	return pfn;
}

bool pf_is_frame(pid_t pid, const void *addr)
{
	uint64_t entry = pf_pagemap(pid, addr);

	return (entry & PF_PM_PRESENT) && (entry & PF_PM_FILE);
}

size_t pf_frames_in(pid_t pid, void *mem, size_t pages)
{
	size_t i, frames = 0;

	for (i = 0; i < pages; i++)
		frames += pf_is_frame(pid, pf_page(mem, i));
	return frames;
}

long long pf_smaps(pid_t pid, const void *addr, const char *field)
{
	char path[64], line[512];
	unsigned long start, end;
	long long total = -1;
	bool inside = false;
	size_t len = strlen(field);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	file = fopen(path, "re");
	REQUIRE(file, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (isxdigit(line[0]) && sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)addr >= start && (uintptr_t)addr < end;
		else if (inside && !strncmp(line, field, len) && line[len] == ':')
			total = atoll(line + len + 1);
	}
	fclose(file);
	return total;
}

/* What the parent says to a VM's process, and what it answers. */
struct order {
	char what;
	size_t page;
	uint64_t id;
};

static void vm_serve(int fd, void *mem, size_t pages, uint64_t *ids)
{
	struct order order;
	size_t i;

	while (read(fd, &order, sizeof(order)) == sizeof(order)) {
		uint64_t answer = 0;

		if (order.what == 'w') {
			pf_fill(pf_page(mem, order.page), order.id);
			ids[order.page] = order.id;
		} else {
			for (i = 0; i < pages; i++)
				answer += !pf_is(pf_page(mem, i), ids[i]);
		}
		if (write(fd, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

void pf_vm_start(struct pf_vm *vm, size_t pages, int flags, uint64_t (*id)(size_t))
{
	int pair[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair: %s",
		strerror(errno));
	vm->pages = pages;
	vm->pid = fork();
	REQUIRE(vm->pid >= 0, "fork: %s", strerror(errno));
	if (!vm->pid) {
		uint64_t *ids = malloc(pages * sizeof(*ids));
		void *mem = pf_map(pages, flags);
		size_t i;

		close(pair[0]);
		for (i = 0; i < pages; i++) {
			ids[i] = id(i);
			pf_fill(pf_page(mem, i), ids[i]);
		}
		pf_settle(mem);
		if (write(pair[1], &mem, sizeof(mem)) != sizeof(mem))
			_exit(PF_FAIL);
		vm_serve(pair[1], mem, pages, ids);
	}
	close(pair[1]);
	vm->fd = pair[0];
	REQUIRE(read(vm->fd, &vm->mem, sizeof(vm->mem)) == sizeof(vm->mem), "the VM's process died");
}

static uint64_t vm_order(struct pf_vm *vm, struct order order)
{
	uint64_t answer;

	REQUIRE(write(vm->fd, &order, sizeof(order)) == sizeof(order) &&
		read(vm->fd, &answer, sizeof(answer)) == sizeof(answer),
		"process %d does not answer", vm->pid);
	return answer;
}

size_t pf_vm_wrong(struct pf_vm *vm)
{
	return vm_order(vm, (struct order){ .what = 'v' });
}

void pf_vm_write(struct pf_vm *vm, size_t page, uint64_t id)
{
	vm_order(vm, (struct order){ .what = 'w', .page = page, .id = id });
}

void pf_vm_stop(struct pf_vm *vm)
{
	close(vm->fd);
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
}

/* Runs one subtest in a process group of its own; what is left of the group ends with it. */
static int run_one(const struct pf_test *test)
{
	int status = 0, ret;
	pid_t pid;

	atomic_store(&verdict->failed, 0);
	atomic_store(&verdict->skipped, 0);
	if (pf_loaded())
		pf_rmmod();
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		signal(SIGPIPE, SIG_IGN);
		if (!test->no_module)
			pf_load();
		test->run();
		_exit(PF_PASS);
	}
	setpgid(pid, pid);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
	kill(-pid, SIGKILL);
	if (WIFSIGNALED(status))
		CHECK(false, "the subtest died of signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == PF_SKIP)
		CHECK(atomic_load(&verdict->skipped), "a skip that nobody asked for");
	else
		CHECK(WEXITSTATUS(status) == PF_PASS, "the subtest ended with status %d", WEXITSTATUS(status));
	if (pf_loaded()) {
		ret = pf_rmmod();
		CHECK(ret == 0, "rmmod pagefold: %s", strerror(-ret));
	}
	if (atomic_load(&verdict->failed))
		return PF_FAIL;
	return atomic_load(&verdict->skipped) ? PF_SKIP : PF_PASS;
}

int pf_main(const struct pf_test *tests, size_t count, int argc, char **argv)
{
	static const char *const words[] = { [PF_PASS] = "ok", [PF_FAIL] = "not ok", [PF_SKIP] = "ok" };
	int passed = 0, failed = 0, skipped = 0;
	size_t i;

	setvbuf(stdout, NULL, _IONBF, 0);
	verdict = mmap(NULL, PF_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict == MAP_FAILED)
		return PF_FAIL;
	printf("TAP version 13\n1..%zu\n", count);
	for (i = 0; i < count; i++) {
		double start = pf_now();
		int ret;

		if (argc > 1 && strcmp(argv[1], tests[i].name))
			ret = PF_SKIP;
		else
			ret = run_one(&tests[i]);
		if (pf_now() - start > 5)
			printf("# %s took %.1f s\n", tests[i].name, pf_now() - start);
		printf("%s %zu %s%s\n", words[ret], i + 1, tests[i].name,
		       ret == PF_SKIP ? " # SKIP" : "");
		passed += ret == PF_PASS;
		failed += ret == PF_FAIL;
		skipped += ret == PF_SKIP;
	}
	printf("# Totals: pass:%d fail:%d skip:%d\n", passed, failed, skipped);
	return failed ? PF_FAIL : passed ? PF_PASS : PF_SKIP;
}
