// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the frame set: what is one frame and what is two, and that none is lost while the table
 * changes its size.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/highmem.h>

#include "frame.h"
#include "hash.h"
#include "test.h"

#define FRAMES	1024

/* A frame, and whether a test has it in the set. */
static struct item {
	struct page page;
	u64 key;
	unsigned char *data;
	bool in;
	bool visited;
} item[FRAMES];

static unsigned char data[FRAMES][PF_PAGE_BYTES] __attribute__((aligned(PF_PAGE_BYTES)));
static struct hlist_head first[PF_FRAME_BUCKETS_MIN], second[FRAMES], third[FRAMES];
static struct pf_frame_set set;

static void begin(void)
{
	pf_frame_resize(&set, first, ARRAY_SIZE(first));
	pf_frame_spent(&set);
}

static void make(u32 i, u32 domain, int node, u64 key, unsigned char last)
{
	item[i] = (struct item) {
		.page = { .data = data[i], .private = 0xabcd00000000UL | domain, .nid = node },
		.key = key,
	};
	memset(data[i], 0, PF_PAGE_BYTES);
	data[i][PF_PAGE_BYTES - 1] = last;
}

static struct page *add(u32 i, bool cross)
{
	struct page *page = pf_frame_add(&set, &item[i].page, item[i].key, cross);

	item[i].in |= page == &item[i].page;
	return page;
}

static void del(u32 i)
{
	pf_frame_del(&set, &item[i].page);
	item[i].in = false;
}

/* Frames of many keys, some of which many have, in few domains. */
static void make_mixed(u32 i)
{
	u64 state = i;

	make(i, i & 3, i >> 2 & 1, i & 16 ? next_random(&state) : ~0ULL * (i >> 3 & 1), i >> 5);
}

/* By going through all chains. */
static bool holds(const struct item *one)
{
	struct hlist_node *node;
	u32 i;

	for (i = 0; i < set.nr_old; i++)
		hlist_for_each(node, set.old + i)
			if (pf_frame_of(node) == &one->page)
				return true;
	for (i = 0; i < set.nr_buckets; i++)
		hlist_for_each(node, set.bucket + i)
			if (pf_frame_of(node) == &one->page)
				return true;
	return false;
}

static bool added_is_found(void)
{
	begin();
	make(0, 1, 2, 3, 4);
	make(1, 1, 2, 3, 4);
	EXPECT(!pf_frame_listed(&item[0].page), "listed from the beginning");
	EXPECT(add(0, false) == &item[0].page, "not added");
	EXPECT(pf_frame_listed(&item[0].page), "not listed");
	EXPECT(set.nr == 1, "%lu frames", set.nr);
	EXPECT(add(1, false) == &item[0].page, "not the one that was there");
	EXPECT(!pf_frame_listed(&item[1].page), "listed, and not there");
	EXPECT(set.nr == 1, "%lu frames", set.nr);
	del(0);
	EXPECT(!pf_frame_listed(&item[0].page), "listed after it was deleted");
	EXPECT(!set.nr, "%lu frames", set.nr);
	EXPECT(add(1, false) == &item[1].page, "what was deleted is found");
	EXPECT(!shim_kmap.nr, "%u pages left mapped", shim_kmap.nr);
	return true;
}

static bool domains_are_apart(void)
{
	static const u32 domain[] = { 0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff };
	u32 i;

	begin();
	for (i = 0; i < ARRAY_SIZE(domain); i++) {
		make(i, domain[i], 0, 7, 7);
		EXPECT(add(i, true) == &item[i].page, "domain %u shares", domain[i]);
	}
	return true;
}

static bool nodes_are_apart(void)
{
	begin();
	make(0, 1, 0, 7, 7);
	make(1, 1, 1, 7, 7);
	make(2, 1, 1, 7, 7);
	EXPECT(add(0, false) == &item[0].page, "not added");
	EXPECT(add(1, false) == &item[1].page, "nodes share");
	EXPECT(add(2, false) == &item[1].page, "a node does not share with itself");
	return true;
}

static bool nodes_share_if_they_may(void)
{
	begin();
	make(0, 1, 0, 7, 7);
	make(1, 1, 1, 7, 7);
	add(0, true);
	EXPECT(add(1, true) == &item[0].page, "nodes do not share");
	return true;
}

static bool content_decides_not_the_key(void)
{
	begin();
	make(0, 1, 0, 7, 1);
	make(1, 1, 0, 7, 2);
	make(2, 1, 0, 7, 2);
	add(0, true);
	EXPECT(add(1, true) == &item[1].page, "found by the key alone");
	EXPECT(add(2, true) == &item[1].page, "not found among others of its key");
	return true;
}

static bool key_keeps_equal_content_apart(void)
{
	begin();
	make(0, 1, 0, 6, 1);
	make(1, 1, 0, 8, 1);
	add(0, true);
	EXPECT(add(1, true) == &item[1].page, "found under another key");
	return true;
}

static bool refiled_is_found_anew(void)
{
	begin();
	make(0, 1, 0, 6, 1);
	make(1, 1, 0, ~0ULL, 1);
	make(2, 1, 0, 6, 1);
	add(0, true);
	pf_frame_refile(&set, &item[0].page, item[1].key);
	EXPECT(pf_frame_has_key(&item[0].page, item[1].key), "the key of before");
	EXPECT(add(1, true) == &item[0].page, "not found under its key");
	EXPECT(add(2, true) == &item[2].page, "found under the key of before");
	EXPECT(set.nr == 2, "%lu frames", set.nr);
	return true;
}

static bool refiled_where_there_is_room(void)
{
	u32 i;

	begin();
	for (i = 0; i <= PF_FRAME_CHAIN_MAX; i++) {
		make(i, 1, 0, i < PF_FRAME_CHAIN_MAX ? 0 : ~0ULL, i);
		add(i, true);
	}
	pf_frame_refile(&set, &item[PF_FRAME_CHAIN_MAX].page, 0);
	EXPECT(pf_frame_has_key(&item[PF_FRAME_CHAIN_MAX].page, ~0ULL), "a chain of %u", i);
	EXPECT(holds(&item[PF_FRAME_CHAIN_MAX]), "lost");
	return true;
}

/* Whatever is found to have one key, a chain has an end; and what is in it is still found. */
static bool chains_have_an_end(void)
{
	u32 i;

	begin();
	for (i = 0; i <= PF_FRAME_CHAIN_MAX; i++)
		make(i, 1, 0, 0, i);
	for (i = 0; i < PF_FRAME_CHAIN_MAX; i++)
		EXPECT(add(i, true) == &item[i].page, "no room for frame %u", i);
	EXPECT(!add(PF_FRAME_CHAIN_MAX, true), "a chain of %u", i + 1);
	EXPECT(!pf_frame_listed(&item[PF_FRAME_CHAIN_MAX].page), "listed, and not there");
	EXPECT(set.nr == PF_FRAME_CHAIN_MAX, "%lu frames", set.nr);
	make(PF_FRAME_CHAIN_MAX, 1, 0, 0, 5);
	EXPECT(add(PF_FRAME_CHAIN_MAX, true) == &item[5].page, "not found in a long chain");
	return true;
}

static bool sizes_follow_the_number(void)
{
	set = (struct pf_frame_set) { .nr_buckets = 1000 };
	set.nr = 2000;
	EXPECT(pf_frame_want(&set) == 1000, "%u for 2000", pf_frame_want(&set));
	set.nr = 2001;
	EXPECT(pf_frame_want(&set) == 2001, "%u for 2001", pf_frame_want(&set));
	set.nr = 125;
	EXPECT(pf_frame_want(&set) == 1000, "%u for 125", pf_frame_want(&set));
	set.nr = 124;
	EXPECT(pf_frame_want(&set) == 124, "%u for 124", pf_frame_want(&set));
	set.nr = 0;
	EXPECT(pf_frame_want(&set) == PF_FRAME_BUCKETS_MIN, "%u for 0", pf_frame_want(&set));
	set.nr = 1UL << 40;
	EXPECT(pf_frame_want(&set) == PF_FRAME_BUCKETS_MAX, "%u for 2^40", pf_frame_want(&set));
	set.nr_buckets = PF_FRAME_BUCKETS_MAX;
	EXPECT(pf_frame_want(&set) == PF_FRAME_BUCKETS_MAX, "no end");
	return true;
}

static bool all_are_there(const char *when)
{
	unsigned long nr = 0;
	u32 i;

	for (i = 0; i < FRAMES; i++) {
		nr += item[i].in;
		EXPECT(holds(&item[i]) == item[i].in, "%s: frame %u", when, i);
		EXPECT(pf_frame_listed(&item[i].page) == item[i].in, "%s: frame %u", when, i);
	}
	EXPECT(set.nr == nr, "%s: %lu frames, not %lu", when, set.nr, nr);
	return true;
}

/* In the middle of a move too a frame is found by its like, on both sides of it. */
static bool frames_are_found_while_they_move(void)
{
	u32 i, added;

	begin();
	for (i = 0; i < FRAMES / 2; i++) {
		u64 state = i;

		make(i, 1, 0, next_random(&state), i);
		add(i, true);
	}
	pf_frame_resize(&set, second, ARRAY_SIZE(second));
	EXPECT(!pf_frame_spent(&set), "old buckets are taken away with frames in them");
	for (i = 0; i < FRAMES / 2; i++) {
		u32 other = (i + 7) % (FRAMES / 2);

		make(FRAMES / 2, 1, 0, item[other].key, other);
		EXPECT(add(FRAMES / 2, true) == &item[other].page, "frame %u at %u", other,
		       set.moved);
	}
	EXPECT(pf_frame_spent(&set) == first, "old buckets stay");
	for (added = 0; added < set.nr_old; added++)
		EXPECT(!set.old[added].first, "bucket %u is not empty", added);
	EXPECT(!pf_frame_spent(&set), "taken away twice");
	return all_are_there("moved");
}

static bool new_frames_move_the_others(void)
{
	u32 i, steps = 0;

	begin();
	for (i = 0; i < FRAMES / 2; i++) {
		make_mixed(i);
		add(i, true);
	}
	pf_frame_resize(&set, second, ARRAY_SIZE(second));
	for (; i < FRAMES && !pf_frame_spent(&set); i++, steps++) {
		make_mixed(i);
		add(i, true);
	}
	EXPECT(steps && steps < PF_FRAME_BUCKETS_MIN, "%u steps", steps);
	return all_are_there("moved");
}

static u32 visit_chain(void)
{
	struct hlist_node *node;
	u32 seen = 0;

	hlist_for_each(node, pf_frame_next(&set)) {
		container_of(pf_frame_of(node), struct item, page)->visited ^= true;
		seen++;
	}
	return seen;
}

static bool next_visits_all_again_and_again(void)
{
	u32 i, round, seen;

	begin();
	for (i = 0; i < FRAMES; i++) {
		make_mixed(i);
		add(i, true);
		if (i == FRAMES / 2)
			pf_frame_resize(&set, second, ARRAY_SIZE(second));
	}
	pf_frame_spent(&set);
	pf_frame_resize(&set, third, ARRAY_SIZE(third));
	pf_frame_move(&set, FRAMES / 3);
	for (round = 1; round <= 3; round++) {
		for (i = 0, seen = 0; i < set.nr_old + set.nr_buckets; i++)
			seen += visit_chain();
		EXPECT(seen == set.nr, "%u of %lu in round %u", seen, set.nr, round);
		for (i = 0; i < FRAMES; i++)
			EXPECT(item[i].visited == (item[i].in && (round & 1)),
			       "frame %u in round %u", i, round);
	}
	return true;
}

static bool cursor_stays_in_the_table(void)
{
	u32 i;

	begin();
	pf_frame_resize(&set, second, ARRAY_SIZE(second));
	for (i = 0; i < ARRAY_SIZE(first) + ARRAY_SIZE(second); i++)
		pf_frame_next(&set);
	pf_frame_move(&set, U32_MAX);
	EXPECT(pf_frame_spent(&set) == first, "old buckets stay");
	pf_frame_resize(&set, third, 64);
	pf_frame_move(&set, U32_MAX);
	pf_frame_spent(&set);
	for (i = 0; i < 200; i++)
		EXPECT(pf_frame_next(&set) - third < 64, "chain %td", pf_frame_next(&set) - third);
	return true;
}

/* Tables of all sizes come and go while frames do; the model is item[].in. */
static bool random_operations_are_as_in_a_model(void)
{
	u64 seed = 3;
	u32 i, step;

	begin();
	set.bucket = calloc(PF_FRAME_BUCKETS_MIN, sizeof(*set.bucket));
	for (i = 0; i < FRAMES; i++) {
		u64 state = i / 8;

		make(i, i & 1, i >> 1 & 1, next_random(&state), i >> 2 & 1);
	}
	for (step = 0; step < 100000; step++) {
		u32 one = random_below(&seed, FRAMES);
		u32 many = 256 + random_below(&seed, 512);

		if (item[one].in)
			del(one);
		else
			EXPECT(add(one, false) == &item[one].page, "frame %u in step %u", one,
			       step);
		pf_frame_next(&set);
		if (random_below(&seed, 100))
			continue;
		free(pf_frame_spent(&set));
		if (!set.old)
			pf_frame_resize(&set, calloc(many, sizeof(*set.bucket)), many);
		if (!all_are_there("random"))
			return false;
	}
	free(set.old);
	free(set.bucket);
	return true;
}

static const struct test tests[] = {
	{ "what was added is found by an equal page until it is deleted", added_is_found },
	{ "no frame is shared by two domains", domains_are_apart },
	{ "none by two nodes", nodes_are_apart },
	{ "but where it may cross", nodes_share_if_they_may },
	{ "among equal keys the content decides", content_decides_not_the_key },
	{ "equal content under another key is another frame", key_keeps_equal_content_apart },
	{ "what has another key now is found under that", refiled_is_found_anew },
	{ "unless there is no room", refiled_where_there_is_room },
	{ "chains have an end", chains_have_an_end },
	{ "the size follows the number of frames", sizes_follow_the_number },
	{ "frames are found while they move", frames_are_found_while_they_move },
	{ "frames that are added move the others", new_frames_move_the_others },
	{ "all frames are visited, again and again", next_visits_all_again_and_again },
	{ "the cursor stays in the table", cursor_stays_in_the_table },
	{ "random operations are as in a model", random_operations_are_as_in_a_model },
};

const struct suite frame_suite = { "frame", tests, ARRAY_SIZE(tests) };
