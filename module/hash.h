/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hash of a page, the test whether it is all zero, and whether two pages are equal.
 *
 * Why not the kernel's xxh64(): pages that a sample does not tell apart (sample.c) are hashed
 * whole, as are those of which it is asked whether they were written (wss.c); the scalar xxh64
 * takes about 3500 instructions for 4 KiB. Four independent lanes of one wide multiplication for
 * each 16 bytes take half of that, and 105 instead of 180 ns where the page is in the cache. The
 * hash never decides: it only says where to look, so what is asked of it is spread over
 * equal-looking pages and a seed that a guest cannot know.
 */
#ifndef PF_HASH_H
#define PF_HASH_H

#include <linux/types.h>

#define PF_PAGE_BYTES	4096
#define PF_LINE_BYTES	64
#define PF_PAGE_LINES	(PF_PAGE_BYTES / PF_LINE_BYTES)
#define PF_HASH_SEEDS	8

/**
 * struct pf_seed - what makes the hashes of one load of the module its own
 * @word: random numbers, the first four to begin the lanes with, the others to mask the data
 */
struct pf_seed {
	u64 word[PF_HASH_SEEDS];
};

static inline u64 pf_mix(u64 a, u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (u64)product ^ (u64)(product >> 64);
}

/**
 * pf_page_hash() - hash the 4096 bytes of a page
 * @data: the page, aligned to 8 bytes; it may change while it is read
 * @seed: of this load
 *
 * Return: the hash. Of a page that changes meanwhile, some number.
 */
static inline u64 pf_page_hash(const void *data, const struct pf_seed *seed)
{
	const u64 *word = data;
	const u64 *end = word + PF_PAGE_BYTES / sizeof(u64);
	u64 lane0 = seed->word[0], lane1 = seed->word[1];
	u64 lane2 = seed->word[2], lane3 = seed->word[3];

	for (; word < end; word += 8) {
		lane0 = pf_mix(word[0] ^ seed->word[4], word[1] ^ lane0);
		lane1 = pf_mix(word[2] ^ seed->word[5], word[3] ^ lane1);
		lane2 = pf_mix(word[4] ^ seed->word[6], word[5] ^ lane2);
		lane3 = pf_mix(word[6] ^ seed->word[7], word[7] ^ lane3);
	}
	return pf_mix(lane0 ^ seed->word[4], lane1 ^ seed->word[5]) +
	       pf_mix(lane2 ^ seed->word[6], lane3 ^ seed->word[7]);
}

/**
 * pf_line_hash() - hash one cache line of a page
 * @data: the page, aligned to 8 bytes; it may change while it is read
 * @line: which line, 0..PF_PAGE_LINES - 1
 * @seed: of this load
 * @hash: of what comes before it
 */
static inline u64 pf_line_hash(const void *data, unsigned int line, const struct pf_seed *seed,
			       u64 hash)
{
	const u64 *word = (const u64 *)data + line * (PF_LINE_BYTES / sizeof(u64));

	return pf_mix(word[0] ^ seed->word[4], word[1] ^ hash) +
	       pf_mix(word[2] ^ seed->word[5], word[3] ^ seed->word[0]) +
	       pf_mix(word[4] ^ seed->word[6], word[5] ^ seed->word[1]) +
	       pf_mix(word[6] ^ seed->word[7], word[7] ^ seed->word[2]);
}

/**
 * pf_page_differ_from() - compare two pages from some line on
 * @a: a page, aligned to 8 bytes
 * @b: another
 * @line: where to begin, 0..PF_PAGE_LINES
 *
 * The kernel's memcmp() also finds out which is less, one word at a time, which takes four times
 * the instructions.
 *
 * Return: the first line from @line on in which they differ; PF_PAGE_LINES if they are equal.
 */
static inline unsigned int pf_page_differ_from(const void *a, const void *b, unsigned int line)
{
	const u64 *x = (const u64 *)a + line * (PF_LINE_BYTES / sizeof(u64));
	const u64 *y = (const u64 *)b + line * (PF_LINE_BYTES / sizeof(u64));

	for (; line < PF_PAGE_LINES; line++, x += 8, y += 8)
		if ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) |
		    (x[4] ^ y[4]) | (x[5] ^ y[5]) | (x[6] ^ y[6]) | (x[7] ^ y[7]))
			break;
	return line;
}

/**
 * pf_page_differ() - compare two pages, all 4096 bytes of them
 * @a: a page, aligned to 8 bytes
 * @b: another
 *
 * Return: the first line in which they differ; PF_PAGE_LINES if they are equal.
 */
static inline unsigned int pf_page_differ(const void *a, const void *b)
{
	return pf_page_differ_from(a, b, 0);
}

/**
 * pf_line_is_zero() - are the first 64 bytes of a page zero
 * @data: the page, aligned to 8 bytes
 */
static inline bool pf_line_is_zero(const void *data)
{
	const u64 *word = data;

	return !(word[0] | word[1] | word[2] | word[3] | word[4] | word[5] | word[6] | word[7]);
}

/**
 * pf_page_is_zero() - are all 4096 bytes of a page zero
 * @data: the page, aligned to 8 bytes
 *
 * Most pages that are not zero say so in their first word.
 */
static inline bool pf_page_is_zero(const void *data)
{
	const u8 *line = data;
	const u8 *end = line + PF_PAGE_BYTES;

	for (; line < end; line += PF_LINE_BYTES)
		if (!pf_line_is_zero(line))
			return false;
	return true;
}

#endif /* PF_HASH_H */
