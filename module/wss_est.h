/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The estimator of working sets: where to sample, what the samples say, when to sample again.
 *
 * Pure logic: builds in userspace too.
 */
#ifndef PF_WSS_EST_H
#define PF_WSS_EST_H

#include <linux/types.h>

#define PF_WSS_SAMPLES_MAX	10000
#define PF_WSS_PERMILLE_MAX	1000

/**
 * struct pf_wss_round - what one round of samples found
 * @pages: pages that the samples were drawn from
 * @sampled: pages that were looked at twice
 * @touched: of these, touched in between
 * @written: of these, with other content than before
 */
struct pf_wss_round {
	u64 pages;
	u32 sampled;
	u32 touched;
	u32 written;
};

/**
 * struct pf_wss_mean - moving averages of a number of pages, in 1/256 of a page
 * @fast: follows within two rounds
 * @slow: follows within some eight rounds
 */
struct pf_wss_mean {
	u64 fast;
	u64 slow;
};

/**
 * struct pf_wss_est - the estimate of one VM
 * @touched: pages touched in a round
 * @written: pages written in a round
 * @last_pages: pages touched, by the last round alone
 * @last_written_pages: pages written, by the last round alone
 * @error_pages: two standard errors of @last_pages
 * @rounds: rounds that counted
 */
struct pf_wss_est {
	struct pf_wss_mean touched;
	struct pf_wss_mean written;
	u64 last_pages;
	u64 last_written_pages;
	u64 error_pages;
	u64 rounds;
};

u64 pf_wss_place(u64 pages, u32 nr, u32 i, u32 random);
bool pf_wss_add(struct pf_wss_est *est, const struct pf_wss_round *round);
u64 pf_wss_pages(u64 mean);
u64 pf_wss_max_pages(const struct pf_wss_mean *mean);
u64 pf_wss_rest_ns(u64 period_ns, u64 busy_ns, u32 permille);

#endif /* PF_WSS_EST_H */
