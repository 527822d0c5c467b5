/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Patience: for how many passes a region is left alone, by what looking at it brought.
 *
 * Pure logic: builds in userspace too.
 */
#ifndef PF_PATIENCE_H
#define PF_PATIENCE_H

#include <linux/types.h>

#define PF_REST_PASSES_MAX	255

/**
 * struct pf_patience - of one region
 * @wait: passes between its looks, but for what spreads them
 * @rest: passes until the next one
 */
struct pf_patience {
	u8 wait;
	u8 rest;
};

bool pf_patience_rests(struct pf_patience *patience, unsigned int most);
void pf_patience_learn(struct pf_patience *patience, unsigned int pages, unsigned int news,
		       bool folded, unsigned int most, unsigned long spread);

#endif /* PF_PATIENCE_H */
