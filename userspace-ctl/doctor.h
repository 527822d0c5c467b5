/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What about a host stands in the way of overcommit, and what to do about it.
 */
#ifndef PF_DOCTOR_H
#define PF_DOCTOR_H

#include <stddef.h>

#include "err.h"

/* Fine; worth knowing; has to be done before memory can be overcommitted. */
enum verdict { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_TROUBLE };

#define FINDINGS_MAX	512

/**
 * struct finding - one answer
 * @check: what was looked at
 * @verdict: how it is
 * @found: what was found, a sentence
 * @advice: what to do, empty when there is nothing to do
 */
struct finding {
	const char *check;
	enum verdict verdict;
	char found[320];
	char advice[320];
};

/**
 * struct findings - all answers
 * @list: in the order of asking
 * @count: how many; what is beyond FINDINGS_MAX is not kept
 */
struct findings {
	struct finding list[FINDINGS_MAX];
	size_t count;
};

/**
 * doctor_look() - look at a host
 * @sysroot: before /sys, /proc and /dev, and before the sockets of monitors
 * @f: where the answers go
 */
void doctor_look(const char *sysroot, struct findings *f);

/**
 * doctor_qmp() - look at one VM's monitor
 * @sysroot: as above
 * @pid: of the VM's process
 * @name: of the VM
 * @f: where the answer goes
 */
void doctor_qmp(const char *sysroot, int pid, const char *name, struct findings *f);

/**
 * doctor_add() - add an answer
 * @f: to these
 * @check: what was looked at
 * @verdict: how it is
 * @advice: what to do, or ""
 * @fmt: what was found
 */
void doctor_add(struct findings *f, const char *check, enum verdict verdict, const char *advice,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
