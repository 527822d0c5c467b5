// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the estimator of working sets, over memory that is an array: the truth is known.
 *
 * Random numbers are the same in every run, so bounds that hold with some probability hold always.
 */
#include <math.h>
#include <string.h>

#include "test.h"
#include "wss_est.h"

#define PAGES	40960		/* 160 MiB */

static bool memory[PAGES];	/* whether a page is touched */

static u32 random_bits(u64 *seed)
{
	return next_random(seed) >> 32;
}

/* Touch @pieces runs of pages, so that @nr are touched. */
static void touch_runs(u32 nr, u32 pieces)
{
	memset(memory, 0, sizeof(memory));
	for (u32 i = 0; i < pieces; i++)
		for (u32 k = 0; k < nr / pieces; k++)
			memory[i * (PAGES / pieces) + k] = true;
}

/* Touch each page with probability @percent / 100. Returns how many were. */
static u32 touch_scattered(u32 percent, u64 *seed)
{
	u32 nr = 0;

	for (u32 i = 0; i < PAGES; i++) {
		memory[i] = random_below(seed, 100) < percent;
		nr += memory[i];
	}
	return nr;
}

static struct pf_wss_round sample(u32 nr, u64 *seed)
{
	struct pf_wss_round round = { .pages = PAGES, .sampled = nr };

	for (u32 i = 0; i < nr; i++)
		round.touched += memory[pf_wss_place(PAGES, nr, i, random_bits(seed))];
	return round;
}

static u64 estimate(const struct pf_wss_round *round)
{
	struct pf_wss_est est = {};

	pf_wss_add(&est, round);
	return est.last_pages;
}

static struct pf_wss_round touched(u64 pages, u32 sampled, u32 hits)
{
	return (struct pf_wss_round) { .pages = pages, .sampled = sampled, .touched = hits };
}

/* Random bits at equal distances stand for all there are, so counts come out equal. */
static bool all_pages_are_equally_likely(void)
{
	static const u32 sizes[][2] = { { 37, 10 }, { 100, 100 }, { 101, 100 }, { 199, 100 }, { 5, 1 } };

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		u32 pages = sizes[s][0], nr = sizes[s][1], steps = pages * 1000, count[200] = {};

		for (u32 i = 0; i < nr; i++)
			for (u64 k = 0; k < steps; k++)
				count[pf_wss_place(pages, nr, i, (k << 32) / steps)]++;
		for (u32 page = 0; page < pages; page++)
			EXPECT(count[page] > nr * 1000 - 20 && count[page] < nr * 1000 + 20,
			       "page %u of %u: %u times for %u samples", page, pages, count[page], nr);
	}
	return true;
}

static bool each_piece_has_its_sample(void)
{
	u64 seed = 1;

	for (u32 step = 0; step < 10000; step++) {
		u64 pages = 1 + random_below(&seed, 1ULL << (1 + random_below(&seed, 44)));
		u32 nr = 1 + random_below(&seed, min(pages, (u64)PF_WSS_SAMPLES_MAX));
		u32 i = random_below(&seed, nr);
		u64 page = pf_wss_place(pages, nr, i, random_bits(&seed));
		__uint128_t begin = (__uint128_t)pages * i / nr;
		__uint128_t end = (__uint128_t)pages * (i + 1) / nr;

		EXPECT(page >= begin && page <= end && page < pages, "page %llu of %llu for %u of %u",
		       page, pages, i, nr);
	}
	EXPECT(pf_wss_place(1ULL << 44, PF_WSS_SAMPLES_MAX, PF_WSS_SAMPLES_MAX - 1, U32_MAX) ==
	       (1ULL << 44) - 1, "not the last page");
	EXPECT(pf_wss_place(1ULL << 44, PF_WSS_SAMPLES_MAX, 0, 0) == 0, "not the first page");
	return true;
}

/* What guests do: some runs of pages. Four hundred samples are within ten percent, each time. */
static bool runs_are_found(void)
{
	static const u32 percents[] = { 12, 37, 75 };
	u64 seed = 2;

	for (size_t k = 0; k < ARRAY_SIZE(percents); k++) {
		u32 truth = PAGES / 100 * percents[k] / 16 * 16;
		double sum = 0;

		touch_runs(truth, 16);
		for (u32 i = 0; i < 1000; i++) {
			struct pf_wss_round round = sample(400, &seed);
			u64 pages = estimate(&round);

			EXPECT(pages * 10 > truth * 9 && pages * 10 < truth * 11, "%llu of %u", pages,
			       truth);
			sum += pages;
		}
		EXPECT(fabs(sum / 1000 - truth) < truth / 250.0, "mean of %f for %u", sum / 1000, truth);
	}
	return true;
}

/* At worst, with touched pages anywhere, the error is that of free draws, and is known. */
static bool scattered_pages_are_within_the_error(void)
{
	static const u32 percents[] = { 1, 10, 50, 90, 99 };
	static const u32 samples[] = { 100, 400 };
	u64 seed = 3;

	for (size_t k = 0; k < ARRAY_SIZE(percents); k++) {
		for (size_t n = 0; n < ARRAY_SIZE(samples); n++) {
			u32 within = 0;

			for (u32 i = 0; i < 300; i++) {
				u32 truth = touch_scattered(percents[k], &seed);
				struct pf_wss_round round = sample(samples[n], &seed);
				struct pf_wss_est est = {};

				pf_wss_add(&est, &round);
				within += est.last_pages + est.error_pages >= truth &&
					  est.last_pages <= truth + est.error_pages;
			}
			EXPECT(within > 300 * 92 / 100, "%u %% touched: %u of 300 within it",
			       percents[k], within);
		}
	}
	return true;
}

static bool error_is_two_standard_errors(void)
{
	static const struct {
		u32 sampled, touched, permille;	/* of the memory */
	} table[] = {
		{ 100, 50, 98 }, { 400, 200, 50 }, { 400, 40, 30 }, { 100, 0, 27 }, { 100, 100, 27 },
		{ 10000, 5000, 10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct pf_wss_round round = touched(1000000, table[i].sampled, table[i].touched);
		struct pf_wss_est est = {};

		pf_wss_add(&est, &round);
		EXPECT((est.error_pages + 500) / 1000 == table[i].permille,
		       "%u of %u: %llu pages of a million", table[i].touched, table[i].sampled,
		       est.error_pages);
	}
	return true;
}

static bool nothing_and_all(void)
{
	struct pf_wss_round none = touched(PAGES, 100, 0), all = touched(PAGES, 100, 100);

	EXPECT(estimate(&none) == 0, "%llu", estimate(&none));
	EXPECT(estimate(&all) == PAGES, "%llu", estimate(&all));
	return true;
}

static bool largest_vm_fits(void)
{
	struct pf_wss_round round = touched(1ULL << 36, PF_WSS_SAMPLES_MAX, PF_WSS_SAMPLES_MAX);
	struct pf_wss_est est = {};

	for (u32 i = 0; i < 100; i++)
		pf_wss_add(&est, &round);
	EXPECT(est.last_pages == 1ULL << 36, "%llu", est.last_pages);
	EXPECT(pf_wss_pages(est.touched.slow) == 1ULL << 36, "%llu", pf_wss_pages(est.touched.slow));
	round.touched /= 2;
	pf_wss_add(&est, &round);
	EXPECT(est.error_pages > (1ULL << 36) / 101 && est.error_pages < (1ULL << 36) / 99, "%llu",
	       est.error_pages);
	return true;
}

static bool estimates_are_rounded(void)
{
	struct pf_wss_round round = touched(1000, 3, 2);
	struct pf_wss_est est = {};

	pf_wss_add(&est, &round);
	EXPECT(est.last_pages == 667, "%llu", est.last_pages);
	EXPECT(est.touched.fast == 170667, "%llu", est.touched.fast);
	round.touched = 1;
	EXPECT(estimate(&round) == 333, "%llu", estimate(&round));
	return true;
}

static bool written_is_counted_apart(void)
{
	struct pf_wss_round round = { .pages = 1000, .sampled = 100, .touched = 50, .written = 10 };
	struct pf_wss_est est = {};

	pf_wss_add(&est, &round);
	EXPECT(pf_wss_max_pages(&est.touched) == 500, "%llu", pf_wss_max_pages(&est.touched));
	EXPECT(pf_wss_max_pages(&est.written) == 100, "%llu", pf_wss_max_pages(&est.written));
	EXPECT(est.last_written_pages == 100, "%llu", est.last_written_pages);
	return true;
}

static bool first_round_begins_averages(void)
{
	struct pf_wss_round round = touched(1000, 100, 40);
	struct pf_wss_est est = {};

	EXPECT(pf_wss_add(&est, &round) && est.rounds == 1, "%llu rounds", est.rounds);
	EXPECT(pf_wss_pages(est.touched.fast) == 400, "%llu", pf_wss_pages(est.touched.fast));
	EXPECT(pf_wss_pages(est.touched.slow) == 400, "%llu", pf_wss_pages(est.touched.slow));
	return true;
}

/* From nothing to all and back. */
static bool averages_follow(void)
{
	static const u64 fast[] = { 500, 750, 875, 938 }, slow[] = { 125, 234, 330, 414 };
	struct pf_wss_round none = touched(1000, 100, 0), all = touched(1000, 100, 100);
	struct pf_wss_est est = {};

	pf_wss_add(&est, &none);
	for (u32 i = 0; i < 4; i++) {
		pf_wss_add(&est, &all);
		EXPECT(pf_wss_pages(est.touched.fast) == fast[i], "%llu", pf_wss_pages(est.touched.fast));
		EXPECT(pf_wss_pages(est.touched.slow) == slow[i], "%llu", pf_wss_pages(est.touched.slow));
		EXPECT(pf_wss_max_pages(&est.touched) == fast[i], "not the larger one");
	}
	for (u32 i = 0; i < 100; i++)
		pf_wss_add(&est, &all);
	EXPECT(pf_wss_pages(est.touched.slow) == 1000, "%llu", pf_wss_pages(est.touched.slow));
	pf_wss_add(&est, &none);
	EXPECT(pf_wss_pages(est.touched.fast) == 500, "%llu", pf_wss_pages(est.touched.fast));
	EXPECT(pf_wss_max_pages(&est.touched) == 875, "%llu", pf_wss_max_pages(&est.touched));
	for (u32 i = 0; i < 200; i++)
		pf_wss_add(&est, &none);
	EXPECT(pf_wss_max_pages(&est.touched) == 0, "%llu", pf_wss_max_pages(&est.touched));
	return true;
}

/* Rounding must not pull an average down, round after round. */
static bool average_of_equals_stays(void)
{
	struct pf_wss_round round = touched(1001, 7, 3);
	struct pf_wss_est est = {};
	u64 begin;

	pf_wss_add(&est, &round);
	begin = est.touched.slow;
	for (u32 i = 0; i < 1000; i++)
		pf_wss_add(&est, &round);
	EXPECT(est.touched.slow == begin && est.touched.fast == begin, "%llu became %llu and %llu", begin,
	       est.touched.slow, est.touched.fast);
	/* Nor keep it far below what it should reach: 7/256 of a page. */
	est.touched.slow = begin - 256;
	for (u32 i = 0; i < 1000; i++)
		pf_wss_add(&est, &round);
	EXPECT(est.touched.slow + 4 >= begin, "%llu instead of %llu", est.touched.slow, begin);
	return true;
}

static bool lost_round_does_not_count(void)
{
	struct pf_wss_round lost = touched(1000, 0, 0), empty = touched(0, 0, 0);
	struct pf_wss_round all = touched(1000, 10, 10);
	struct pf_wss_est est = {};

	pf_wss_add(&est, &all);
	EXPECT(!pf_wss_add(&est, &lost) && est.rounds == 1, "%llu rounds", est.rounds);
	EXPECT(est.last_pages == 1000, "%llu", est.last_pages);
	EXPECT(pf_wss_add(&est, &empty) && est.rounds == 2, "%llu rounds", est.rounds);
	EXPECT(est.last_pages == 0 && est.error_pages == 0, "%llu", est.last_pages);
	EXPECT(pf_wss_pages(est.touched.fast) == 500, "%llu", pf_wss_pages(est.touched.fast));
	return true;
}

static bool budget_is_kept(void)
{
	u64 seed = 5;

	EXPECT(pf_wss_rest_ns(30000, 100, 5) == 30000, "a cheap round is not followed by the period");
	EXPECT(pf_wss_rest_ns(1000, 1000, 5) == 199000, "%llu", pf_wss_rest_ns(1000, 1000, 5));
	EXPECT(pf_wss_rest_ns(1000, 1000000, 1000) == 1000, "%llu",
	       pf_wss_rest_ns(1000, 1000000, 1000));
	for (u32 i = 0; i < 100000; i++) {
		u64 period = random_below(&seed, 1ULL << random_below(&seed, 42));
		u64 busy = random_below(&seed, 1ULL << random_below(&seed, 40));
		u32 permille = 1 + random_below(&seed, PF_WSS_PERMILLE_MAX);
		u64 rest = pf_wss_rest_ns(period, busy, permille);

		EXPECT(rest >= period, "%llu ns instead of %llu", rest, period);
		EXPECT(busy * 1000 < (busy + rest + 1) * permille + 1000, "%llu and %llu ns at %u", busy,
		       rest, permille);
		EXPECT(rest == period || rest * permille <= busy * (1000 - permille), "%llu ns is too long",
		       rest);
	}
	return true;
}

static const struct test tests[] = {
	{ "all pages are equally likely", all_pages_are_equally_likely },
	{ "each piece has its sample", each_piece_has_its_sample },
	{ "runs of pages are found, within ten percent", runs_are_found },
	{ "scattered pages are within the error", scattered_pages_are_within_the_error },
	{ "the error is two standard errors", error_is_two_standard_errors },
	{ "nothing is nothing, all is all", nothing_and_all },
	{ "the largest VM fits", largest_vm_fits },
	{ "estimates are rounded", estimates_are_rounded },
	{ "what is written is counted apart", written_is_counted_apart },
	{ "the first round begins the averages", first_round_begins_averages },
	{ "averages follow, the larger counts", averages_follow },
	{ "an average of equals stays", average_of_equals_stays },
	{ "a lost round does not count, an empty VM does", lost_round_does_not_count },
	{ "the budget is kept", budget_is_kept },
};

const struct suite wss_suite = { "wss_est", tests, ARRAY_SIZE(tests) };
