// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the key of a page.
 *
 * What folding leans on: equal pages have equal keys whatever was learnt, so nothing is missed; and
 * pages that differ come to have different keys, wherever they differ, so nothing is slow.
 */
#include <string.h>

#include "sample.h"
#include "test.h"

#define WORDS	(PF_PAGE_BYTES / sizeof(u64))

static u64 page[WORDS] __attribute__((aligned(PF_PAGE_BYTES)));
static u64 other[WORDS] __attribute__((aligned(PF_PAGE_BYTES)));
static struct pf_sampler sampler;

static void begin(u64 state)
{
	struct pf_seed seed;

	for (int i = 0; i < PF_HASH_SEEDS; i++)
		seed.word[i] = next_random(&state);
	pf_sampler_init(&sampler, &seed, next_random(&state));
	for (size_t i = 0; i < WORDS; i++)
		page[i] = next_random(&state);
	memcpy(other, page, sizeof(page));
}

static u64 class_of(const void *data)
{
	return pf_sample_class(&sampler, data, 1);
}

static u64 key_of(const void *data)
{
	return pf_sample_key(&sampler, data, class_of(data));
}

static bool is_sampled(unsigned int line)
{
	for (int i = 0; i < PF_SAMPLE_LINES; i++)
		if (sampler.line[i] == line)
			return true;
	return false;
}

static unsigned int unsampled(unsigned int nr)
{
	for (unsigned int line = 0; line < PF_PAGE_LINES; line++)
		if (!is_sampled(line) && !nr--)
			return line;
	return 0;
}

static u64 *word_in(u64 *data, unsigned int line, unsigned int i)
{
	return data + line * (PF_LINE_BYTES / sizeof(u64)) + i;
}

/* Lines that random numbers choose are in the page, apart, and not the same with every load. */
static bool lines_are_random(void)
{
	u64 seen = 0;

	for (u64 load = 0; load < 200; load++) {
		begin(load);
		for (int i = 0; i < PF_SAMPLE_LINES; i++) {
			EXPECT(sampler.line[i] < PF_PAGE_LINES, "line %u", sampler.line[i]);
			EXPECT(!i || sampler.line[i] > sampler.line[i - 1], "line %u again",
			       sampler.line[i]);
			seen |= 1ULL << sampler.line[i];
		}
	}
	EXPECT(seen == ~0ULL, "lines %llx are never read", ~(unsigned long long)seen);
	return true;
}

/* Every word of a line that is read counts, and no other does before something was learnt. */
static bool sampled_words_count(void)
{
	begin(1);
	for (unsigned int line = 0; line < PF_PAGE_LINES; line++) {
		for (unsigned int i = 0; i < PF_LINE_BYTES / sizeof(u64); i++) {
			u64 *word = word_in(other, line, i), key;

			*word ^= 1ULL << 17;
			key = key_of(other);
			*word ^= 1ULL << 17;
			EXPECT((key != key_of(page)) == is_sampled(line), "line %u word %u", line, i);
		}
	}
	return true;
}

static bool apart_counts(void)
{
	begin(2);
	EXPECT(pf_sample_class(&sampler, page, 1) != pf_sample_class(&sampler, page, 2), "same");
	return true;
}

/* Where two pages of a class differ, others of the class are told apart from then on. */
static bool learnt_line_tells(void)
{
	unsigned int line = unsampled(40);

	begin(3);
	line = unsampled(40);
	*word_in(other, line, 7) += 1;
	EXPECT(key_of(page) == key_of(other), "a line that is not read counts");
	EXPECT(pf_sample_tell(&sampler, class_of(page), line), "nothing learnt");
	EXPECT(key_of(page) != key_of(other), "line %u does not tell", line);
	*word_in(other, line, 7) -= 1;
	EXPECT(key_of(page) == key_of(other), "equal pages have two keys");
	*word_in(other, unsampled(41), 0) += 1;
	EXPECT(key_of(page) == key_of(other), "another line counts");
	EXPECT(!pf_sample_tell(&sampler, class_of(page), line), "learnt twice");
	EXPECT(key_of(page) == key_of(other), "the whole page counts too soon");
	return true;
}

/* A line that is read of every page has nothing to tell, and takes no room from those that have. */
static bool sampled_line_is_not_learnt(void)
{
	begin(6);
	for (unsigned int i = 0; i < PF_SAMPLE_LINES; i++)
		EXPECT(!pf_sample_tell(&sampler, class_of(page), sampler.line[i]), "line %u", i);
	EXPECT(key_of(page) == class_of(page), "something was learnt");
	return true;
}

/* A class that lines do not tell apart is hashed whole: then each line tells. */
static bool at_last_whole(void)
{
	begin(4);
	for (unsigned int i = 0; i <= PF_SAMPLE_TOLD_MAX; i++)
		EXPECT(pf_sample_tell(&sampler, class_of(page), unsampled(i)), "line %u", i);
	EXPECT(!pf_sample_tell(&sampler, class_of(page), unsampled(50)), "more than whole");
	for (unsigned int line = 0; line < PF_PAGE_LINES; line++) {
		*word_in(other, line, 3) ^= 1;
		EXPECT(key_of(page) != key_of(other), "line %u does not tell", line);
		*word_in(other, line, 3) ^= 1;
	}
	EXPECT(key_of(page) == key_of(other), "equal pages have two keys");
	return true;
}

/* Every one of the lines learnt is read, in whatever order it was learnt. */
static bool each_learnt_line_tells(void)
{
	for (unsigned int i = 0; i < PF_SAMPLE_TOLD_MAX; i++) {
		begin(5 + i);
		for (unsigned int k = 0; k < PF_SAMPLE_TOLD_MAX; k++)
			pf_sample_tell(&sampler, class_of(page), unsampled(59 - k * 7));
		*word_in(other, unsampled(59 - i * 7), 5) += 9;
		EXPECT(key_of(page) != key_of(other), "line %u of those learnt", i);
	}
	return true;
}

/* What one class learnt is not used for another, though they may share a slot. */
static bool classes_are_apart(void)
{
	unsigned int shared = 0;

	begin(9);
	pf_sample_tell(&sampler, class_of(page), unsampled(3));
	for (u64 i = 1; i < 20000; i++) {
		*word_in(other, sampler.line[1], 2) = i;
		shared += class_of(other) % PF_SAMPLE_SLOTS == class_of(page) % PF_SAMPLE_SLOTS;
		EXPECT(key_of(other) == class_of(other), "class %llu", (unsigned long long)i);
	}
	EXPECT(shared, "no slot was shared: nothing was tested");
	return true;
}

static const struct test tests[] = {
	{ "lines are chosen at random, in the page and apart", lines_are_random },
	{ "each word of a sampled line counts, no other", sampled_words_count },
	{ "what is to be apart has other classes", apart_counts },
	{ "a learnt line tells pages apart", learnt_line_tells },
	{ "a line that is read anyway is not learnt", sampled_line_is_not_learnt },
	{ "each of the learnt lines does", each_learnt_line_tells },
	{ "pages that lines do not tell apart are hashed whole", at_last_whole },
	{ "what was learnt is of one class only", classes_are_apart },
};

const struct suite sample_suite = { "sample", tests, ARRAY_SIZE(tests) };
