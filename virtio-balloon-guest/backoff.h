/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long to wait before what has failed is tried again.
 *
 * Pure logic: builds in userspace too.
 */
#ifndef PB_BACKOFF_H
#define PB_BACKOFF_H

#include <linux/types.h>

/* Of a target that cannot be reached. */
#define PB_BACKOFF_MIN_MS	10
#define PB_BACKOFF_MAX_MS	10000

/**
 * struct pb_backoff - one thing that is tried
 * @min_ms: how long the first wait is
 * @max_ms: how long the longest
 * @delay_ms: how long the last was, 0 before the first
 */
struct pb_backoff {
	unsigned int min_ms;
	unsigned int max_ms;
	unsigned int delay_ms;
};

void pb_backoff_reset(struct pb_backoff *backoff);
unsigned int pb_backoff_next(struct pb_backoff *backoff);

#endif /* PB_BACKOFF_H */
