/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic on sizes that never wraps: what would be below 0 is 0.
 */
#ifndef PF_ARITH_H
#define PF_ARITH_H

#include <stdint.h>

static inline uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

#endif
