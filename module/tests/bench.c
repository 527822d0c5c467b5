// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the pure parts of the module cost, natively.
 *
 *   bench [--json]
 *
 * Each figure is the least of some rounds: what disturbs a round only ever makes it slower. "Cold"
 * data is taken from a working set of 512 MiB, far more than any cache here, in an order no
 * prefetcher knows.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/highmem.h>

#include "bench.h"
#include "frame.h"
#include "hash.h"
#include "hint.h"
#include "test.h"
#include "turn.h"

#define ROUNDS		5
#define COLD_PAGES	(512 * 256)	/* 512 MiB */
#define HINT_BUCKETS	(1 << 20)	/* 64 MiB of hints: 8 million pages, 32 GiB of guests */
#define VMS		1000

static bool json;
static bool json_begun;
static volatile u64 sink;

/* CPU time of this thread: what else runs here is not measured. */
static u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void say(const char *name, double value, const char *unit)
{
	if (json)
		printf("%s\n  { \"name\": \"%s\", \"value\": %.2f, \"unit\": \"%s\" }",
		       json_begun ? "," : "", name, value, unit);
	else
		printf("%-48s %10.1f %s\n", name, value, unit);
	json_begun = true;
	fflush(stdout);
}

static void *must(void *memory)
{
	if (!memory || memory == MAP_FAILED) {
		perror("bench: memory");
		exit(1);
	}
	return memory;
}

/* @nr pages of random content. */
static unsigned char *make_pages(size_t nr)
{
	unsigned char *pages = must(mmap(NULL, nr * PF_PAGE_BYTES, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	u64 seed = 1;

	for (size_t i = 0; i < nr * PF_PAGE_BYTES / sizeof(u64); i++)
		((u64 *)pages)[i] = next_random(&seed);
	return pages;
}

/* Each number below @nr once, shuffled. */
static u32 *make_order(u32 nr)
{
	u32 *order = must(calloc(nr, sizeof(*order)));
	u64 seed = 2;

	for (u32 i = 0; i < nr; i++) {
		u32 other = random_below(&seed, i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	return order;
}

/* The ns that @call takes for a page, of @nr pages in @order, @repeat times over. */
static double time_pages(u64 (*call)(const void *page), const unsigned char *pages,
			 const u32 *order, u32 nr, u32 repeat)
{
	double best = 1e30;

	for (u32 round = 0; round < ROUNDS; round++) {
		u64 begin = now_ns(), sum = 0;
		double took;

		for (u32 i = 0; i < repeat; i++)
			for (u32 p = 0; p < nr; p++)
				sum += call(pages + (size_t)order[p] * PF_PAGE_BYTES);
		took = (double)(now_ns() - begin) / nr / repeat;
		sink += sum;
		best = took < best ? took : best;
	}
	return best;
}

static void bench_pages(void)
{
	unsigned char *pages = make_pages(COLD_PAGES);
	u32 *order = make_order(COLD_PAGES), *none = must(calloc(1, sizeof(*none)));

	say("hash a page, hot", time_pages(bench_page_hash, pages, none, 1, 200000), "ns");
	say("hash a page, cold", time_pages(bench_page_hash, pages, order, COLD_PAGES, 1), "ns");
	if (bench_has_xxh64) {
		say("xxh64 a page, hot", time_pages(bench_xxh64, pages, none, 1, 200000), "ns");
		say("xxh64 a page, cold", time_pages(bench_xxh64, pages, order, COLD_PAGES, 1),
		    "ns");
	} else {
		fprintf(stderr, "xxh64: skipped, no xxhash.h (libxxhash-dev)\n");
	}
	say("zero test, random page, cold",
	    time_pages(bench_zero_test, pages, order, COLD_PAGES, 1), "ns");
	memset(pages, 0, (size_t)COLD_PAGES * PF_PAGE_BYTES);
	say("zero test, zero page, hot", time_pages(bench_zero_test, pages, none, 1, 200000), "ns");
	say("zero test, zero page, cold", time_pages(bench_zero_test, pages, order, COLD_PAGES, 1),
	    "ns");
	munmap(pages, (size_t)COLD_PAGES * PF_PAGE_BYTES);
	free(order);
	free(none);
}

static u64 key_of(u64 nr)
{
	return next_random(&nr);
}

static struct pf_place place_of(u64 nr)
{
	return (struct pf_place) { .vm = 1 + nr % PF_HINT_MAX_VM, .page = nr };
}

/*
 * Keys come in no order, so that each access to the table is cold: as it is when pages are scanned.
 */
static void bench_hints(void)
{
	static const u32 load[] = { 25, 50, 75, 95 };
	struct pf_hint_table table = {};
	struct pf_place found[PF_HINT_MAX_FOUND];
	u64 nr = 0, slots = (u64)HINT_BUCKETS * PF_HINT_WAYS;
	char name[64];

	must(pf_hint_table_resize(&table, HINT_BUCKETS, slots) ? NULL : &table);
	for (size_t i = 0; i < ARRAY_SIZE(load); i++) {
		u64 from = nr, begin = now_ns(), hit = 0, lost = 0;
		double took;

		while (nr < slots * load[i] / 100) {
			pf_hint_add(&table, key_of(nr), place_of(nr));
			nr++;
		}
		took = now_ns() - begin;
		snprintf(name, sizeof(name), "hint add, up to %u %% load", load[i]);
		say(name, took / (nr - from), "ns");

		begin = now_ns();
		for (u64 n = 0; n < nr; n++)
			hit += pf_hint_find(&table, key_of(n), found);
		took = now_ns() - begin;
		snprintf(name, sizeof(name), "hint find, there, %u %% load", load[i]);
		say(name, took / nr, "ns");

		begin = now_ns();
		for (u64 n = 0; n < nr; n++)
			hit += pf_hint_find(&table, key_of(~n), found);
		took = now_ns() - begin;
		snprintf(name, sizeof(name), "hint find, not there, %u %% load", load[i]);
		say(name, took / nr, "ns");
		sink += hit;

		for (u64 n = 0; n < nr; n++) {
			u32 places = pf_hint_find(&table, key_of(n), found);

			while (places && found[places - 1].page != n)
				places--;
			lost += !places;
		}
		snprintf(name, sizeof(name), "hints lost, %u %% load", load[i]);
		say(name, 100.0 * lost / nr, "%");
		snprintf(name, sizeof(name), "hint table, %u %% load", load[i]);
		say(name, (double)pf_hint_table_bytes(&table) / nr, "bytes/page");
	}
	pf_hint_table_free(&table);
}

static struct page page_of(unsigned char *data)
{
	return (struct page) { .data = data, .private = 0xabcd00000000UL | 1 };
}

/* The ns that it takes to add a frame of which the like is there. */
static double time_frames_there(struct pf_frame_set *set, const struct page *page, u32 nr,
				const u32 *order)
{
	u64 begin = now_ns();

	for (u32 i = 0; i < nr; i++) {
		struct page again = page_of(page[order[i]].data);

		sink += pf_frame_add(set, &again, key_of(order[i]), true) == &page[order[i]];
	}
	return (double)(now_ns() - begin) / nr;
}

/* And one that is new, which goes again. */
static double time_frames_new(struct pf_frame_set *set, const struct page *page, u32 nr,
			      const u32 *order)
{
	u64 begin = now_ns();

	for (u32 i = 0; i < nr; i++) {
		struct page other = page_of(page[0].data);

		sink += pf_frame_add(set, &other, key_of(nr + order[i]), true) == &other;
		pf_frame_del(set, &other);
	}
	return (double)(now_ns() - begin) / nr;
}

static void bench_frames(u32 nr, const char *size)
{
	unsigned char *pages = make_pages(nr);
	struct page *page = must(calloc(nr, sizeof(*page)));
	struct hlist_head *bucket = must(calloc(nr, sizeof(*bucket)));
	u32 *order = make_order(nr);
	struct pf_frame_set set = {};
	double there = 1e30, fresh = 1e30;
	char name[64];

	pf_frame_resize(&set, bucket, nr);
	for (u32 i = 0; i < nr; i++) {
		page[i] = page_of(pages + (size_t)i * PF_PAGE_BYTES);
		pf_frame_add(&set, &page[i], key_of(i), true);
	}
	for (u32 round = 0; round < ROUNDS; round++) {
		there = min(there, time_frames_there(&set, page, nr, order));
		fresh = min(fresh, time_frames_new(&set, page, nr, order));
	}
	snprintf(name, sizeof(name), "frame add and delete, %s frames", size);
	say(name, fresh, "ns");
	snprintf(name, sizeof(name), "frame add, there and compared, %s frames", size);
	say(name, there, "ns");
	munmap(pages, (size_t)nr * PF_PAGE_BYTES);
	free(page);
	free(bucket);
	free(order);
}

static void bench_turns(void)
{
	static struct pf_turn turn[VMS];
	struct pf_turns turns = {};
	u64 seed = 3, begin, wait_ns;
	u32 nr = 2000000;

	for (u32 i = 0; i < VMS; i++) {
		pf_turn_init(&turn[i], 1 + random_below(&seed, PF_SHARE_MAX));
		pf_turn_add(&turns, &turn[i], 0);
	}
	begin = now_ns();
	for (u32 i = 0; i < nr; i++) {
		struct pf_turn *next = pf_turn_next(&turns, 1, &wait_ns);

		pf_turn_charge(next, 1000000 + (i & 0xffff));
		pf_turn_add(&turns, next, 0);
	}
	say("turn next, charge and add, 1000 VMs", (double)(now_ns() - begin) / nr, "ns");
}

int main(int argc, char **argv)
{
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json"))) {
		fprintf(stderr, "usage: %s [--json]\n", argv[0]);
		return 2;
	}
	json = argc == 2;
	if (json)
		printf("[");
	bench_pages();
	bench_hints();
	bench_frames(8 << 10, "8k");
	bench_frames(64 << 10, "64k");
	bench_turns();
	if (json)
		printf("\n]\n");
	return 0;
}
