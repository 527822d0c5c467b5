// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest-dump.c: what a guest's memory holds, page by page, into a file that fold.c reads.
 *
 * Real guests are booted once and their memory is kept, so that every engine folds the very same one, on a
 * clock that counts instructions, which guests do not run on. usage: guest-dump PID >FILE; the process
 * should be stopped. What it offered for sharing (VmFlags mg) is written as the number of pages (8 bytes),
 * a byte for each page that says whether it is there, and those that are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE		4096UL
#define RANGES_MAX	64
#define PRESENT		(1ULL << 63)

struct range {
	uint64_t start;
	uint64_t pages;
};

static struct range range[RANGES_MAX];
static size_t nr_ranges;

static void die(const char *what)
{
	fprintf(stderr, "guest-dump: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_of(const char *pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static void find_ranges(const char *pid)
{
	FILE *smaps = fdopen(open_of(pid, "smaps"), "r");
	uint64_t from, to, start = 0, end = 0;
	char line[512];

	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			start = from;
			end = to;
		} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " mg") &&
			   nr_ranges < RANGES_MAX) {
			range[nr_ranges++] = (struct range) { start, (end - start) / PAGE };
		}
	}
	fclose(smaps);
}

static void put(const void *data, size_t size)
{
	if (fwrite(data, 1, size, stdout) != size)
		die("write");
}

static uint8_t is_there(int pagemap, uint64_t addr)
{
	uint64_t entry;

	if (pread(pagemap, &entry, 8, addr / PAGE * 8) != 8)
		die("pagemap");
	return !!(entry & PRESENT);
}

int main(int argc, char **argv)
{
	static char page[PAGE];
	uint64_t pages = 0, n = 0, i;
	uint8_t *there;
	int pagemap, mem;
	size_t k;

	if (argc != 2) {
		fprintf(stderr, "usage: guest-dump PID >FILE\n");
		return 2;
	}
	find_ranges(argv[1]);
	pagemap = open_of(argv[1], "pagemap");
	mem = open_of(argv[1], "mem");
	for (k = 0; k < nr_ranges; k++)
		pages += range[k].pages;
	there = calloc(1, pages + 1);
	if (!pages || !there)
		die("no memory is offered for sharing");
	for (k = 0; k < nr_ranges; k++)
		for (i = 0; i < range[k].pages; i++)
			there[n++] = is_there(pagemap, range[k].start + i * PAGE);
	put(&pages, sizeof(pages));
	put(there, pages);
	for (k = 0, n = 0; k < nr_ranges; k++) {
		for (i = 0; i < range[k].pages; i++) {
			if (!there[n++])
				continue;
			if (pread(mem, page, PAGE, range[k].start + i * PAGE) != (ssize_t)PAGE)
				die("mem");
			put(page, PAGE);
		}
	}
	return fflush(stdout) ? 1 : 0;
}
