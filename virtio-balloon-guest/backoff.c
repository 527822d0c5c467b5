// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long to wait before a target that cannot be reached is tried again: twice as long each time.
 *
 * Pure logic: builds in userspace too. A try that gets nothing costs some 20 us, most of it in the
 * allocator. The first waits are short, because kswapd makes room within milliseconds; the sum of
 * the tries of a minute stays far below 0.1 % of a CPU.
 */
#include <linux/minmax.h>

#include "backoff.h"

/**
 * pb_backoff_reset() - the target is new, or there was progress
 * @backoff: whose waits begin anew
 */
void pb_backoff_reset(struct pb_backoff *backoff)
{
	backoff->delay_ms = 0;
}

/**
 * pb_backoff_next() - the target was tried in vain
 * @backoff: whose wait grows
 *
 * Return: milliseconds to wait, PB_BACKOFF_MIN_MS to PB_BACKOFF_MAX_MS.
 */
unsigned int pb_backoff_next(struct pb_backoff *backoff)
{
	backoff->delay_ms = clamp(backoff->delay_ms * 2, (unsigned int)PB_BACKOFF_MIN_MS,
				  (unsigned int)PB_BACKOFF_MAX_MS);
	return backoff->delay_ms;
}
