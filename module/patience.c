// SPDX-License-Identifier: GPL-2.0-only
/*
 * Patience: for how many passes a region is left alone, by what looking at it brought.
 *
 * Most memory of a guest is neither equal to anything nor written for a long time, and reading it
 * again in every pass is what makes page sharing expensive. A region in which a look finds nothing
 * new is left alone twice as long each time. One that is written all over from look to look holds
 * nothing that would stay folded: it is left alone too, but for less. One in which pages were
 * folded is looked at in the next pass again.
 *
 * What changes in a region that rests is folded later, and that is all: hints to its pages stay, so
 * a new page elsewhere that equals one of them folds at once.
 */
#include <linux/kernel.h>

#include "patience.h"

/* One page in so many that is new does not end the rest of the others. */
#define PF_NEWS_SHARE		64
/* Volatile regions wait for a quarter of what quiet ones do. */
#define PF_VOLATILE_SHARE	4
/* What a guest has not used yet it may begin to use, and to look at nothing costs nothing. */
#define PF_EMPTY_SHARE		8

/**
 * pf_patience_rests() - is the region left alone in this pass
 * @patience: of the region
 * @most: passes that a region may rest at most
 */
bool pf_patience_rests(struct pf_patience *patience, unsigned int most)
{
	patience->rest = min_t(unsigned int, patience->rest, most);
	if (!patience->rest)
		return false;
	patience->rest--;
	return true;
}

/**
 * pf_patience_learn() - a region was looked at
 * @patience: of the region
 * @pages: how many there were
 * @news: how many of these were not so when it was looked at before
 * @folded: whether any was folded
 * @most: passes that a region may rest at most
 * @spread: some number of the region: those that were settled together do not come back together
 */
void pf_patience_learn(struct pf_patience *patience, unsigned int pages, unsigned int news,
		       bool folded, unsigned int most, unsigned long spread)
{
	unsigned int wait = patience->wait;

	if (folded)
		wait = 0;
	else if (!pages)
		wait = min(wait * 2 + 1, most / PF_EMPTY_SHARE);
	else if (news * PF_NEWS_SHARE <= pages)
		wait = min(wait * 2 + 1, most);
	else if (news * 2 >= pages)
		wait = min(wait * 2 + 1, most / PF_VOLATILE_SHARE);
	else
		wait = min(wait / 2, most);
	patience->wait = wait;
	patience->rest = wait - spread % (wait / 4 + 1);
}
