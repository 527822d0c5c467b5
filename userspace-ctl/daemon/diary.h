/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon decides, for pagefoldctl events and report: see record.h.
 */
#ifndef PF_DIARY_H
#define PF_DIARY_H

#include "guest.h"

struct diary {
	int fd;			/* -1: closed */
	const char *sysroot;
	uint64_t interval_ms;
	bool failed;		/* a failure was told; the next one is not */
};

/* Begin to append. A failure is told, and nothing is written then. */
void diary_open(struct diary *d, const char *sysroot, uint64_t interval_ms);
void diary_close(struct diary *d);

/* @g has another target than @from, or another rung. */
void diary_decision(struct diary *d, const struct guest *g, uint64_t from);

/* @event is a word of record.h; @g is NULL for the host. */
void diary_event(struct diary *d, const struct guest *g, const char *event, const char *text);

#endif
