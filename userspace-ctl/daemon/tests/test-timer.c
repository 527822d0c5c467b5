// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events bring the next round forward and never put it off.
 */
#include <time.h>

#include "err.h"
#include "daemon/timer.h"
#include "tests/tap.h"

#define SECOND	1000000ull

static int on_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	(void)arg;
	return 0;
}

static bool rounds_are_not_put_off(void)
{
	uint64_t first, due;
	sd_event_source *s;
	sd_event *loop;
	int on;

	EXPECT(sd_event_new(&loop) >= 0, "no loop");
	EXPECT(sd_event_add_time(loop, &s, CLOCK_MONOTONIC, 0, 0, on_timer, NULL) >= 0, "no timer");
	timer_set(s, 10 * SECOND);
	sd_event_source_get_time(s, &first);
	timer_hasten(s, 20 * SECOND);
	sd_event_source_get_time(s, &due);
	EXPECT(due == first, "put off by %llu us", (unsigned long long)(due - first));
	timer_hasten(s, SECOND);
	sd_event_source_get_time(s, &due);
	EXPECT(due < first, "not brought forward");
	first = due;
	/* As events that keep coming do it. */
	for (int i = 0; i < 1000; i++)
		timer_hasten(s, SECOND);
	sd_event_source_get_time(s, &due);
	EXPECT(due == first, "put off by %llu us", (unsigned long long)(due - first));
	/* One that has run is armed again, whatever time stands in it. */
	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	timer_hasten(s, 20 * SECOND);
	sd_event_source_get_time(s, &due);
	EXPECT(sd_event_source_get_enabled(s, &on) > 0 && due > first, "not armed");
	/* And the round itself sets the time as it likes. */
	timer_set(s, 30 * SECOND);
	first = due;
	sd_event_source_get_time(s, &due);
	EXPECT(due > first, "not set");
	sd_event_source_unref(s);
	sd_event_unref(loop);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "events bring a round forward and never put it off", rounds_are_not_put_off },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
