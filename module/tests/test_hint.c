// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the hint table: what it keeps, what it loses and what it costs.
 *
 * Keys are made so that it is known where they go: the high half picks the first bucket, the low 13
 * bits are the tag. So keys that differ in the low bits alone share their first bucket and no tag.
 */
#include <stdlib.h>

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "hint.h"
#include "table.h"
#include "test.h"

#define WAYS		PF_HINT_WAYS
#define MIB_PAGES	256

/* The @nr-th of the keys that share the first bucket @high picks. */
static u64 neighbour(u32 high, u32 nr)
{
	return (u64)high << 32 | (nr + 1);
}

/* A key like any other: spread over the buckets. */
static u64 mixed(u64 nr)
{
	return next_random(&nr);
}

static struct pf_place place_of(u64 nr)
{
	return (struct pf_place) { .vm = 1 + nr % PF_HINT_MAX_VM, .page = nr * 7919 };
}

static unsigned int count_found(const struct pf_hint_table *table, u64 key, struct pf_place place)
{
	/* Of just this size, so that ASan sees a place too many. */
	struct pf_place *found = calloc(PF_HINT_MAX_FOUND, sizeof(*found));
	unsigned int nr = pf_hint_find(table, key, found), same = 0;

	for (unsigned int i = 0; i < nr; i++)
		same += found[i].vm == place.vm && found[i].page == place.page;
	free(found);
	return same;
}

static unsigned int nr_found(const struct pf_hint_table *table, u64 key)
{
	struct pf_place found[PF_HINT_MAX_FOUND];

	return pf_hint_find(table, key, found);
}

static bool make_table(struct pf_hint_table *table, u32 nr_buckets)
{
	*table = (struct pf_hint_table) {};
	EXPECT(!pf_hint_table_resize(table, nr_buckets, 1 << 30), "%u buckets", nr_buckets);
	return true;
}

static bool empty_table_is_harmless(void)
{
	struct pf_hint_table table = {};

	pf_hint_add(&table, 1, place_of(1));
	pf_hint_del(&table, 1, place_of(1));
	pf_hint_age(&table, true);
	EXPECT(!nr_found(&table, 1), "found in no table");
	EXPECT(!pf_hint_table_bytes(&table), "%zu bytes", pf_hint_table_bytes(&table));
	pf_hint_table_free(&table);
	return true;
}

static bool added_is_found(void)
{
	struct pf_place found[PF_HINT_MAX_FOUND];
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	pf_hint_add(&table, neighbour(5, 0), place_of(1));
	EXPECT(pf_hint_find(&table, neighbour(5, 0), found) == 1, "not once");
	EXPECT(found[0].vm == place_of(1).vm && found[0].page == place_of(1).page,
	       "found VM %u page %llu", found[0].vm, found[0].page);
	EXPECT(!nr_found(&table, neighbour(5, 1)), "found under another tag");
	EXPECT(!nr_found(&table, neighbour(1U << 31, 0)), "found in another bucket");
	pf_hint_table_free(&table);
	return true;
}

static bool extreme_places_fit(void)
{
	static const struct pf_place extreme[] = {
		{ 1, 0 }, { 1, PF_HINT_MAX_PAGE }, { PF_HINT_MAX_VM, 0 },
		{ PF_HINT_MAX_VM, PF_HINT_MAX_PAGE },
	};
	static const u64 key[] = { 0, 0x1fff, ~0ULL };

	for (size_t p = 0; p < ARRAY_SIZE(extreme); p++) {
		for (size_t k = 0; k < ARRAY_SIZE(key); k++) {
			for (u8 age = 0; age < 4; age++) {
				struct pf_hint_table table;

				if (!make_table(&table, 64))
					return false;
				table.age = age;
				pf_hint_add(&table, key[k], extreme[p]);
				EXPECT(count_found(&table, key[k], extreme[p]) == 1,
				       "VM %u page %llu key %llx age %u", extreme[p].vm,
				       extreme[p].page, key[k], age);
				pf_hint_del(&table, key[k], extreme[p]);
				EXPECT(!nr_found(&table, key[k]),
				       "VM %u page %llu key %llx age %u", extreme[p].vm,
				       extreme[p].page, key[k], age);
				pf_hint_table_free(&table);
			}
		}
	}
	return true;
}

static bool deleted_is_gone(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	for (u32 i = 0; i < 3; i++)
		pf_hint_add(&table, 1, place_of(i));
	pf_hint_del(&table, 1, place_of(1));
	EXPECT(!count_found(&table, 1, place_of(1)), "found after it was deleted");
	EXPECT(count_found(&table, 1, place_of(0)) == 1, "the one before is gone too");
	EXPECT(count_found(&table, 1, place_of(2)) == 1, "the one after is gone too");
	pf_hint_del(&table, 1, place_of(1));
	EXPECT(nr_found(&table, 1) == 2, "%u left", nr_found(&table, 1));
	pf_hint_table_free(&table);
	return true;
}

static bool del_takes_just_its_own(void)
{
	struct pf_place other_vm = place_of(1), other_page = place_of(1);
	struct pf_hint_table table;

	other_vm.vm++;
	other_page.page++;
	if (!make_table(&table, 64))
		return false;
	pf_hint_add(&table, neighbour(5, 0), place_of(1));
	pf_hint_del(&table, neighbour(5, 0), other_vm);
	pf_hint_del(&table, neighbour(5, 0), other_page);
	pf_hint_del(&table, neighbour(5, 1), place_of(1));
	EXPECT(nr_found(&table, neighbour(5, 0)) == 1, "a hint went with another's");
	pf_hint_table_free(&table);
	return true;
}

static bool del_reaches_the_second_bucket(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	for (u32 i = 0; i <= WAYS; i++)
		pf_hint_add(&table, neighbour(5, i), place_of(i));
	pf_hint_del(&table, neighbour(5, WAYS), place_of(WAYS));
	EXPECT(!nr_found(&table, neighbour(5, WAYS)), "found after it was deleted");
	pf_hint_table_free(&table);
	return true;
}

static bool refreshed_is_not_doubled(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	for (u32 round = 0; round < 10; round++) {
		pf_hint_add(&table, 1, place_of(1));
		pf_hint_add(&table, 1, place_of(1));
		EXPECT(nr_found(&table, 1) == 1, "%u times in round %u", nr_found(&table, 1),
		       round);
		pf_hint_age(&table, true);
	}
	pf_hint_table_free(&table);
	return true;
}

static bool refreshed_in_the_second_bucket(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	for (u32 i = 0; i <= WAYS; i++)
		pf_hint_add(&table, neighbour(5, i), place_of(i));
	pf_hint_age(&table, true);
	pf_hint_add(&table, neighbour(5, WAYS), place_of(WAYS));
	EXPECT(nr_found(&table, neighbour(5, WAYS)) == 1, "%u times",
	       nr_found(&table, neighbour(5, WAYS)));
	EXPECT(nr_found(&table, neighbour(5, 0)) == 1, "a hint was lost for one that was there");
	pf_hint_table_free(&table);
	return true;
}

static bool stale_is_kept(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	/* The content of a page changes: its hint under the old key stays, and does no harm. */
	pf_hint_add(&table, neighbour(5, 0), place_of(1));
	pf_hint_add(&table, neighbour(5, 1), place_of(1));
	EXPECT(count_found(&table, neighbour(5, 0), place_of(1)) == 1, "old key");
	EXPECT(count_found(&table, neighbour(5, 1), place_of(1)) == 1, "new key");
	pf_hint_del(&table, neighbour(5, 0), place_of(1));
	EXPECT(!nr_found(&table, neighbour(5, 0)), "old key, deleted");
	EXPECT(count_found(&table, neighbour(5, 1), place_of(1)) == 1, "new key, old deleted");
	pf_hint_table_free(&table);
	return true;
}

static bool finds_no_more_than_asked(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	for (u32 i = 0; i < 2 * WAYS; i++)
		pf_hint_add(&table, 1, place_of(i));
	/* count_found() gives just so much room. */
	count_found(&table, 1, place_of(0));
	EXPECT(nr_found(&table, 1) == PF_HINT_MAX_FOUND, "%u found", nr_found(&table, 1));
	pf_hint_table_free(&table);
	return true;
}

static bool full_bucket_goes_on(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	for (u32 i = 0; i < WAYS + 4; i++)
		pf_hint_add(&table, neighbour(5, i), place_of(i));
	for (u32 i = 0; i < WAYS + 4; i++)
		EXPECT(count_found(&table, neighbour(5, i), place_of(i)) == 1, "hint %u of %u", i,
		       WAYS + 4);
	pf_hint_table_free(&table);
	return true;
}

/* A table of one bucket is full with 8: half of them old, and one of those refreshed. */
static bool oldest_is_evicted(void)
{
	struct pf_hint_table table;
	u32 lost = 0;

	for (u8 age = 0; age < 4; age++) {
		if (!make_table(&table, 1))
			return false;
		table.age = age;
		for (u32 i = 0; i < WAYS; i++) {
			if (i == WAYS / 2)
				pf_hint_age(&table, true);
			pf_hint_add(&table, neighbour(5, i), place_of(i));
		}
		pf_hint_add(&table, neighbour(5, 2), place_of(2));
		pf_hint_add(&table, neighbour(5, WAYS), place_of(WAYS));
		EXPECT(nr_found(&table, neighbour(5, WAYS)), "the new one, age %u", age);
		EXPECT(nr_found(&table, neighbour(5, 2)), "the refreshed one, age %u", age);
		for (u32 i = WAYS / 2; i < WAYS; i++)
			EXPECT(nr_found(&table, neighbour(5, i)), "young one %u, age %u", i, age);
		for (u32 i = 0; i < WAYS / 2; i++)
			lost += !nr_found(&table, neighbour(5, i));
		EXPECT(lost == 1U + age, "%u of the old are lost, age %u", lost - age, age);
		pf_hint_table_free(&table);
	}
	return true;
}

static bool older_goes_before_old(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 1))
		return false;
	for (u32 i = 0; i < WAYS; i++) {
		pf_hint_add(&table, neighbour(5, i), place_of(i));
		if (!i)
			pf_hint_age(&table, true);
	}
	pf_hint_age(&table, true);
	pf_hint_add(&table, neighbour(5, WAYS), place_of(WAYS));
	EXPECT(!nr_found(&table, neighbour(5, 0)), "the oldest is there");
	for (u32 i = 1; i <= WAYS; i++)
		EXPECT(nr_found(&table, neighbour(5, i)), "hint %u", i);
	pf_hint_table_free(&table);
	return true;
}

static bool newcomer_stays_among_equals(void)
{
	struct pf_hint_table table;
	u32 lost = 0;

	if (!make_table(&table, 1))
		return false;
	for (u32 i = 0; i <= WAYS; i++)
		pf_hint_add(&table, neighbour(5, i), place_of(i));
	EXPECT(nr_found(&table, neighbour(5, WAYS)), "the new one");
	for (u32 i = 0; i < WAYS; i++)
		lost += !nr_found(&table, neighbour(5, i));
	EXPECT(lost == 1, "%u lost", lost);
	pf_hint_table_free(&table);
	return true;
}

static bool old_buckets_are_looked_up_until_age(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	for (u32 i = 0; i < 100; i++)
		pf_hint_add(&table, mixed(i), place_of(i));
	EXPECT(!pf_hint_table_resize(&table, 256, 2000), "resize");
	for (u32 i = 0; i < 100; i++)
		EXPECT(count_found(&table, mixed(i), place_of(i)) == 1, "hint %u", i);
	pf_hint_del(&table, mixed(7), place_of(7));
	EXPECT(!nr_found(&table, mixed(7)), "deleted after the resize");
	/* Left anew, it outlives the old buckets; the others do not. */
	pf_hint_add(&table, mixed(8), place_of(8));
	pf_hint_age(&table, true);
	EXPECT(count_found(&table, mixed(8), place_of(8)) == 1, "left anew");
	EXPECT(!nr_found(&table, mixed(9)), "old buckets after age");
	EXPECT(pf_hint_table_bytes(&table) == pf_table_taken(256 * 64), "%zu bytes",
	       pf_hint_table_bytes(&table));
	pf_hint_table_free(&table);
	return true;
}

/* Where regions rest a round refreshes few hints: those of before are no older for it, old buckets go. */
static bool not_refreshed_is_not_older(void)
{
	struct pf_hint_table table;
	u8 age;

	if (!make_table(&table, 64))
		return false;
	age = table.age;
	EXPECT(!pf_hint_table_resize(&table, 256, 2000) && table.old, "resize");
	pf_hint_age(&table, false);
	EXPECT(table.age == age, "older");
	EXPECT(!table.old, "old buckets stay");
	pf_hint_age(&table, true);
	EXPECT(table.age != age, "never older");
	pf_hint_table_free(&table);
	return true;
}

static bool resize_without_memory(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	pf_hint_add(&table, 1, place_of(1));
	fault_at = PF_FAULT_HINTS;
	EXPECT(pf_hint_table_resize(&table, 256, 2000) == -ENOMEM, "not -ENOMEM");
	EXPECT(table.nr_buckets == 64, "%u buckets", table.nr_buckets);
	EXPECT(nr_found(&table, 1) == 1, "the hint is lost");
	EXPECT(!pf_hint_table_resize(&table, 0, 0), "giving everything back takes memory");
	fault_at = PF_NR_FAULT_SITES;
	return true;
}

static bool resize_kills_nobody(void)
{
	struct pf_hint_table table = {};

	shim_memory.killers = 0;
	EXPECT(!pf_hint_table_resize(&table, 64, 1 << 20), "resize");
	EXPECT(!shim_memory.killers, "the table would rather have a process killed than do without");
	pf_hint_table_free(&table);
	return true;
}

static bool no_pages_no_table(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64))
		return false;
	EXPECT(!pf_hint_table_resize(&table, 256, 1 << 20), "resize");
	EXPECT(!pf_hint_table_want(256, 0), "%u buckets", pf_hint_table_want(256, 0));
	EXPECT(!pf_hint_table_resize(&table, 0, 0), "resize to nothing");
	EXPECT(!pf_hint_table_bytes(&table), "%zu bytes", pf_hint_table_bytes(&table));
	EXPECT(!shim_memory.bytes, "%zu bytes", shim_memory.bytes);
	EXPECT(!pf_hint_table_resize(&table, 64, 1 << 20), "resize");
	pf_hint_add(&table, 1, place_of(1));
	EXPECT(nr_found(&table, 1) == 1, "not usable again");
	pf_hint_table_free(&table);
	return true;
}

static bool freed_is_usable(void)
{
	struct pf_hint_table table;

	if (!make_table(&table, 64) || pf_hint_table_resize(&table, 256, 1 << 20))
		return false;
	pf_hint_table_free(&table);
	EXPECT(!shim_memory.bytes, "%zu bytes", shim_memory.bytes);
	pf_hint_add(&table, 1, place_of(1));
	EXPECT(!nr_found(&table, 1), "found in a freed table");
	EXPECT(!pf_hint_table_resize(&table, 64, 1 << 20), "resize");
	pf_hint_add(&table, 1, place_of(1));
	EXPECT(nr_found(&table, 1) == 1, "not usable again");
	pf_hint_table_free(&table);
	return true;
}

/*
 * What the caller does whenever the number of pages changes: old buckets may have to go although
 * the table keeps its size.
 */
static bool serve(struct pf_hint_table *table, u64 pages)
{
	u32 want = pf_hint_table_want(table->nr_buckets, pages);
	/* Of two tables what is left of their last pages. */
	const u64 most = pages * 16 + 2 * PAGE_SIZE;

	/* Fewer pages than before cost too much until the caller is here: not counted. */
	shim_memory.peak = 0;
	if (want != table->nr_buckets || pf_hint_table_bytes(table) > pages * 16)
		EXPECT(!pf_hint_table_resize(table, want, pages), "%u buckets", want);
	EXPECT(pf_hint_table_bytes(table) == shim_memory.bytes, "says %zu bytes, has %zu",
	       pf_hint_table_bytes(table), shim_memory.bytes);
	EXPECT(pf_hint_table_bytes(table) <= most, "%zu bytes for %llu pages",
	       pf_hint_table_bytes(table), pages);
	EXPECT(shim_memory.peak <= most, "%zu bytes for %llu pages on the way", shim_memory.peak,
	       pages);
	EXPECT((u64)table->nr_buckets * WAYS * 16 >= pages * 16 - pages,
	       "%u buckets for %llu pages", table->nr_buckets, pages);
	return true;
}

static bool budget_of_any_size(void)
{
	for (u64 pages = 64; pages <= 10000000; pages += pages < 2048 ? 1 : pages / 16) {
		struct pf_hint_table table = {};

		if (!serve(&table, pages))
			return false;
		pf_hint_table_free(&table);
	}
	return true;
}

static bool budget_of_growing_and_shrinking(void)
{
	struct pf_hint_table table = {};
	u64 seed = 1, pages = 64;

	for (pages = 64; pages < 3000000; pages += 1 + pages / 50)
		if (!serve(&table, pages))
			return false;
	for (; pages > 64; pages -= 1 + pages / 50)
		if (!serve(&table, pages))
			return false;
	/* VMs of all sizes come and go, and now and then a pass ends. */
	for (u32 i = 0; i < 2000; i++) {
		pages = 64 << random_below(&seed, 15);
		pages += random_below(&seed, pages);
		if (!serve(&table, pages))
			return false;
		if (!random_below(&seed, 3))
			pf_hint_age(&table, true);
	}
	pf_hint_table_free(&table);
	return true;
}

static bool wanted_size_is_wanted_again(void)
{
	for (u64 pages = 1; pages < 1ULL << 30; pages += 1 + pages / 100) {
		u32 want = pf_hint_table_want(0, pages);

		EXPECT(want, "no table for %llu pages", pages);
		EXPECT(pf_hint_table_want(want, pages) == want,
		       "%u, then %u buckets for %llu pages", want, pf_hint_table_want(want, pages),
		       pages);
	}
	return true;
}

static bool breathing_costs_no_resize(void)
{
	for (u64 pages = 1000; pages < 1ULL << 30; pages *= 3) {
		u32 want = pf_hint_table_want(0, pages);

		EXPECT(pf_hint_table_want(want, pages + pages / 5) == want,
		       "%llu pages and a fifth", pages);
		EXPECT(pf_hint_table_want(want, pages - pages / 5) == want,
		       "%llu pages less a fifth", pages);
	}
	return true;
}

/* Below the largest table there is. */
static bool table_follows(void)
{
	for (u64 pages = 10000; pages < 1ULL << 28; pages *= 3) {
		u32 want = pf_hint_table_want(0, pages);

		EXPECT(pf_hint_table_want(want, pages * 2) > want, "twice %llu pages", pages);
		EXPECT(pf_hint_table_want(want, pages / 2) < want, "half of %llu pages", pages);
	}
	return true;
}

/* A host with 2 TiB in its VMs: more pages than there are hints. */
static bool large_host_gets_a_table(void)
{
	struct pf_hint_table table = {};
	u64 pages = 2048ULL * 1024 * MIB_PAGES;
	u32 want = pf_hint_table_want(0, pages);
	int error = pf_hint_table_resize(&table, want, pages);

	EXPECT(!error, "%u buckets for %llu pages: error %d", want, pages, error);
	pf_hint_add(&table, ~0ULL, place_of(1));
	EXPECT(nr_found(&table, ~0ULL) == 1, "not found");
	pf_hint_table_free(&table);
	return true;
}

static bool huge_pages_are_used(void)
{
	for (u64 pages = 1500000; pages < 1ULL << 30; pages += pages / 16) {
		size_t bytes = pf_hint_table_want(0, pages) * sizeof(struct pf_hint_bucket);

		EXPECT(bytes < PF_TABLE_HUGE || bytes % PMD_SIZE == 0, "%zu bytes for %llu pages",
		       bytes, pages);
	}
	return true;
}

static const struct test tests[] = {
	{ "an empty table is harmless", empty_table_is_harmless },
	{ "what was added is found, under its key only", added_is_found },
	{ "the least and the greatest places fit", extreme_places_fit },
	{ "what was deleted is gone, the others stay", deleted_is_gone },
	{ "deleting takes no hint of another VM, page or tag", del_takes_just_its_own },
	{ "deleting reaches the second bucket", del_reaches_the_second_bucket },
	{ "a hint left again is not doubled", refreshed_is_not_doubled },
	{ "a hint in the second bucket is refreshed there", refreshed_in_the_second_bucket },
	{ "a stale hint stays and does no harm", stale_is_kept },
	{ "no more places are found than fit", finds_no_more_than_asked },
	{ "a full bucket goes on in a second one", full_bucket_goes_on },
	{ "the oldest hint is evicted", oldest_is_evicted },
	{ "two ages old goes before one", older_goes_before_old },
	{ "among equally old ones the newcomer stays", newcomer_stays_among_equals },
	{ "old buckets are looked up until the next age", old_buckets_are_looked_up_until_age },
	{ "hints age when they could be refreshed", not_refreshed_is_not_older },
	{ "what is taken in huge pages is used", huge_pages_are_used },
	{ "a resize without memory changes nothing", resize_without_memory },
	{ "a resize kills nobody", resize_kills_nobody },
	{ "no pages, no table", no_pages_no_table },
	{ "a freed table is usable", freed_is_usable },
	{ "16 bytes a page at most, from 64 pages to 10 million", budget_of_any_size },
	{ "16 bytes a page at most while VMs come and go", budget_of_growing_and_shrinking },
	{ "a table of the wanted size is kept", wanted_size_is_wanted_again },
	{ "a fifth more or less costs no resize", breathing_costs_no_resize },
	{ "twice or half the pages do resize", table_follows },
	{ "a host of 2 TiB gets a table", large_host_gets_a_table },
};

const struct suite hint_suite = { "hint", tests, ARRAY_SIZE(tests) };
