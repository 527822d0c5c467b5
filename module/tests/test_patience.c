// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of patience: how long a region rests, by what is found in it.
 */
#include "patience.h"
#include "test.h"

#define PAGES	512
#define MOST	31

static struct pf_patience patience;

/* Passes until the next look. */
static unsigned int rests(unsigned int most)
{
	unsigned int passes = 0;

	while (passes < 1000 && pf_patience_rests(&patience, most))
		passes++;
	return passes;
}

static unsigned int after(unsigned int news, bool folded)
{
	pf_patience_learn(&patience, PAGES, news, folded, MOST, 0);
	return rests(MOST);
}

static void settle(void)
{
	patience = (struct pf_patience) {};
	for (int i = 0; i < 20; i++)
		after(0, false);
}

static bool quiet_rests_longer(void)
{
	static const unsigned int want[] = { 1, 3, 7, 15, 31, 31, 31 };

	patience = (struct pf_patience) {};
	EXPECT(rests(MOST) == 0, "a new region rests");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		unsigned int got = after(0, false);

		EXPECT(got == want[i], "look %zu: %u passes, not %u", i, got, want[i]);
	}
	return true;
}

static bool folds_end_it(void)
{
	settle();
	EXPECT(after(0, true) == 0, "rests after a fold");
	EXPECT(after(0, false) == 1, "does not begin anew");
	return true;
}

/* A few new pages are nothing, some halve the rest, and they do so again. */
static bool news_shorten_it(void)
{
	settle();
	EXPECT(after(PAGES / 64, false) == MOST, "a page in 64 counts");
	EXPECT(after(PAGES / 64 + 1, false) == MOST / 2, "more than that does not");
	EXPECT(after(PAGES / 2 - 1, false) == MOST / 4, "nor again");
	return true;
}

static bool volatile_rests_less(void)
{
	unsigned int got = 0;

	patience = (struct pf_patience) {};
	EXPECT(after(PAGES / 2, false) == 1, "no rest at first");
	for (int i = 0; i < 10; i++)
		got = after(PAGES, false);
	EXPECT(got == MOST / 4, "%u passes", got);
	settle();
	EXPECT(after(PAGES, false) == MOST / 4, "as long as quiet memory");
	return true;
}

/* What is empty may be put to use at any time. */
static bool empty_rests_little(void)
{
	unsigned int most = 0;

	patience = (struct pf_patience) {};
	for (int i = 0; i < 20; i++) {
		pf_patience_learn(&patience, 0, 0, false, MOST, 0);
		most = max(most, rests(MOST));
	}
	EXPECT(most == MOST / 8, "%u of %u", most, MOST);
	return true;
}

static bool a_lower_limit_holds_at_once(void)
{
	settle();
	pf_patience_learn(&patience, PAGES, 0, false, MOST, 0);
	EXPECT(rests(4) == 4, "the former limit is in force");
	pf_patience_learn(&patience, PAGES, 0, false, MOST, 0);
	EXPECT(rests(0) == 0, "0 rests");
	pf_patience_learn(&patience, PAGES, 0, false, 0, 0);
	EXPECT(rests(MOST) == 0, "0 lets rest");
	return true;
}

/* The longest there is fits, and does not begin anew at 0. */
static bool longest_fits(void)
{
	unsigned int got = 0;

	patience = (struct pf_patience) {};
	for (int i = 0; i < 20; i++) {
		pf_patience_learn(&patience, PAGES, 0, false, PF_REST_PASSES_MAX, 0);
		got = rests(PF_REST_PASSES_MAX);
	}
	EXPECT(got == PF_REST_PASSES_MAX, "%u passes", got);
	return true;
}

/* Regions that were settled together come back in different passes, none later than it may. */
static bool regions_spread(void)
{
	unsigned int count[MOST + 1] = {}, different = 0;

	for (unsigned long region = 0; region < 800; region++) {
		unsigned int got;

		settle();
		pf_patience_learn(&patience, PAGES, 0, false, MOST, region);
		got = rests(MOST);
		EXPECT(got <= MOST && got * 4 >= MOST * 3, "%u passes", got);
		count[got]++;
	}
	for (unsigned int i = 0; i <= MOST; i++)
		different += count[i] >= 800 / 16;
	EXPECT(different == 8, "%u different rests", different);
	return true;
}

static const struct test tests[] = {
	{ "where nothing is new the rest doubles up to the limit", quiet_rests_longer },
	{ "a fold ends it", folds_end_it },
	{ "new pages shorten it", news_shorten_it },
	{ "what changes all over rests for a quarter", volatile_rests_less },
	{ "an empty region rests for an eighth", empty_rests_little },
	{ "a lower limit holds at once", a_lower_limit_holds_at_once },
	{ "the longest rest fits", longest_fits },
	{ "regions come back in different passes", regions_spread },
};

const struct suite patience_suite = { "patience", tests, ARRAY_SIZE(tests) };
