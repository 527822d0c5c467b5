// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plan's formulas, against figures that were worked out apart, and what must hold for any host.
 */
#include <math.h>
#include <stdlib.h>

#include "err.h"
#include "plan.h"
#include "tap.h"

#define GIB (1024.0 * 1024 * 1024)

/* Two guests: ram, wss, written, known, resident, saved. */
static const struct plan_guest two[] = {
	{ 2 * GIB, 1 * GIB, 0.25 * GIB, true, 1.5 * GIB, 0.5 * GIB },
	{ 1 * GIB, 0.25 * GIB, 0, true, 0.8 * GIB, 0.2 * GIB },
};

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

static bool figures(void)
{
	static const struct {
		unsigned int guests;
		double mean, sd, risk, shortfall;	/* GiB */
	} table[] = {
		{ 0, 1.1416666666666666, 0.3850827712852663, 0, 0 },
		{ 10, 5.155555555555556, 1.1498875038911147, 7.266810599834767e-15,
		  1.052427092163493e-15 },
		{ 20, 9.169444444444444, 1.9318212413787088, 0.006200575515579543,
		  0.0038654144382108896 },
		{ 23, 10.373611111111112, 2.1669818004442933, 0.04711695649570262,
		  0.04226372341241946 },
	};
	struct plan_point at;
	struct plan p;

	plan_make(two, ARRAY_SIZE(two), 14 * GIB, GIB, &p);
	EXPECT(near(p.part, 0.4166666666666667), "m is %.17g", p.part);
	EXPECT(near(p.part_sd, 0.19329022507905336), "s is %.17g", p.part_sd);
	EXPECT(near(p.share, 0.18666666666666665), "h is %.17g", p.share);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		plan_at(&p, table[i].guests, &at);
		EXPECT(near(at.mean / GIB, table[i].mean), "row %zu: M is %.17g", i,
		       at.mean / GIB);
		EXPECT(near(at.sd / GIB, table[i].sd), "row %zu: V is %.17g", i, at.sd / GIB);
		EXPECT(near(at.risk, table[i].risk), "row %zu: P is %.17g", i, at.risk);
		EXPECT(near(at.shortfall / GIB, table[i].shortfall), "row %zu: E is %.17g", i,
		       at.shortfall / GIB);
		EXPECT(near(at.overcommit, (3.0 + table[i].guests) / 14), "row %zu", i);
	}
	EXPECT(plan_fit(&p, 0.05) == 23, "%d fit", plan_fit(&p, 0.05));
	return true;
}

/* The fewest guests that reach it; R is 3 GiB of 14, and each guest is 1. */
static bool overcommits(void)
{
	static const struct {
		double overcommit;
		int guests;
	} table[] = {
		{ 0.1, -1 }, { 0.2, -1 }, { 0.21, 0 }, { 0.22, 1 }, { 0.29, 1 }, { 0.3, 2 },
		{ 1, 11 }, { 1.001, 11 }, { 1.01, 12 }, { 2, 25 }, { 1170.43, 16383 },
		{ 1170.5, -1 },
	};
	struct plan p;

	plan_make(two, ARRAY_SIZE(two), 14 * GIB, GIB, &p);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		EXPECT(plan_guests_for(&p, table[i].overcommit) == table[i].guests, "%g: %d",
		       table[i].overcommit, plan_guests_for(&p, table[i].overcommit));
	return true;
}

static bool without_knowledge(void)
{
	static const struct plan_guest one[] = {
		{ GIB, GIB / 2, 0, false, GIB / 2, GIB / 2 },
	};
	struct plan_point at;
	struct plan p;

	plan_make(NULL, 0, 8 * GIB, GIB, &p);
	plan_at(&p, 7, &at);
	EXPECT(near(at.mean, 7 * (GIB + PLAN_OVERHEAD)) && at.sd == 0 && at.risk == 0, "%g %g %g",
	       at.mean, at.sd, at.risk);
	plan_at(&p, 8, &at);
	EXPECT(at.risk == 1 && near(at.shortfall, 8 * PLAN_OVERHEAD), "%g", at.shortfall);
	EXPECT(plan_fit(&p, 0.05) == 7, "%d fit", plan_fit(&p, 0.05));

	plan_make(one, 1, 8 * GIB, 0, &p);
	EXPECT(p.share == 0, "sharing is counted though nobody knows what is written");
	EXPECT(near(p.part_sd, PLAN_PRIOR_SD), "one guest makes certain: %g", p.part_sd);
	EXPECT(near(p.size, GIB), "the size is not that of the guest");
	plan_make(NULL, 0, GIB, 0, &p);
	EXPECT(p.size == 0, "a size out of nothing");
	return true;
}

static bool too_many_already(void)
{
	struct plan p;

	plan_make(two, ARRAY_SIZE(two), GIB, GIB, &p);
	EXPECT(plan_fit(&p, 0.05) == -1, "%d fit", plan_fit(&p, 0.05));
	return true;
}

/* More memory and more risk never let fewer fit, larger guests never more. */
static bool monotonous(void)
{
	srandom(5);
	for (int round = 0; round < 3000; round++) {
		struct plan_guest guests[8];
		size_t n = random() % 8;
		double capacity = (1 + random() % 64) * GIB, size = (1 + random() % 32) * GIB / 8;
		struct plan_point at;
		struct plan p, other;
		int fit;

		for (size_t i = 0; i < n; i++) {
			guests[i] = (struct plan_guest){ .ram = (1 + random() % 64) * GIB / 8 };
			guests[i].wss = guests[i].ram * (random() % 101) / 100;
			guests[i].written = guests[i].wss * (random() % 101) / 100;
			guests[i].has_written = random() % 4;
			guests[i].resident = guests[i].ram / 2;
			guests[i].saved = guests[i].ram * (random() % 50) / 100;
		}
		plan_make(guests, n, capacity, size, &p);
		fit = plan_fit(&p, 0.05);
		EXPECT(plan_fit(&p, 0.1) >= fit, "round %d: more risk, fewer guests", round);
		plan_make(guests, n, capacity + GIB, size, &other);
		EXPECT(plan_fit(&other, 0.05) >= fit, "round %d: more memory, fewer guests", round);
		plan_make(guests, n, capacity, size * 2, &other);
		EXPECT(plan_fit(&other, 0.05) <= fit, "round %d: larger guests, more", round);
		for (unsigned int k = 0; k < 40; k++) {
			plan_at(&p, k, &at);
			EXPECT(at.shortfall >= 0 && at.risk >= 0 && at.risk <= 1, "round %d",
			       round);
			EXPECT(at.risk <= 0.05 || (int)k > fit, "round %d: %u fit too", round, k);
		}
		if (fit >= 0 && fit < PLAN_GUESTS_MAX) {
			plan_at(&p, fit, &at);
			EXPECT(at.risk <= 0.05, "round %d: %d do not fit", round, fit);
			plan_at(&p, fit + 1, &at);
			EXPECT(at.risk > 0.05, "round %d: one more fits than %d", round, fit);
		}
	}
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "an overcommit is a number of guests", overcommits },
		{ "the figures are those of the formulas", figures },
		{ "what is not known is not counted upon", without_knowledge },
		{ "guests that do not fit already", too_many_already },
		{ "more memory or risk never means fewer guests", monotonous },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
