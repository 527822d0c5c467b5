/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The key of a page: what a few of its lines say, and as many more as it takes.
 *
 * Pure logic: builds in userspace too. Nearly every page differs from every other one in any few
 * lines, and a line that is not read is a cache miss that is not had. Equal pages always have equal
 * keys; pages with equal keys need not be equal, for a key never decides.
 */
#ifndef PF_SAMPLE_H
#define PF_SAMPLE_H

#include "hash.h"

#define PF_SAMPLE_LINES		4
/* Lines learnt of a class before its pages are hashed whole. */
#define PF_SAMPLE_TOLD_MAX	3
#define PF_SAMPLE_SLOTS		512

/**
 * struct pf_sampler - which lines are read
 * @seed: of the hashes
 * @line: lines of every page
 * @slot: what is known of classes, that is, of pages that are alike in @line; a class may lose its
 *	  slot to another one
 *
 * Everything may be used concurrently: a slot is one word.
 */
struct pf_sampler {
	struct pf_seed seed;
	u8 line[PF_SAMPLE_LINES];
	u64 slot[PF_SAMPLE_SLOTS];
};

void pf_sampler_init(struct pf_sampler *sampler, const struct pf_seed *seed, u64 random);
u64 pf_sample_class(const struct pf_sampler *sampler, const void *data, u64 apart);
u64 pf_sample_key(const struct pf_sampler *sampler, const void *data, u64 class);
bool pf_sample_tell(struct pf_sampler *sampler, u64 class, unsigned int line);

#endif /* PF_SAMPLE_H */
