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
	int lock;			/* -1: a dry run has none */
	sd_event *loop;
	struct conf conf;
	struct policy policy;
	struct memory memory;
	struct pager *pager;
	struct virt *virt;
	struct diary diary;
	struct guest **guests;
	size_t n, room;
	struct given *left;		/* of VMs that are not here now, but may come (back) */
	size_t nleft;
	enum host_state told_state;
	bool dry_run, no_module, recorded, metrics_failed;
	struct given_host host;		/* as it is on record */
	uint64_t rounds;
	size_t page_turn;		/* who is asked first whether it is to be paged */
	uint64_t emergency_ms;		/* when the last VM was stopped or ended, 0: none was */
	uint64_t struck_available;	/* what was available then, 0: none was in this emergency */
	bool told_useless;
};

/* Return: EX_DONE, or a code with a sentence in @e. */
int daemon_init(struct daemon *d, const char *sysroot, bool dry_run, struct err *e);
void daemon_free(struct daemon *d);

/* Read the configuration again; a mistake is told and changes nothing. */
void daemon_reload(struct daemon *d);

/* Once around: look, decide, act, report. */
void daemon_round(struct daemon *d);

/**
 * enrol_running() - register all running VMs that the module does not know
 * @sysroot: where /proc and /sys are
 * @dry_run: only print who that would be, with or without the module
 *
 * An operator may have taken one of them out: this is for when nobody can have done that yet.
 */
void enrol_running(const char *sysroot, bool dry_run);

/**
 * enrol_one() - register a VM that has just begun, as udev's rule would have
 * @sysroot: where /proc and /sys are
 * @tid: a thread of it; nothing is done when it is no VM (any more)
 * @dry_run: only print who that would be
 */
void enrol_one(const char *sysroot, int tid, bool dry_run);

/* Try again who could not be registered, for too many hang. */
void enrol_refused(const char *sysroot);

/* The figures of the last round as OpenMetrics text, into conf.metrics. */
void textfile_write(struct daemon *d);

#endif
