// SPDX-License-Identifier: GPL-2.0-only
/*
 * When the next round is due.
 *
 * Apart from main.c so that a test can ask it.
 */
#include <time.h>

#include "timer.h"

static uint64_t now_of(sd_event_source *timer)
{
	uint64_t now;

	sd_event_now(sd_event_source_get_event(timer), CLOCK_MONOTONIC, &now);
	return now;
}

void timer_set(sd_event_source *timer, uint64_t us)
{
	sd_event_source_set_time(timer, now_of(timer) + us);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void timer_hasten(sd_event_source *timer, uint64_t us)
{
	uint64_t due;
	int on;

	if (sd_event_source_get_enabled(timer, &on) > 0 &&
	    sd_event_source_get_time(timer, &due) >= 0 && due <= now_of(timer) + us)
		return;
	timer_set(timer, us);
}

uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000 + 1;
}
