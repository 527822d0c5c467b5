// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long to wait before what has failed is tried again: twice as long each time.
 *
 * Pure logic: builds in userspace too. A target that cannot be reached: a try that gets nothing
 * costs some 20 us, most of it in the allocator. The first waits are short, because kswapd makes
 * room within milliseconds; the sum of the tries of a minute stays far below 0.1 % of a CPU.
 */
#include <linux/minmax.h>

#include "backoff.h"

/**
 * pb_backoff_reset() - what is tried is new, or there was progress
 * @backoff: whose waits begin anew
 */
void pb_backoff_reset(struct pb_backoff *backoff)
{
	backoff->delay_ms = 0;
}

/**
 * pb_backoff_next() - it was tried in vain
 * @backoff: whose wait grows
 *
 * Return: milliseconds to wait, @backoff->min_ms to @backoff->max_ms.
 */
unsigned int pb_backoff_next(struct pb_backoff *backoff)
{
	backoff->delay_ms = clamp(backoff->delay_ms * 2, backoff->min_ms, backoff->max_ms);
	return backoff->delay_ms;
}
