// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the hint table under load: nearly full, against a model, and from several threads.
 */
#include <pthread.h>
#include <stdlib.h>

#include "hint.h"
#include "test.h"

#define BUCKETS		4096
#define SLOTS		(BUCKETS * PF_HINT_WAYS)

/* The key of page @nr in its @generation-th content. */
static u64 key_of(u64 nr, u32 generation)
{
	u64 state = nr << 20 | generation;

	return next_random(&state);
}

/* A place that says which number it is of: whatever is found can be checked. */
static struct pf_place place_of(u64 nr)
{
	return (struct pf_place) {
		.vm = 1 + nr % PF_HINT_MAX_VM,
		.page = nr * 0x2545f4914f6cdd1dULL & PF_HINT_MAX_PAGE,
	};
}

static bool finds(const struct pf_hint_table *table, u64 key, struct pf_place place)
{
	struct pf_place found[PF_HINT_MAX_FOUND];
	unsigned int nr = pf_hint_find(table, key, found);

	for (unsigned int i = 0; i < nr; i++)
		if (found[i].vm == place.vm && found[i].page == place.page)
			return true;
	return false;
}

/* How many in 10000 of the hints of a table filled to @percent are not found. */
static bool lost_at(u32 percent, u64 seed, u32 *lost)
{
	struct pf_hint_table table = {};
	u64 nr = SLOTS * percent / 100, missing = 0;

	EXPECT(!pf_hint_table_resize(&table, BUCKETS, SLOTS), "resize");
	for (u64 i = 0; i < nr; i++)
		pf_hint_add(&table, key_of(i, seed), place_of(i));
	for (u64 i = 0; i < nr; i++)
		missing += !finds(&table, key_of(i, seed), place_of(i));
	pf_hint_table_free(&table);
	*lost = missing * 10000 / nr;
	return true;
}

static bool few_are_lost_at_load(void)
{
	/* Of 10000. A table that is kept is at most 94 % full: see pf_hint_table_want(). */
	static const struct {
		u32 percent, most;
	} load[] = { { 25, 1 }, { 50, 10 }, { 75, 50 }, { 94, 400 } };
	u32 lost;

	for (size_t i = 0; i < ARRAY_SIZE(load); i++) {
		for (u64 seed = 0; seed < 5; seed++) {
			if (!lost_at(load[i].percent, seed, &lost))
				return false;
			EXPECT(lost <= load[i].most, "%u of 10000 lost at %u %%", lost,
			       load[i].percent);
		}
	}
	return true;
}

/*
 * A page with no equal must not often be told to look somewhere: each time costs a look at two
 * pages.
 */
static bool few_are_found_wrongly(void)
{
	struct pf_hint_table table = {};
	struct pf_place found[PF_HINT_MAX_FOUND];
	u64 nr = SLOTS * 3 / 4, wrong = 0;

	EXPECT(!pf_hint_table_resize(&table, BUCKETS, SLOTS), "resize");
	for (u64 i = 0; i < nr; i++)
		pf_hint_add(&table, key_of(i, 0), place_of(i));
	for (u64 i = 0; i < nr; i++)
		wrong += pf_hint_find(&table, key_of(i, 1), found);
	pf_hint_table_free(&table);
	/* About 7 slots looked at, one of 8192 tags: 0.09 %. */
	EXPECT(wrong * 10000 / nr < 15, "%llu of %llu", wrong, nr);
	return true;
}

/*
 * Passes over memory of which a part is rewritten: stale hints fill the table, and must not drive
 * the live ones out. What the hint table is for: pages that stay as they are find each other.
 */
static bool live_outlast_stale(void)
{
	struct pf_hint_table table = {};
	u64 nr = SLOTS * 3 / 4, seed = 1, missing = 0;
	u32 *generation = calloc(nr, sizeof(*generation));

	EXPECT(!pf_hint_table_resize(&table, BUCKETS, SLOTS), "resize");
	for (u32 pass = 0; pass < 24; pass++) {
		for (u64 i = 0; i < nr; i++) {
			/* Each tenth page is one that is always written. */
			generation[i] += i % 10 == 0;
			pf_hint_add(&table, key_of(i, generation[i]), place_of(i));
		}
		pf_hint_age(&table, true);
	}
	for (u32 i = 0; i < 20000; i++) {
		u64 one = random_below(&seed, nr);

		missing += !finds(&table, key_of(one, generation[one]), place_of(one));
	}
	pf_hint_table_free(&table);
	free(generation);
	EXPECT(missing * 100 <= 20000 * 2, "%llu of 20000 live hints are lost", missing);
	return true;
}

#define FEW	7	/* fit in any one bucket, so that none may be lost */

struct few {
	u64 key[FEW];
	struct pf_place place[FEW];
	u32 nr;
};

static bool same_as_few(const struct pf_hint_table *table, const struct few *model, u32 step)
{
	for (u32 i = 0; i < model->nr; i++) {
		struct pf_place found[PF_HINT_MAX_FOUND];
		u32 same = 0;

		for (u32 j = 0; j < model->nr; j++)
			same += model->key[j] == model->key[i];
		EXPECT(pf_hint_find(table, model->key[i], found) ==
			       min_t(u32, same, PF_HINT_MAX_FOUND),
		       "key %llx in step %u: not %u", model->key[i], step, same);
		EXPECT(same > PF_HINT_MAX_FOUND || finds(table, model->key[i], model->place[i]),
		       "key %llx in step %u", model->key[i], step);
	}
	return true;
}

static bool few_hints_are_as_in_a_model(void)
{
	struct pf_hint_table table = {};
	struct few model = {};
	u64 seed = 2;

	EXPECT(!pf_hint_table_resize(&table, 1, 1 << 20), "resize");
	for (u32 step = 0; step < 100000; step++) {
		u32 one = random_below(&seed, FEW);

		if (!random_below(&seed, 4)) {
			pf_hint_age(&table, true);
		} else if (one < model.nr && random_below(&seed, 2)) {
			pf_hint_add(&table, model.key[one], model.place[one]);
		} else if (one < model.nr) {
			pf_hint_del(&table, model.key[one], model.place[one]);
			model.nr--;
			model.key[one] = model.key[model.nr];
			model.place[one] = model.place[model.nr];
		} else {
			one = model.nr++;
			model.key[one] = key_of(random_below(&seed, 3), 0);
			model.place[one] = place_of(step);
			pf_hint_add(&table, model.key[one], model.place[one]);
		}
		if (!same_as_few(&table, &model, step))
			return false;
	}
	pf_hint_table_free(&table);
	return true;
}

#define THREADS		4
#define STRESS_PLACES	20000

static struct pf_hint_table stress_table;
static bool stress_torn[THREADS];

/* place_of() undone: the multiplier is odd, so has an inverse modulo a power of two. */
static bool was_once_added(struct pf_place place)
{
	u64 inverse = 0x2545f4914f6cdd1dULL, nr;

	for (int i = 0; i < 6; i++)
		inverse *= 2 - 0x2545f4914f6cdd1dULL * inverse;
	nr = place.page * inverse & PF_HINT_MAX_PAGE;
	return nr < STRESS_PLACES && place.vm == 1 + nr % PF_HINT_MAX_VM;
}

static void *stress(void *which)
{
	struct pf_place found[PF_HINT_MAX_FOUND];
	u64 id = (u64)(size_t)which, seed = id;

	for (u32 i = 0; i < 300000; i++) {
		u64 one = random_below(&seed, STRESS_PLACES);
		u64 key = key_of(one % 5000, 0);
		unsigned int nr;

		switch (random_below(&seed, 4)) {
		case 0:
			pf_hint_del(&stress_table, key, place_of(one));
			break;
		case 1:
			nr = pf_hint_find(&stress_table, key, found);
			while (nr--)
				stress_torn[id] |= !was_once_added(found[nr]);
			break;
		default:
			pf_hint_add(&stress_table, key, place_of(one));
		}
	}
	return NULL;
}

static bool threads_tear_nothing(void)
{
	pthread_t thread[THREADS];

	EXPECT(was_once_added(place_of(STRESS_PLACES - 1)), "the check itself");
	EXPECT(!was_once_added(place_of(STRESS_PLACES)), "the check itself");
	/* Few buckets, all of them full: threads meet. */
	EXPECT(!pf_hint_table_resize(&stress_table, 512, 1 << 20), "resize");
	for (size_t i = 0; i < THREADS; i++)
		EXPECT(!pthread_create(&thread[i], NULL, stress, (void *)i), "thread %zu", i);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pf_hint_table_free(&stress_table);
	for (size_t i = 0; i < THREADS; i++)
		EXPECT(!stress_torn[i], "thread %zu found a place that nobody added", i);
	return true;
}

static const struct test tests[] = {
	{ "few hints are lost when the table is nearly full", few_are_lost_at_load },
	{ "few hints are found for pages that have no equal", few_are_found_wrongly },
	{ "live hints outlast stale ones over many passes", live_outlast_stale },
	{ "few hints are as in a model", few_hints_are_as_in_a_model },
	{ "threads find no place that nobody added", threads_tear_nothing },
};

const struct suite hint_load_suite = { "hint under load", tests, ARRAY_SIZE(tests) };
