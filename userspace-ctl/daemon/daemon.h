/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All VMs, round after round.
 */
#ifndef PF_DAEMON_H
#define PF_DAEMON_H

#include "diary.h"
#include "guest.h"
#include "memory.h"

#define GUESTS_MAX	16383	/* as many as the module registers */

struct daemon {
	const char *sysroot;
	sd_event *loop;
	struct conf conf;
	struct policy policy;
	struct memory memory;
	struct pager *pager;
	struct diary diary;
	struct guest **guests;
	size_t n, room;
	struct given *restored;		/* what an earlier daemon wrote */
	size_t nrestored;
	enum host_state told_state;
	bool dry_run, no_module, recorded;
	uint64_t rounds;
};

/* Return: EX_DONE, or a code with a sentence in @e. */
int daemon_init(struct daemon *d, const char *sysroot, bool dry_run, struct err *e);
void daemon_free(struct daemon *d);

/* Read the configuration again; a mistake is told and changes nothing. */
void daemon_reload(struct daemon *d);

/* Once around: look, decide, act, report. */
void daemon_round(struct daemon *d);

/* Register running VMs that the module does not know, as udev's rule would have. */
void enrol_running(const char *sysroot);

/* The figures of the last round as OpenMetrics text, into conf.metrics. */
void textfile_write(const struct daemon *d);

#endif
