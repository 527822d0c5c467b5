// SPDX-License-Identifier: GPL-2.0-only
/*
 * count_equal.c: how much of some processes' mergeable memory is foldable, counted offline and exactly,
 * and how much is folded.
 *
 * usage: count_equal PID...; the processes should be stopped. Reads what they offered (VmFlags mg)
 * through /proc/PID/mem, page by page. Foldable are pages of zeros, and of every content that exists
 * more than once all pages but one. Folded is what /proc/PID/pagemap shows to be shared: pages of
 * private memory that map a page which is not anonymous (folded, with frames the number of different
 * ones) or the kernel's zero page (empty). Knows nothing of Pagefold: it is what Pagefold is measured
 * with.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <fcntl.h>

struct seen {
	uint64_t hash;
	uint64_t addr;
	int mem;
};

static struct seen *all;
static size_t count, room, zeros;
static uint64_t *frames, zero_pfn;
static size_t folded, frames_room, empty;

static uint64_t hash_of(const uint64_t *words)
{
	uint64_t hash = 0x9e3779b97f4a7c15ULL;
	size_t k;

	for (k = 0; k < PF_PAGE / sizeof(*words); k++) {
		hash = (hash ^ words[k]) * 0xff51afd7ed558ccdULL;
		hash ^= hash >> 29;
	}
	return hash;
}

static void add(int mem, uint64_t addr, const uint64_t *words)
{
	static const uint64_t zero[PF_PAGE / sizeof(uint64_t)];

	if (!memcmp(words, zero, PF_PAGE)) {
		zeros++;
		return;
	}
	if (count == room) {
		room = room ? 2 * room : 65536;
		all = realloc(all, room * sizeof(*all));
		if (!all)
			exit(1);
	}
	all[count++] = (struct seen){ hash_of(words), addr, mem };
}

static void add_folded(uint64_t pfn)
{
	if (folded == frames_room) {
		frames_room = frames_room ? 2 * frames_room : 65536;
		frames = realloc(frames, frames_room * sizeof(*frames));
		if (!frames)
			exit(1);
	}
	frames[folded++] = pfn;
}

/* Is this page there, and the process's own? If it is shared it is counted. */
static bool is_own(uint64_t entry)
{
	uint64_t pfn = entry & ((1ULL << 55) - 1);

	if (!(entry & PF_PM_PRESENT))
		return false;
	if (entry & PF_PM_FILE)
		add_folded(pfn);
	else if (pfn == zero_pfn)
		empty++;
	else
		return true;
	return false;
}

/* Only pages that are there and anonymous: looking must not bring any in. */
static void read_range(int pagemap, int mem, uint64_t start, uint64_t end)
{
	uint64_t entries[512], words[PF_PAGE / sizeof(uint64_t)], addr;
	size_t i, n;

	for (addr = start; addr < end; addr += n * PF_PAGE) {
		n = (end - addr) / PF_PAGE < 512 ? (end - addr) / PF_PAGE : 512;
		if (pread(pagemap, entries, n * 8, addr / PF_PAGE * 8) != (ssize_t)(n * 8))
			exit(1);
		for (i = 0; i < n; i++) {
			if (!is_own(entries[i]))
				continue;
			if (pread(mem, words, PF_PAGE, addr + i * PF_PAGE) == (ssize_t)PF_PAGE)
				add(mem, addr + i * PF_PAGE, words);
		}
	}
}

static void read_process(const char *pid)
{
	unsigned long start = 0, end = 0, from, to;
	char path[64], line[512];
	int pagemap, mem;
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
	pagemap = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	mem = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	smaps = fopen(path, "r");
	if (pagemap < 0 || mem < 0 || !smaps) {
		fprintf(stderr, "count_equal: process '%s': %s\n", pid, strerror(errno));
		exit(1);
	}
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			start = from;
			end = to;
		} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " mg")) {
			read_range(pagemap, mem, start, end);
		}
	}
	fclose(smaps);
	close(pagemap);
}

static int by_hash(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* How many different frames there are. */
static size_t count_frames(void)
{
	size_t i, different = 0;

	qsort(frames, folded, sizeof(*frames), by_number);
	for (i = 0; i < folded; i++)
		different += !i || frames[i] != frames[i - 1];
	return different;
}

static bool equal(const struct seen *a, const struct seen *b)
{
	char x[PF_PAGE], y[PF_PAGE];

	return pread(a->mem, x, PF_PAGE, a->addr) == (ssize_t)PF_PAGE &&
	       pread(b->mem, y, PF_PAGE, b->addr) == (ssize_t)PF_PAGE && !memcmp(x, y, PF_PAGE);
}

int main(int argc, char **argv)
{
	size_t i, first = 0, same = 0, contents = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: count_equal PID...\n");
		return 2;
	}
	zero_pfn = pf_zero_pfn();
	for (i = 1; i < (size_t)argc; i++)
		read_process(argv[i]);
	qsort(all, count, sizeof(*all), by_hash);
	for (i = 0; i < count; i++) {
		if (i && all[i].hash == all[first].hash && equal(&all[first], &all[i])) {
			same++;
			continue;
		}
		first = i;
		contents++;
	}
	printf("pages=%zu zero=%zu equal=%zu contents=%zu folded=%zu frames=%zu empty=%zu\n",
	       count + zeros, zeros, same, contents, folded, count_frames(), empty);
	return 0;
}
