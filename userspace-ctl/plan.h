/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many more guests fit, and what a given number would mean.
 *
 * The model, all of it. A guest i has RAM r_i and a measured working set w_i; where that is not
 * known it counts as all of r_i.
 *
 *   m = sum(w_i) / sum(r_i)                  the part of its RAM that a guest works with
 *   s^2 = (sum((w_i/r_i - m)^2) + 0.2^2) / n how much that part varies: the sample's variance with
 *                                            one more guest that is off by a fifth of its RAM, so
 *                                            that few guests, or equal ones, promise no certainty
 *   g = sum(saved_i) / sum(resident_i + saved_i)    what sharing saves
 *   h = g * (1 - sum(written_i) / sum(w_i))  what it saves of a working set: only pages that are
 *                                            not written stay shared. 0 where that is not known
 *
 * With k more guests of RAM S each, and a QEMU's own PLAN_OVERHEAD for each guest, the demand is
 * taken as normal with
 *
 *   mean  M = (1 - h) * (sum(w_i) + k * m * S) + (n + k) * overhead
 *   sd^2  V = ((1 - h) * s)^2 * ((1 - c) * Q + c * R^2)
 *         R = sum(r_i) + k * S               all RAM that is promised
 *         Q = sum(r_i^2) + k * S^2
 *
 * where c = 0.25 is how much guests peak together: they share working hours. With a capacity C, the
 * host's memory less what is kept for it,
 *
 *   risk      P = 1 - Phi((C - M) / V)       that not all working sets fit at once
 *   shortfall E = V * (phi(a) - a * P), a = (C - M) / V   what is short then and now, on average
 *
 * k fits at a risk p when M + z * V <= C, Phi(z) = 1 - p. Without any guest to measure nothing is
 * assumed: m = 1, s = 0, h = 0, as many as there is memory for.
 */
#ifndef PF_PLAN_H
#define PF_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#define PLAN_OVERHEAD		(64.0 * 1024 * 1024)
#define PLAN_TOGETHER		0.25
#define PLAN_PRIOR_SD		0.2
#define PLAN_GUESTS_MAX		16383

/**
 * struct plan_guest - what was measured of a guest, in bytes
 * @ram: what it was promised, above 0
 * @wss: its working set
 * @written: the part of @wss that is written
 * @has_written: whether that is known
 * @resident: what it uses
 * @saved: what sharing saves
 */
struct plan_guest {
	double ram;
	double wss;
	double written;
	bool has_written;
	double resident;
	double saved;
};

/**
 * struct plan - the model's figures, by the names of the formulas above
 * @n: guests that are here
 * @ram: sum of r_i
 * @ram2: sum of r_i^2
 * @wss: sum of w_i
 * @part: m
 * @part_sd: s
 * @share: h
 * @capacity: C
 * @size: S
 */
struct plan {
	size_t n;
	double ram;
	double ram2;
	double wss;
	double part;
	double part_sd;
	double share;
	double capacity;
	double size;
};

/**
 * struct plan_point - what @guests more guests would mean
 * @guests: k
 * @ram: R
 * @overcommit: R by the host's capacity
 * @mean: M
 * @sd: V
 * @risk: P
 * @shortfall: E
 */
struct plan_point {
	unsigned int guests;
	double ram;
	double overcommit;
	double mean;
	double sd;
	double risk;
	double shortfall;
};

/**
 * plan_make() - make the model
 * @guests: measured
 * @n: how many
 * @capacity: the host's memory less what is kept for it, in bytes
 * @size: RAM of each more guest; 0 takes the mean of those that are here
 * @p: where it goes; @p->size is 0 when @size is and there is no guest
 */
void plan_make(const struct plan_guest *guests, size_t n, double capacity, double size,
	       struct plan *p);

/**
 * plan_at() - what a number of guests would mean
 * @p: the model
 * @guests: how many more
 * @at: where it goes
 */
void plan_at(const struct plan *p, unsigned int guests, struct plan_point *at);

/**
 * plan_guests_for() - how many more guests make an overcommit
 * @p: the model; its size is above 0
 * @overcommit: all RAM that is promised by the host's capacity
 *
 * Return: the fewest that reach it, 0 when it is as much already; -1 when it is more, or when it
 * takes more than PLAN_GUESTS_MAX.
 */
int plan_guests_for(const struct plan *p, double overcommit);

/**
 * plan_fit() - how many more guests fit
 * @p: the model
 * @risk: at most this, above 0 and below 1
 *
 * Return: how many, up to PLAN_GUESTS_MAX; -1 when those that are here do not.
 */
int plan_fit(const struct plan *p, double risk);

#endif
