// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hashes to be measured, compiled as in the kernel: without vector registers.
 *
 * In a file of their own so that their inlines cannot be merged with the loops that measure.
 */
#include "bench.h"
#include "hash.h"

#ifdef HAVE_XXHASH
#include <xxhash.h>
#endif

static const struct pf_seed seed = { {
	0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
	0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917,
} };

u64 bench_page_hash(const void *page)
{
	return pf_page_hash(page, &seed);
}

u64 bench_zero_test(const void *page)
{
	return pf_page_is_zero(page);
}

#ifdef HAVE_XXHASH
u64 bench_xxh64(const void *page)
{
	return XXH64(page, PF_PAGE_BYTES, seed.word[0]);
}

const bool bench_has_xxh64 = true;
#else
u64 bench_xxh64(const void *page)
{
	return 0;
}

const bool bench_has_xxh64;
#endif
