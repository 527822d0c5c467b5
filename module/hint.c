// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hint table: where a page with this hash was seen.
 *
 * Hints replace the unstable tree of other designs, whose cost is the walk and the comparisons on
 * it (ESX did the same: Waldspurger, OSDI 2002, section 4.2). Buckets of one cache line, and two of
 * them for each key, let the table be nearly full without losing hints; a second bucket is looked
 * at only when the first one is full, so most pages cost one cache miss.
 *
 * A slot holds tag (13 bits of the key), age (2), VM (14) and page (35); 0 is empty, for frames,
 * whose VM is 0, do not begin at page 0. When both buckets are full the oldest hint goes: hints of
 * pages that changed or vanished are never refreshed, so they age.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>

#include "hint.h"
#include "fault.h"
#include "table.h"

#define PF_SLOT_VM_SHIFT	PF_HINT_PAGE_BITS
#define PF_SLOT_AGE_SHIFT	(PF_SLOT_VM_SHIFT + PF_HINT_VM_BITS)
#define PF_SLOT_TAG_SHIFT	(PF_SLOT_AGE_SHIFT + 2)
#define PF_SLOT_PLACE_MASK	((1ULL << PF_SLOT_AGE_SHIFT) - 1)
#define PF_SLOT_AGE(slot)	(((slot) >> PF_SLOT_AGE_SHIFT) & 3)
#define PF_SLOT_TAG(slot)	((slot) >> PF_SLOT_TAG_SHIFT)

/* Buckets are sized for 3/4 of their slots in use: 10.7 bytes a page. */
#define PF_HINT_PAGES_PER_BUCKET	6
#define PF_HINT_MIN_BUCKETS		16
/* 2 GiB: larger hosts than 768 GiB lose hints, not folds. */
#define PF_HINT_MAX_BUCKETS		((u32)((2UL << 30) / sizeof(struct pf_hint_bucket)))
/* Where huge pages are taken for a table all of the last one is used. */
#define PF_HINT_HUGE_BUCKETS		((u32)(PMD_SIZE / sizeof(struct pf_hint_bucket)))

/*
 * The high half of the key picks the first bucket, the low bits are the tag, both together the
 * second.
 */
static u32 pf_hint_first(u64 key, u32 nr)
{
	return ((key >> 32) * nr) >> 32;
}

static u64 pf_slot_tag(u64 key)
{
	return key & ((1ULL << (64 - PF_SLOT_TAG_SHIFT)) - 1);
}

/* The other bucket of a hint with this tag that is in @bucket: each is the other of the other. */
static u32 pf_hint_other(u64 tag, u32 bucket, u32 nr)
{
	u32 sum = ((u64)((u32)tag * 0x9e3779b1U) * nr) >> 32;

	return sum >= bucket ? sum - bucket : sum + nr - bucket;
}

static u32 pf_hint_second(u64 key, u32 nr)
{
	return pf_hint_other(pf_slot_tag(key), pf_hint_first(key, nr), nr);
}

static u64 pf_slot_place(struct pf_place place)
{
	return (u64)place.vm << PF_SLOT_VM_SHIFT | place.page;
}

static u64 pf_slot_new(u64 key, struct pf_place place, u8 age)
{
	return pf_slot_tag(key) << PF_SLOT_TAG_SHIFT | (u64)age << PF_SLOT_AGE_SHIFT |
	       pf_slot_place(place);
}

/*
 * Append the places in @bucket whose tag is that of @key; *@full tells whether hints may have gone
 * on.
 */
static unsigned int pf_bucket_find(const struct pf_hint_bucket *bucket, u64 key,
				   struct pf_place *found, unsigned int nr, bool *full)
{
	u64 tag = pf_slot_tag(key);
	int i;

	*full = true;
	for (i = 0; i < PF_HINT_WAYS; i++) {
		u64 slot = READ_ONCE(bucket->slot[i]);

		if (!slot) {
			*full = false;
			continue;
		}
		if (PF_SLOT_TAG(slot) != tag || nr == PF_HINT_MAX_FOUND)
			continue;
		found[nr].vm = (slot >> PF_SLOT_VM_SHIFT) & PF_HINT_MAX_VM;
		found[nr].page = slot & PF_HINT_MAX_PAGE;
		nr++;
	}
	return nr;
}

static unsigned int pf_buckets_find(const struct pf_hint_bucket *bucket, u32 nr_buckets, u64 key,
				    struct pf_place *found)
{
	u32 first, second;
	unsigned int nr;
	bool full;

	if (!bucket)
		return 0;
	first = pf_hint_first(key, nr_buckets);
	second = pf_hint_second(key, nr_buckets);
	nr = pf_bucket_find(bucket + first, key, found, 0, &full);
	if (full && second != first)
		nr = pf_bucket_find(bucket + second, key, found, nr, &full);
	return nr;
}

/**
 * pf_hint_find() - where was a page with this key seen
 * @table: the hints
 * @key: hash of the page, mixed with what else must be the same
 * @found: filled with places that may hold such a page, the asking page's own possibly among them
 *
 * Context: caller holds the table's lock for reading; does not sleep.
 * Return: how many places there are in @found.
 */
unsigned int pf_hint_find(const struct pf_hint_table *table, u64 key,
			  struct pf_place found[PF_HINT_MAX_FOUND])
{
	unsigned int nr = pf_buckets_find(table->bucket, table->nr_buckets, key, found);

	if (!nr && table->old)
		nr = pf_buckets_find(table->old, table->nr_old, key, found);
	return nr;
}

/* Store @slot over its former self or into an empty slot. */
static bool pf_bucket_add(struct pf_hint_bucket *bucket, u64 slot)
{
	u64 place = slot & PF_SLOT_PLACE_MASK;
	int i, empty = -1;

	for (i = 0; i < PF_HINT_WAYS; i++) {
		u64 here = READ_ONCE(bucket->slot[i]);

		if (!here) {
			empty = i;
		} else if ((here & PF_SLOT_PLACE_MASK) == place &&
			   PF_SLOT_TAG(here) == PF_SLOT_TAG(slot)) {
			if (here != slot)
				WRITE_ONCE(bucket->slot[i], slot);
			return true;
		}
	}
	if (empty < 0)
		return false;
	WRITE_ONCE(bucket->slot[empty], slot);
	return true;
}

/*
 * Store @slot over the hint of @bucket that was refreshed longest ago, if it is older than
 * @min_age.
 */
static bool pf_bucket_replace(struct pf_hint_bucket *bucket, u64 slot, u8 min_age)
{
	u8 now = PF_SLOT_AGE(slot), oldest = 0;
	int i, victim = PF_SLOT_TAG(slot) % PF_HINT_WAYS;

	for (i = 0; i < PF_HINT_WAYS; i++) {
		u8 age = (now - PF_SLOT_AGE(READ_ONCE(bucket->slot[i]))) & 3;

		if (age > oldest) {
			oldest = age;
			victim = i;
		}
	}
	if (oldest < min_age)
		return false;
	WRITE_ONCE(bucket->slot[victim], slot);
	return true;
}

/*
 * Make room for @slot in bucket @nr by letting one of its hints go to its other bucket. Both
 * buckets of the new hint are full of this pass's hints when this is called, which is rare: each
 * try is a cache miss.
 */
static bool pf_bucket_push(struct pf_hint_table *table, u32 nr, u64 slot)
{
	struct pf_hint_bucket *bucket = table->bucket + nr;
	int i;

	for (i = 0; i < PF_HINT_WAYS; i++) {
		u64 here = READ_ONCE(bucket->slot[i]);
		u32 other = pf_hint_other(PF_SLOT_TAG(here), nr, table->nr_buckets);

		if (here && other != nr && (pf_bucket_add(table->bucket + other, here) ||
					    pf_bucket_replace(table->bucket + other, here, 1))) {
			WRITE_ONCE(bucket->slot[i], slot);
			return true;
		}
	}
	return false;
}

/**
 * pf_hint_add() - leave or refresh a hint
 * @table: the hints
 * @key: as in pf_hint_find()
 * @place: where the page is
 *
 * When there is no room an older hint is lost, if need be one just as old.
 *
 * Context: caller holds the table's lock for reading; does not sleep.
 */
void pf_hint_add(struct pf_hint_table *table, u64 key, struct pf_place place)
{
	u64 slot = pf_slot_new(key, place, table->age);
	struct pf_hint_bucket *bucket = table->bucket;
	u32 first, second;

	if (!bucket)
		return;
	first = pf_hint_first(key, table->nr_buckets);
	second = pf_hint_second(key, table->nr_buckets);
	if (pf_bucket_add(bucket + first, slot) || pf_bucket_add(bucket + second, slot) ||
	    pf_bucket_replace(bucket + first, slot, 1) ||
	    pf_bucket_replace(bucket + second, slot, 1) ||
	    pf_bucket_push(table, first, slot) || pf_bucket_push(table, second, slot))
		return;
	pf_bucket_replace(bucket + second, slot, 0);
}

/**
 * pf_hint_alike() - would these keys find each other's hints
 * @table: the hints
 * @key: as in pf_hint_find()
 * @other: another key
 *
 * Context: caller holds the table's lock for reading; does not sleep.
 * Return: true also for different keys that have the same tag and bucket.
 */
bool pf_hint_alike(const struct pf_hint_table *table, u64 key, u64 other)
{
	u32 bucket = pf_hint_first(other, table->nr_buckets);

	return pf_slot_tag(key) == pf_slot_tag(other) &&
	       (pf_hint_first(key, table->nr_buckets) == bucket ||
		pf_hint_second(key, table->nr_buckets) == bucket);
}

static bool pf_bucket_del(struct pf_hint_bucket *bucket, u64 key, u64 place)
{
	int i;

	for (i = 0; i < PF_HINT_WAYS; i++) {
		u64 slot = READ_ONCE(bucket->slot[i]);

		if (slot && (slot & PF_SLOT_PLACE_MASK) == place &&
		    PF_SLOT_TAG(slot) == pf_slot_tag(key)) {
			WRITE_ONCE(bucket->slot[i], 0);
			return true;
		}
	}
	return false;
}

/**
 * pf_hint_del() - take a hint away, if it is there
 * @table: the hints
 * @key: as in pf_hint_find()
 * @place: what the hint named
 *
 * Emptying a slot of a full first bucket hides what went on to the second: hints are looked for
 * there only behind a full bucket. The next visit of such a page leaves its hint again.
 *
 * Context: caller holds the table's lock for reading; does not sleep.
 */
void pf_hint_del(struct pf_hint_table *table, u64 key, struct pf_place place)
{
	u64 where = pf_slot_place(place);

	if (table->bucket &&
	    !pf_bucket_del(table->bucket + pf_hint_first(key, table->nr_buckets), key, where))
		pf_bucket_del(table->bucket + pf_hint_second(key, table->nr_buckets), key, where);
	if (table->old &&
	    !pf_bucket_del(table->old + pf_hint_first(key, table->nr_old), key, where))
		pf_bucket_del(table->old + pf_hint_second(key, table->nr_old), key, where);
}

/* Let the former buckets go, or @all. */
static void pf_hint_shed(struct pf_hint_table *table, bool all)
{
	struct pf_hint_bucket *old, *bucket = NULL;

	down_write(&table->lock);
	old = table->old;
	table->old = NULL;
	table->nr_old = 0;
	if (all) {
		bucket = table->bucket;
		table->bucket = NULL;
		table->nr_buckets = 0;
	}
	up_write(&table->lock);
	kvfree(old);
	kvfree(bucket);
}

/**
 * pf_hint_age() - every VM has been visited once more
 * @table: the hints
 * @refreshed: all memory has been looked at since hints aged last, so that those of pages that are
 *	       still what they were are new
 *
 * What is left in the buckets of before a resize has been left anew by now.
 *
 * Context: takes the table's lock; may sleep.
 */
void pf_hint_age(struct pf_hint_table *table, bool refreshed)
{
	if (refreshed) {
		down_write(&table->lock);
		table->age = (table->age + 1) & 3;
		up_write(&table->lock);
	}
	pf_hint_shed(table, false);
}

/**
 * pf_hint_table_want() - how large a table should be
 * @nr_buckets: how large it is
 * @pages: how many pages it is to serve
 *
 * Sizes are kept until they are off by a good part, so that VMs that breathe do not cost a resize
 * each time. A table that is kept costs a page between 8.5 and 15 bytes: what else is kept of a
 * page, and pages that are not there any more, take the rest of 16.
 *
 * Return: buckets, 0 for no table; @nr_buckets when it should stay as it is.
 */
u32 pf_hint_table_want(u32 nr_buckets, u64 pages)
{
	u64 slots = (u64)nr_buckets * PF_HINT_WAYS;
	u64 want;

	if (!pages)
		return 0;
	if (nr_buckets && pages * 17 <= slots * 16 &&
	    pages * PF_HINT_MAX_BYTES_PER_PAGE >= slots * sizeof(u64))
		return nr_buckets;
	want = pages / PF_HINT_PAGES_PER_BUCKET + 1;
	if (want * sizeof(struct pf_hint_bucket) >= PF_TABLE_HUGE)
		want = round_up(want, PF_HINT_HUGE_BUCKETS);
	return clamp_t(u64, want, PF_HINT_MIN_BUCKETS, PF_HINT_MAX_BUCKETS);
}

/**
 * pf_hint_table_free() - forget all hints
 * @table: the hints; empty afterwards, and usable
 *
 * Context: takes the table's lock; may sleep.
 */
void pf_hint_table_free(struct pf_hint_table *table)
{
	pf_hint_shed(table, true);
}

/**
 * pf_hint_table_resize() - change the size of the table
 * @table: the hints
 * @nr_buckets: buckets from now on, 0 to free everything
 * @pages: how many pages the table serves
 *
 * A slot does not hold enough of the key to move it, and need not: every page leaves its hint again
 * on its next visit. Until then the former buckets are still looked up, if both fit the budget for
 * @pages; if they do not the former go first, for the budget holds while the size changes too.
 *
 * With the size it has it only loses the former buckets: for when the pages have become fewer.
 *
 * Context: takes the table's lock; callers exclude each other; may sleep.
 * Return: 0, or -ENOMEM and the table is as it was, but for buckets that had to go first.
 */
int pf_hint_table_resize(struct pf_hint_table *table, u32 nr_buckets, u64 pages)
{
	struct pf_hint_bucket *bucket = NULL;
	u64 both = ((u64)nr_buckets + table->nr_buckets) * sizeof(*bucket);

	pf_hint_shed(table, false);
	if (nr_buckets == table->nr_buckets)
		return 0;
	if (both > pages * PF_HINT_MAX_BYTES_PER_PAGE)
		pf_hint_shed(table, true);
	if (nr_buckets) {
		bucket = pf_fault(PF_FAULT_HINTS) ? NULL :
			pf_table_alloc(nr_buckets * sizeof(*bucket));
		if (!bucket)
			return -ENOMEM;
	}
	down_write(&table->lock);
	table->old = table->bucket;
	table->nr_old = table->nr_buckets;
	table->bucket = bucket;
	table->nr_buckets = nr_buckets;
	up_write(&table->lock);
	return 0;
}

/**
 * pf_hint_table_bytes() - what the table costs
 * @table: the hints
 */
size_t pf_hint_table_bytes(const struct pf_hint_table *table)
{
	return pf_table_taken(READ_ONCE(table->nr_buckets) * sizeof(struct pf_hint_bucket)) +
	       pf_table_taken(READ_ONCE(table->nr_old) * sizeof(struct pf_hint_bucket));
}
