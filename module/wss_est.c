// SPDX-License-Identifier: GPL-2.0-only
/*
 * The estimator of working sets: where to sample, what the samples say, when to sample again.
 *
 * As in ESX (Waldspurger, OSDI 2002) a few pages drawn at random speak for all: of n samples the
 * share that was touched is off by sqrt(p (1 - p) / n), whatever the VM's size. Better than there,
 * one page is drawn from each of n equal pieces of the memory. Every page is as likely as any
 * other, so the estimate stays unbiased; but what is touched lies together, so most pieces are
 * touched wholly or not at all and add nothing to the error. It is never larger than that of free
 * draws.
 *
 * A slow moving average gives a calm figure, a fast one follows a VM that wakes up. The larger of
 * the two is the working set: to take memory from a VM in need is worse than to leave some to an
 * idle one.
 */
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/math64.h>

#include "wss_est.h"

/* Averages are kept in 1/256 of a page, so that small changes are not lost to rounding. */
#define PF_WSS_SHIFT		8
/* A round counts for 1/2 in the fast average and for 1/8 in the slow one. */
#define PF_WSS_FAST		2
#define PF_WSS_SLOW		8

/**
 * pf_wss_place() - which page is a sample
 * @pages: pages to draw from, 1..2^44
 * @nr: samples to draw, 1..PF_WSS_SAMPLES_MAX
 * @i: number of the sample, 0..@nr - 1
 * @random: 32 random bits
 *
 * Return: number of a page in the i-th of @nr equal pieces, in ascending order of @i; a page that
 * lies in two pieces may be drawn for both.
 */
u64 pf_wss_place(u64 pages, u32 nr, u32 i, u32 random)
{
	/* (i + random / 2^32) * pages / nr */
	return div_u64(mul_u64_u64_shr((u64)i << 32 | random, pages, 32), nr);
}

static u64 pf_wss_estimate(const struct pf_wss_round *round, u32 hits)
{
	return div_u64((round->pages << PF_WSS_SHIFT) * hits + round->sampled / 2, round->sampled);
}

static u64 pf_wss_follow(u64 mean, u64 value, u32 weight)
{
	return div_u64(mean * (weight - 1) + value + weight / 2, weight);
}

static void pf_wss_mean_add(struct pf_wss_mean *mean, u64 value, bool begin)
{
	WRITE_ONCE(mean->fast, begin ? value : pf_wss_follow(mean->fast, value, PF_WSS_FAST));
	WRITE_ONCE(mean->slow, begin ? value : pf_wss_follow(mean->slow, value, PF_WSS_SLOW));
}

/*
 * Two standard errors, for pages drawn freely. With two more hits and two more misses than there
 * were (Agresti and Coull, 1998) it is not taken for certain that nothing, or all, is touched.
 */
static u64 pf_wss_error(const struct pf_wss_round *round)
{
	u64 nr = round->sampled + 4, hits = round->touched + 2;
	u64 root = int_sqrt(div_u64(hits * (nr - hits) << 32, nr));

	return div_u64(round->pages * root, nr) >> 15;
}

/**
 * pf_wss_add() - a round of samples is over
 * @est: the estimate
 * @round: what it found; @pages up to 2^36
 *
 * Return: whether it counts: not when there was memory and none of it could be looked at.
 */
bool pf_wss_add(struct pf_wss_est *est, const struct pf_wss_round *round)
{
	u64 touched = 0, written = 0, error = 0;

	if (round->sampled) {
		touched = pf_wss_estimate(round, round->touched);
		written = pf_wss_estimate(round, round->written);
		error = pf_wss_error(round);
	} else if (round->pages) {
		return false;
	}
	pf_wss_mean_add(&est->touched, touched, !est->rounds);
	pf_wss_mean_add(&est->written, written, !est->rounds);
	WRITE_ONCE(est->last_pages, pf_wss_pages(touched));
	WRITE_ONCE(est->last_written_pages, pf_wss_pages(written));
	WRITE_ONCE(est->error_pages, error);
	/* Whoever waits for a round reads the rest afterwards. */
	smp_store_release(&est->rounds, est->rounds + 1);
	return true;
}

/**
 * pf_wss_pages() - an average in pages
 * @mean: as in struct pf_wss_mean
 */
u64 pf_wss_pages(u64 mean)
{
	return (mean + (1U << (PF_WSS_SHIFT - 1))) >> PF_WSS_SHIFT;
}

/**
 * pf_wss_max_pages() - the larger of two averages
 * @mean: both
 *
 * Return: pages.
 */
u64 pf_wss_max_pages(const struct pf_wss_mean *mean)
{
	return pf_wss_pages(max(mean->fast, mean->slow));
}

/**
 * pf_wss_rest_ns() - how long a VM is left alone after a round
 * @period_ns: how long it should be
 * @busy_ns: how long the round has kept a CPU busy
 * @permille: of one CPU that sampling may take, 1..PF_WSS_PERMILLE_MAX
 *
 * Return: @period_ns, or as much longer as it takes.
 */
u64 pf_wss_rest_ns(u64 period_ns, u64 busy_ns, u32 permille)
{
	return max(period_ns, div_u64(busy_ns * (PF_WSS_PERMILLE_MAX - permille), permille));
}
