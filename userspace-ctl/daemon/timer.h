/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When the next round is due, and what time it is.
 */
#ifndef PF_TIMER_H
#define PF_TIMER_H

#include <stdint.h>
#include <systemd/sd-event.h>

/**
 * timer_set() - the next round is due then
 * @timer: a source of CLOCK_MONOTONIC
 * @us: from now
 */
void timer_set(sd_event_source *timer, uint64_t us);

/**
 * timer_hasten() - the next round is due then at the latest
 * @timer: a source of CLOCK_MONOTONIC
 * @us: from now
 *
 * A round that is due earlier stays so: whoever asks again and again must not put it off.
 */
void timer_hasten(sd_event_source *timer, uint64_t us);

/* The time, by a clock that nobody sets; never 0, which stands for never. */
uint64_t clock_ms(void);

#endif
