/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QEMU's monitor protocol, as far as balloons need it.
 *
 * Bytes in, bytes out: no socket and no clock, so that a fuzzer and a test can be the peer.
 */
#ifndef PF_QMP_H
#define PF_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define QMP_MESSAGE_MAX	32768	/* a longer message is an error */
#define QMP_WINDOW_MS	10000
#define QMP_WINDOW_MAX	(16 * QMP_MESSAGE_MAX)	/* and so is more than this in a window */
#define QMP_ANSWER_MS	5000	/* how long an answer may take */
#define QOM_PATH_MAX	256

/**
 * struct qmp_facts - what the monitor told
 * @ready: the handshake is done and the balloon was looked for
 * @balloon: there is a balloon device
 * @reports: it passes free page reports on
 * @ram: the guest's RAM in bytes, 0 when it was not told
 * @actual: bytes that the guest has left
 * @stats: the guest's driver sent statistics
 * @total, @available, @free: memory inside the guest, in bytes
 * @swap_in, @faults: counters inside the guest, bytes and major faults
 * @stats_at: when the guest sent them, in its host's seconds
 */
struct qmp_facts {
	bool ready, balloon, reports, stats;
	uint64_t ram, actual;
	uint64_t total, available, free, swap_in, faults, stats_at;
};

struct qmp;

/**
 * qmp_new() - begin to speak with a peer
 * @interval_s: how often the guest is to send statistics, in seconds
 * @now_ms: any clock that does not run backwards
 *
 * Return: it, or NULL without memory.
 */
struct qmp *qmp_new(unsigned int interval_s, uint64_t now_ms);

/**
 * qmp_free() - end it
 * @q: it, or NULL
 */
void qmp_free(struct qmp *q);

/**
 * qmp_feed() - take what the peer sent
 * @q: the conversation
 * @bytes: they
 * @n: how many
 * @now_ms: the time
 * @e: filled on error
 *
 * Return: 0, or -EPROTO when the peer does not keep to the protocol or its limits; the conversation
 * is over then.
 */
int qmp_feed(struct qmp *q, const char *bytes, size_t n, uint64_t now_ms, struct err *e);

/**
 * qmp_poll() - ask for what is due
 * @q: the conversation
 * @now_ms: the time
 * @e: filled on error
 *
 * Return: 0, or -ETIMEDOUT when an answer is overdue.
 */
int qmp_poll(struct qmp *q, uint64_t now_ms, struct err *e);

/* Have the guest left with @bytes, as soon as the conversation allows. */
void qmp_set_balloon(struct qmp *q, uint64_t bytes);

/* Stop or continue the guest. */
void qmp_set_paused(struct qmp *q, bool paused);

/* End QEMU. */
void qmp_quit(struct qmp *q);

/* What is to be sent. Return: how many bytes at *@bytes; say with qmp_sent() how many went. */
size_t qmp_output(const struct qmp *q, const char **bytes);
void qmp_sent(struct qmp *q, size_t n);

const struct qmp_facts *qmp_facts(const struct qmp *q);

#endif
