/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to a VM's monitor: socket, owner, time-outs, and trying again; or to libvirt,
 * where the monitor is libvirt's.
 */
#ifndef PF_LINK_H
#define PF_LINK_H

#include <systemd/sd-event.h>

#include "qmp.h"
#include "process.h"
#include "timer.h"
#include "virt.h"

/* How long it is until a peer that failed is tried again, at most. */
#define LINK_RETRY_MOST_MS	64000

struct attempt;

struct link {
	const char *sysroot;	/* kept by the caller */
	sd_event *loop;
	sd_event_source *io;
	struct attempt *attempt;	/* to connect, that is not over */
	struct attempt *hung;	/* one that others are tried beside, for its path: */
	size_t hung_at;
	struct qmp *qmp;	/* NULL: not connected */
	int pid;
	uid_t uid;
	struct qmp_paths paths;
	size_t at;
	char path[QMP_PATH_MAX];	/* @at of these; empty: it has no monitor of its own */
	char uuid[UUID_TEXT_SIZE];	/* of @virt */
	struct virt_vm *virt;		/* NULL: nor is it libvirt's */
	struct qmp_facts virt_facts;
	bool any_process;	/* the operator named the socket: another VM's is none all the same */
	bool paused;		/* its guest may be stopped: a new conversation is told so */
	uint64_t retry_ms;
	unsigned int failures;	/* in a row, see GOOD_MS */
	uint64_t ready_ms;	/* since when there are facts, 0: there are none */
	struct err why;		/* of the last failure, for the journal */
	bool news;		/* @why was not told yet, or there is a connection to tell of */
};

/* Nothing is connected yet, and there is no path. */
void link_init(struct link *l, sd_event *loop, const char *sysroot, int pid, uid_t uid);

/**
 * link_use() - the monitor is at this path
 * @l: the connection; ended when it leads elsewhere
 * @path: shorter than QMP_PATH_MAX; empty: there is none
 * @any_process: its listener may be another process than the VM, but not another VM
 */
void link_use(struct link *l, const char *path, bool any_process);

/**
 * link_use_one_of() - the same, at one of these paths: where one fails the next is tried
 * @l: the connection; ended when they are others than before
 * @paths: they; what is not used is zeroes
 * @any_process: as for link_use()
 */
void link_use_one_of(struct link *l, const struct qmp_paths *paths, bool any_process);

/**
 * link_use_libvirt() - the monitor is libvirt's
 * @l: the connection; ended when it leads elsewhere
 * @virt: who speaks with libvirt, or NULL
 * @uuid: what the VM's process says its domain is
 *
 * Return: false when nobody speaks with libvirt; there is no monitor then.
 */
bool link_use_libvirt(struct link *l, struct virt *virt, const char *uuid);

/* Whether the VM has a monitor that can be spoken to, be it now or later. */
bool link_has_monitor(const struct link *l);

/* Connect when it is time, ask for what is due, give up what does not answer. Never blocks. */
void link_poll(struct link *l, uint64_t now_ms);

/* As qmp_set_balloon() and so on, where there is somebody to tell. */
void link_set_balloon(struct link *l, uint64_t bytes);
void link_set_paused(struct link *l, bool paused);
void link_ask_status(struct link *l);
bool link_is_running(struct link *l);
void link_set_quit(struct link *l, bool quit);

/* Whether nothing that was wished for its balloon is still to be sent or answered for. */
bool link_balloon_is_settled(const struct link *l);

/* Send what was wished. */
void link_flush(struct link *l);

void link_close(struct link *l);

/* Whether somebody is there who is told wishes. */
bool link_is_open(const struct link *l);

/* How it is connected, for people. */
const char *link_text(const struct link *l);

/* The monitor's facts, or NULL when there is no connection that is ready. */
const struct qmp_facts *link_facts(const struct link *l);

#endif
