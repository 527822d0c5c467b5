/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon decides, for pagefoldctl events and report: see record.h.
 */
#ifndef PF_DIARY_H
#define PF_DIARY_H

#include "guest.h"
#include "memory.h"

struct diary {
	int fd;			/* -1: closed */
	const char *sysroot;
	uint64_t interval_ms;
	uint64_t sample_ms;	/* when the next sample is due, 0: now */
	bool failed;		/* a failure was told; the next one is not */
};

/* Begin to append. A failure is told, and tried again with what there is to write next. */
void diary_open(struct diary *d, const char *sysroot, uint64_t interval_ms);
void diary_close(struct diary *d);

/* @g has another target than @from, or another rung: write that and what the rung freed. */
void diary_decision(struct diary *d, struct guest *g, uint64_t from);

/* Write each rung that has freed something since it was written last. */
void diary_freed(struct diary *d, struct guest *g);

/**
 * diary_sample() - write what the host and all VMs use, when that is due
 * @d: the diary
 * @every_s: how often, 0: never
 * @m: the host's memory
 * @state: and its state
 * @guests: the VMs, as of this round
 * @n: how many
 * @now_ms: clock_ms()
 */
void diary_sample(struct diary *d, unsigned int every_s, const struct memory *m,
		  enum host_state state, struct guest *const *guests, size_t n, uint64_t now_ms);

/* @event is a word of record.h; @g is NULL for the host. */
void diary_event(struct diary *d, const struct guest *g, const char *event, const char *text);

#endif
