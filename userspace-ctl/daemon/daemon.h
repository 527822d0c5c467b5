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
	struct guest **leaving;		/* that were taken out, and get back what they gave */
	size_t nleaving;
	struct given *left;		/* of VMs that are not here now, but may come (back) */
	size_t nleft;
	enum host_state told_state;
	bool dry_run, no_module, recorded, metrics_failed;
	bool new_names;			/* who bears whose name is to be seen */
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

/*
 * Register all running VMs that the module does not know: in the next round, or when all processes
 * are looked at. An operator may have taken one out: this is for when nobody can have done that yet.
 */
void enrol_running(void);

/* The same of those that began within the last minute, for nobody told of some of them. */
void enrol_begun(void);

/* Register the VM that thread @tid has made, as udev's rule would have: in the next round. */
void enrol_expect(int tid);

/**
 * enrol_round() - do what was asked for
 * @sysroot: where /proc and /sys are; kept by the caller
 * @dry_run: only print who would be registered, with or without the module
 */
void enrol_round(const char *sysroot, bool dry_run);

/* Forget who was expected. */
void enrol_none(void);

/* The figures of the last round as OpenMetrics text, into conf.metrics. */
void textfile_write(struct daemon *d);

#endif
