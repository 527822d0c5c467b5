/* SPDX-License-Identifier: GPL-2.0-only */
/* What the benchmark calls in the part that is compiled as in the kernel. */
#ifndef PF_BENCH_H
#define PF_BENCH_H

#include <linux/types.h>

u64 bench_page_hash(const void *page);
u64 bench_zero_test(const void *page);
u64 bench_xxh64(const void *page);

/* Whether xxhash.h was there when this was built. */
extern const bool bench_has_xxh64;

#endif /* PF_BENCH_H */
