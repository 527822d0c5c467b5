// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the hash of a page and of the zero test.
 *
 * Nothing is checked against known values: which one it is, is nobody's business. What is checked
 * is what the hint table and the frame set lean on.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "test.h"

#define WORDS	(PF_PAGE_BYTES / sizeof(u64))
#define MANY	(1 << 20)

static u64 page[WORDS] __attribute__((aligned(PF_PAGE_BYTES)));

static struct pf_seed seed_of(u64 state)
{
	struct pf_seed seed;

	for (int i = 0; i < PF_HASH_SEEDS; i++)
		seed.word[i] = next_random(&state);
	return seed;
}

static void fill_random(u64 state)
{
	for (size_t i = 0; i < WORDS; i++)
		page[i] = next_random(&state);
}

static int cmp_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* How many of @nr hashes another one has too; sorts them. */
static size_t collisions(u64 *hash, size_t nr)
{
	size_t same = 0;

	qsort(hash, nr, sizeof(*hash), cmp_u64);
	for (size_t i = 1; i < nr; i++)
		same += hash[i] == hash[i - 1];
	return same;
}

static bool flips_differ(u64 seed_state)
{
	static u64 hash[WORDS * 64 + 1];
	struct pf_seed seed = seed_of(seed_state);
	size_t nr = 0, same;

	hash[nr++] = pf_page_hash(page, &seed);
	for (size_t bit = 0; bit < WORDS * 64; bit++) {
		page[bit / 64] ^= 1ULL << bit % 64;
		hash[nr++] = pf_page_hash(page, &seed);
		page[bit / 64] ^= 1ULL << bit % 64;
	}
	same = collisions(hash, nr);
	EXPECT(!same, "%zu of %zu hashes are not their page's own", same, nr);
	return true;
}

static bool every_bit_counts(void)
{
	memset(page, 0, sizeof(page));
	if (!flips_differ(1))
		return false;
	memset(page, 0xff, sizeof(page));
	if (!flips_differ(2))
		return false;
	fill_random(3);
	return flips_differ(3);
}

static bool last_word_counts(void)
{
	u64 *hash = calloc(MANY, sizeof(*hash));
	struct pf_seed seed = seed_of(4);
	size_t same;

	fill_random(4);
	for (size_t i = 0; i < MANY; i++) {
		page[WORDS - 1] = i;
		hash[i] = pf_page_hash(page, &seed);
	}
	same = collisions(hash, MANY);
	free(hash);
	EXPECT(!same, "%zu collisions", same);
	return true;
}

/* Swap each two pieces of @words words that differ: the place of a piece must count. */
static bool swaps_differ(size_t words)
{
	struct pf_seed seed = seed_of(5);
	u64 keep[8], whole;

	fill_random(5);
	whole = pf_page_hash(page, &seed);
	for (size_t a = 0; a < WORDS; a += words) {
		for (size_t b = a + words; b < WORDS; b += words) {
			bool same;

			memcpy(keep, page + a, words * sizeof(u64));
			memcpy(page + a, page + b, words * sizeof(u64));
			memcpy(page + b, keep, words * sizeof(u64));
			same = pf_page_hash(page, &seed) == whole;
			memcpy(page + b, page + a, words * sizeof(u64));
			memcpy(page + a, keep, words * sizeof(u64));
			EXPECT(!same, "words %zu and %zu, %zu long", a, b, words);
		}
	}
	return true;
}

static bool order_of_words_counts(void)
{
	return swaps_differ(1);
}

static bool order_of_lanes_counts(void)
{
	return swaps_differ(2) && swaps_differ(4);
}

static bool order_of_lines_counts(void)
{
	return swaps_differ(8);
}

static bool every_seed_bit_counts(void)
{
	static u64 hash[PF_HASH_SEEDS * 64 + 1];
	struct pf_seed seed = seed_of(6);
	size_t nr = 0, same;

	fill_random(6);
	hash[nr++] = pf_page_hash(page, &seed);
	for (size_t bit = 0; bit < PF_HASH_SEEDS * 64; bit++) {
		seed.word[bit / 64] ^= 1ULL << bit % 64;
		hash[nr++] = pf_page_hash(page, &seed);
		seed.word[bit / 64] ^= 1ULL << bit % 64;
	}
	same = collisions(hash, nr);
	EXPECT(!same, "%zu of %zu hashes are the same under two seeds", same, nr);
	return true;
}

/*
 * Pages that have the same tag under one seed must not have it under another more often than by
 * chance.
 */
static bool seeds_are_unrelated(void)
{
	struct pf_seed one = seed_of(7), other = seed_of(8);
	size_t same = 0;

	memset(page, 0, sizeof(page));
	for (u64 i = 0; i < 100000; i++) {
		page[i % WORDS] = i;
		same += ((pf_page_hash(page, &one) ^ pf_page_hash(page, &other)) & 0x1fff) == 0;
		page[i % WORDS] = 0;
	}
	EXPECT(same < 40, "%zu of 100000 tags equal, about 12 are to be expected", same);
	return true;
}

/*
 * Each bit of the hash changes with half of the flips: neither the tag nor the bucket may hang on
 * few bits.
 */
static bool flips_avalanche(void)
{
	static unsigned int changed[64];
	struct pf_seed seed = seed_of(9);
	u64 whole;

	memset(page, 0, sizeof(page));
	whole = pf_page_hash(page, &seed);
	for (size_t bit = 0; bit < WORDS * 64; bit++) {
		u64 diff;

		page[bit / 64] ^= 1ULL << bit % 64;
		diff = pf_page_hash(page, &seed) ^ whole;
		page[bit / 64] ^= 1ULL << bit % 64;
		for (int i = 0; i < 64; i++)
			changed[i] += diff >> i & 1;
	}
	for (int i = 0; i < 64; i++)
		EXPECT(changed[i] > 15800 && changed[i] < 16970,
		       "hash bit %d changed %u of 32768 times", i, changed[i]);
	return true;
}

/* Families of pages that guests are full of: nearly all zero, nearly all alike. */
static void counter_first(size_t i)
{
	page[0] = i;
}

static void counter_last(size_t i)
{
	page[WORDS - 1] = i;
}

static void byte_anywhere(size_t i)
{
	static unsigned char *last;

	if (last)
		*last = 0;
	last = (unsigned char *)page + i % PF_PAGE_BYTES;
	*last = 1 + i / PF_PAGE_BYTES;
}

static void pointers(size_t i)
{
	page[i % WORDS] = 0xffff888000000000ULL + i * 64;
}

/*
 * Whether numbers 0..8191 that @nr hashes give come up equally often: their chi-square, for 8191
 * degrees of freedom, has mean 8191 and deviation 128; the bound is 6 deviations.
 */
static bool uniform(const u64 *hash, size_t nr, u32 (*number)(u64 hash), const char *what)
{
	static u32 count[8192];
	double expected = (double)nr / ARRAY_SIZE(count), chi = 0;

	memset(count, 0, sizeof(count));
	for (size_t i = 0; i < nr; i++)
		count[number(hash[i])]++;
	for (size_t i = 0; i < ARRAY_SIZE(count); i++)
		chi += (count[i] - expected) * (count[i] - expected) / expected;
	EXPECT(chi > 8191 - 6 * 128 && chi < 8191 + 6 * 128, "%s: chi-square %.0f", what, chi);
	return true;
}

static u32 tag_bits(u64 hash)
{
	return hash & 0x1fff;
}

static u32 first_bucket(u64 hash)
{
	return ((hash >> 32) * 8192) >> 32;
}

/* The tag must tell apart what one bucket holds, so the two must not go together. */
static u32 tag_and_bucket(u64 hash)
{
	return (hash & 0x7f) << 6 | hash >> 58;
}

static bool many_pages_spread(void (*make)(size_t i), u64 seed_state)
{
	u64 *hash = calloc(MANY, sizeof(*hash));
	struct pf_seed seed = seed_of(seed_state);
	bool spread;
	size_t same;

	memset(page, 0, sizeof(page));
	for (size_t i = 0; i < MANY - PF_PAGE_BYTES; i++) {
		make(i);
		hash[i] = pf_page_hash(page, &seed);
	}
	spread = uniform(hash, MANY - PF_PAGE_BYTES, tag_bits, "tag") &&
		 uniform(hash, MANY - PF_PAGE_BYTES, first_bucket, "first bucket") &&
		 uniform(hash, MANY - PF_PAGE_BYTES, tag_and_bucket, "tag and bucket");
	same = collisions(hash, MANY - PF_PAGE_BYTES);
	free(hash);
	EXPECT(!same, "%zu collisions", same);
	return spread;
}

static bool spread_counter_first(void)
{
	return many_pages_spread(counter_first, 10);
}

static bool spread_counter_last(void)
{
	return many_pages_spread(counter_last, 11);
}

static bool spread_byte(void)
{
	return many_pages_spread(byte_anywhere, 12);
}

static bool spread_pointers(void)
{
	return many_pages_spread(pointers, 13);
}

static bool zero_is_zero(void)
{
	memset(page, 0, sizeof(page));
	EXPECT(pf_page_is_zero(page), "a zero page");
	return true;
}

static bool every_byte_is_looked_at(void)
{
	static const unsigned char value[] = { 1, 0x80, 0xff };
	unsigned char *byte = (unsigned char *)page;

	memset(page, 0, sizeof(page));
	for (size_t at = 0; at < PF_PAGE_BYTES; at++) {
		for (size_t i = 0; i < ARRAY_SIZE(value); i++) {
			byte[at] = value[i];
			EXPECT(!pf_page_is_zero(page), "byte %zu is %u", at, value[i]);
		}
		byte[at] = 0;
	}
	return true;
}

/* ASan sees a read beyond either end of the page. */
static bool reads_one_page_only(void)
{
	u64 *exact = calloc(1, PF_PAGE_BYTES);
	struct pf_seed seed = seed_of(14);

	EXPECT(pf_page_is_zero(exact), "a zero page");
	EXPECT(pf_page_hash(exact, &seed) == pf_page_hash(exact, &seed), "two hashes of a page");
	free(exact);
	return true;
}

static const struct test tests[] = {
	{ "each of 32768 bits changes the hash", every_bit_counts },
	{ "the last 8 bytes count", last_word_counts },
	{ "the order of words counts", order_of_words_counts },
	{ "the order of lanes counts", order_of_lanes_counts },
	{ "the order of lines counts", order_of_lines_counts },
	{ "each bit of the seed changes the hash", every_seed_bit_counts },
	{ "hashes under two seeds are unrelated", seeds_are_unrelated },
	{ "a flip changes each bit of the hash half of the time", flips_avalanche },
	{ "a million pages spread: counter in the first word", spread_counter_first },
	{ "a million pages spread: counter in the last word", spread_counter_last },
	{ "a million pages spread: one byte set", spread_byte },
	{ "a million pages spread: pointers", spread_pointers },
	{ "a zero page is zero", zero_is_zero },
	{ "the zero test looks at each byte", every_byte_is_looked_at },
	{ "nothing is read outside the page", reads_one_page_only },
};

const struct suite hash_suite = { "hash", tests, ARRAY_SIZE(tests) };
