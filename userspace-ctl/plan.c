// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many more guests fit, and what a given number would mean; the formulas are in plan.h.
 */
#include <math.h>

#include "plan.h"

/* 1 - Phi(a): a normal variable is above a by this chance. */
static double above(double a)
{
	return erfc(a / sqrt(2)) / 2;
}

void plan_make(const struct plan_guest *guests, size_t n, double capacity, double size,
	       struct plan *p)
{
	double squares = 0, used = 0, saved = 0, written = 0;
	bool has_written = n > 0;

	*p = (struct plan){ .n = n, .part = 1, .capacity = capacity, .size = size };
	for (size_t i = 0; i < n; i++) {
		p->ram += guests[i].ram;
		p->ram2 += guests[i].ram * guests[i].ram;
		p->wss += guests[i].wss;
		used += guests[i].resident + guests[i].saved;
		saved += guests[i].saved;
		written += guests[i].written;
		has_written &= guests[i].has_written;
	}
	if (!n)
		return;
	p->part = p->wss / p->ram;
	for (size_t i = 0; i < n; i++)
		squares += pow(guests[i].wss / guests[i].ram - p->part, 2);
	p->part_sd = sqrt((squares + PLAN_PRIOR_SD * PLAN_PRIOR_SD) / n);
	if (has_written && used > 0 && p->wss > 0)
		p->share = saved / used * (1 - fmin(written / p->wss, 1));
	if (!size)
		p->size = p->ram / n;
}

void plan_at(const struct plan *p, unsigned int guests, struct plan_point *at)
{
	double ram2 = p->ram2 + guests * p->size * p->size, a;

	at->guests = guests;
	at->ram = p->ram + guests * p->size;
	at->overcommit = at->ram / p->capacity;
	at->mean = (1 - p->share) * (p->wss + guests * p->part * p->size) +
		   (p->n + guests) * PLAN_OVERHEAD;
	at->sd = (1 - p->share) * p->part_sd *
		 sqrt((1 - PLAN_TOGETHER) * ram2 + PLAN_TOGETHER * at->ram * at->ram);
	if (at->sd > 0) {
		a = (p->capacity - at->mean) / at->sd;
		at->risk = above(a);
		/* Far from the limit the difference of two tiny numbers may fall below 0. */
		at->shortfall = fmax(at->sd * (exp(-a * a / 2) / sqrt(2 * M_PI) - a * at->risk), 0);
	} else {
		at->risk = at->mean > p->capacity;
		at->shortfall = fmax(at->mean - p->capacity, 0);
	}
}

int plan_guests_for(const struct plan *p, double overcommit)
{
	/* What two decimals say need not be whole guests: so little is the same. */
	double slack = p->capacity * 0.005;
	double guests = ceil((p->capacity * overcommit - slack - p->ram) / p->size);

	if (p->ram > p->capacity * overcommit + slack || guests > PLAN_GUESTS_MAX)
		return -1;
	return guests > 0 ? guests : 0;
}

int plan_fit(const struct plan *p, double risk)
{
	struct plan_point at;
	int low = -1, high = PLAN_GUESTS_MAX;

	/* The risk rises with every guest: search by halves for the last that fits. */
	while (low < high) {
		int middle = low + (high - low + 1) / 2;

		plan_at(p, middle, &at);
		if (at.risk <= risk)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}
