// SPDX-License-Identifier: GPL-2.0-only
/*
 * The key of a page: what a few of its lines say, and as many more as it takes.
 *
 * The lines are chosen at random at load, one in each quarter of a page, so nobody can prepare
 * pages that they do not tell apart. But pages may be alike in them by nature (all but empty ones),
 * or because a guest tries. When two pages of one class turn out to differ, the line where they do
 * is learnt, and read of all pages of the class from then on. A class for which three such lines
 * did not suffice is hashed whole: so a guest can make its own pages cost what a whole hash costs.
 * With more such classes than there are slots it also takes from others what their classes learnt;
 * these learn it again, for a comparison or two each time.
 *
 * A slot holds tag (37 bits of the class), how many lines it learnt (3), and these (4 times 6). 0
 * is empty: a class that nothing was learnt of has no slot.
 */
#include <linux/compiler.h>
#include <linux/kernel.h>

#include "sample.h"

#define PF_TOLD_LINE_BITS	6
#define PF_TOLD_NR_SHIFT	24
#define PF_TOLD_TAG_SHIFT	27
#define PF_TOLD_NR(slot)	(((slot) >> PF_TOLD_NR_SHIFT) & 7)
#define PF_TOLD_WHOLE		(PF_SAMPLE_TOLD_MAX + 1)

/**
 * pf_sampler_init() - begin knowing nothing
 * @sampler: filled
 * @seed: of this load
 * @random: chooses the lines
 */
void pf_sampler_init(struct pf_sampler *sampler, const struct pf_seed *seed, u64 random)
{
	const unsigned int span = PF_PAGE_LINES / PF_SAMPLE_LINES;
	unsigned int i;

	*sampler = (struct pf_sampler) { .seed = *seed };
	for (i = 0; i < PF_SAMPLE_LINES; i++) {
		sampler->line[i] = i * span + random % span;
		random /= span;
	}
}

static u64 pf_told_tag(u64 class)
{
	return class >> PF_TOLD_TAG_SHIFT << PF_TOLD_TAG_SHIFT;
}

static unsigned int pf_told_index(u64 class)
{
	return class % PF_SAMPLE_SLOTS;
}

/* What was learnt of a class, 0 for nothing. */
static u64 pf_told(const struct pf_sampler *sampler, u64 class)
{
	u64 slot = READ_ONCE(sampler->slot[pf_told_index(class)]);

	return pf_told_tag(slot) == pf_told_tag(class) ? slot : 0;
}

static unsigned int pf_told_line(u64 slot, unsigned int i)
{
	return (slot >> (i * PF_TOLD_LINE_BITS)) % PF_PAGE_LINES;
}

/**
 * pf_sample_class() - hash the lines that are read of every page
 * @sampler: which lines
 * @data: the page, aligned to 8 bytes; it may change while it is read
 * @apart: pages with another one have another class
 */
u64 pf_sample_class(const struct pf_sampler *sampler, const void *data, u64 apart)
{
	u64 hash = apart ^ sampler->seed.word[3];
	unsigned int i;

	for (i = 0; i < PF_SAMPLE_LINES; i++)
		hash = pf_line_hash(data, sampler->line[i], &sampler->seed, hash);
	return hash;
}

/**
 * pf_sample_key() - tell a page from the others of its class
 * @sampler: what was learnt of the class
 * @data: the page
 * @class: its pf_sample_class()
 *
 * Return: a key that equal pages share.
 */
u64 pf_sample_key(const struct pf_sampler *sampler, const void *data, u64 class)
{
	u64 slot = pf_told(sampler, class), hash = class;
	unsigned int i;

	if (!slot)
		return class;
	if (PF_TOLD_NR(slot) == PF_TOLD_WHOLE)
		return pf_mix(class ^ sampler->seed.word[4], pf_page_hash(data, &sampler->seed));
	for (i = 0; i < PF_TOLD_NR(slot); i++)
		hash = pf_line_hash(data, pf_told_line(slot, i), &sampler->seed, hash);
	return hash;
}

/**
 * pf_sample_tell() - two pages of a class, with one key, were seen to differ
 * @sampler: learns that
 * @class: of both
 * @line: the first line in which they do
 *
 * Return: whether pages of the class have other keys now.
 */
bool pf_sample_tell(struct pf_sampler *sampler, u64 class, unsigned int line)
{
	u64 slot = pf_told(sampler, class) ?: pf_told_tag(class), told = slot;
	unsigned int i, nr = PF_TOLD_NR(slot);

	if (nr == PF_TOLD_WHOLE)
		return false;
	/* If it is read already they differed in it only after their keys were made. */
	for (i = 0; i < PF_SAMPLE_LINES; i++)
		if (sampler->line[i] == line)
			return false;
	for (i = 0; i < nr; i++)
		if (pf_told_line(slot, i) == line)
			return false;
	if (nr < PF_SAMPLE_TOLD_MAX)
		told |= (u64)line << (nr * PF_TOLD_LINE_BITS);
	told += 1ULL << PF_TOLD_NR_SHIFT;
	WRITE_ONCE(sampler->slot[pf_told_index(class)], told);
	return true;
}
