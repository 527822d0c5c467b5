/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to a VM's monitor: socket, owner, time-outs, and trying again.
 */
#ifndef PF_LINK_H
#define PF_LINK_H

#include <systemd/sd-event.h>

#include "qmp.h"
#include "process.h"

struct link {
	sd_event *loop;
	sd_event_source *io;
	struct qmp *qmp;	/* NULL: not connected */
	int pid;
	uid_t uid;
	char path[QMP_PATH_MAX];	/* empty: it has no monitor */
	bool any_process;	/* the operator named the socket: whose user it is is enough */
	uint64_t retry_ms;
	unsigned int failures;
	struct err why;		/* of the last failure, for the journal */
	bool news;		/* @why was not told yet, or there is a connection to tell of */
};

/* Nothing is connected yet, and there is no path. */
void link_init(struct link *l, sd_event *loop, int pid, uid_t uid);

/* Connect when it is time, ask for what is due, give up what does not answer. Never blocks. */
void link_poll(struct link *l, uint64_t now_ms);

/* Send what was wished through qmp_set_balloon() and the like. */
void link_flush(struct link *l);

void link_close(struct link *l);

/* The monitor's facts, or NULL when there is no connection that is ready. */
const struct qmp_facts *link_facts(const struct link *l);

uint64_t clock_ms(void);

#endif
