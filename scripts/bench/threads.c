// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads.c: how much more do two scan threads look at than one, in the same time?
 *
 * Needs two CPUs, and so a clock that is the real one: what else the machine does is in the figure.
 * Two VMs of unique pages are scanned over and over by one thread and by two, in turns, so that both see
 * the same of that. It prints a row as fold.c does, with the median of the ratios.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define PF	"/sys/kernel/pagefold/"
#define VMS	2
#define ROUNDS	9
#define SPAN_NS	2000000000LL

static void die(const char *what)
{
	fprintf(stderr, "bench threads: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put(const char *attr, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), PF "%s", attr);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static long long scanned(void)
{
	char text[64] = "";
	int fd = open(PF "scanned_pages", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die("scanned_pages");
	close(fd);
	return atoll(text);
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void load(void)
{
	const char *dir = getenv("PF_MODULES");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/pagefold.ko", dir ? dir : "/modules");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die(path);
	close(fd);
}

/* A process of @pages unlike pages, gone when we are. */
static pid_t vm_new(size_t pages, uint64_t id)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		uint64_t *word = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		size_t i;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (word == MAP_FAILED || madvise(word, pages * PAGE, MADV_NOHUGEPAGE))
			die("memory");
		for (i = 0; i < pages * PAGE / sizeof(*word); i++)
			word[i] = (id * pages * PAGE + i + 1) * 0x9e3779b97f4a7c15ULL;
		if (write(ready[1], "", 1) != 1)
			die("pipe");
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("a VM did not come up");
	close(ready[0]);
	return pid;
}

/* Pages a second that so many threads look at. */
static double rate(const char *threads)
{
	struct timespec nap = { .tv_nsec = 100000000 };
	long long begin, ns, pages;

	put("threads", threads);
	/* The first turns are the new threads' starts. */
	nanosleep(&nap, NULL);
	pages = scanned();
	begin = now_ns();
	while ((ns = now_ns() - begin) < SPAN_NS)
		nanosleep(&nap, NULL);
	return (scanned() - pages) * 1e9 / ns;
}

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	size_t pages = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	double ratio[ROUNDS];
	char line[64];
	int i;

	if (!pages) {
		fprintf(stderr, "usage: %s PAGES\n", argv[0]);
		return 2;
	}
	load();
	put("cpu_percent", "100");
	put("pass_interval_ms", "0");
	put("rest_passes_max", "0");
	put("wss_period_ms", "0");
	for (i = 0; i < VMS; i++) {
		snprintf(line, sizeof(line), "%d policy=always", vm_new(pages, i));
		put("register", line);
	}
	put("run", "1");
	for (i = 0; i < ROUNDS; i++) {
		double one = rate("1"), two = rate("2");

		ratio[i] = two / one;
		fprintf(stderr, "one thread %.0f pages/s, two %.0f\n", one, two);
	}
	qsort(ratio, ROUNDS, sizeof(ratio[0]), cmp);
	printf("two_threads %zu times pagefold %.4f\n", pages, ratio[ROUNDS / 2]);
	return 0;
}
