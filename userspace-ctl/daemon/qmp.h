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
 * @knows_runs: whether the guest's CPUs run was told, see qmp_ask_status()
 * @runs: they do, by what was told last; not, where that was refused
 * @ram: the guest's RAM in bytes, 0 when it was not told
 * @actual: bytes that the guest has left
 * @stats: the guest's driver sent statistics
 * @has_available: and @available is among them: 0 is nothing left
 * @total, @available, @free: memory inside the guest, in bytes
 * @swap_in, @swap_out, @faults: counters inside the guest, bytes, bytes and major faults
 * @stats_at: when the guest sent them, in its host's seconds
 */
struct qmp_facts {
	bool ready, balloon, reports, stats, has_available, knows_runs, runs;
	uint64_t ram, actual;
	uint64_t total, available, free, swap_in, swap_out, faults, stats_at;
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

/**
 * qmp_set_paused() - stop or continue the guest, as soon as the conversation allows
 * @q: the conversation
 * @paused: which
 *
 * Nothing is sent when the guest is known to be so. A refusal is tried again at the next poll. A guest
 * continues only if it is paused: one that stands for another reason, such as an error of its disk or
 * because it runs elsewhere by now, is left to who knows better.
 */
void qmp_set_paused(struct qmp *q, bool paused);

/**
 * qmp_doubt_paused() - the guest may have been stopped through another conversation
 * @q: the conversation
 *
 * What is wished is sent in any case then. Without this the guest is taken for running.
 */
void qmp_doubt_paused(struct qmp *q);

/* Ask whether the guest runs, as soon as the conversation allows: before it is stopped. */
void qmp_ask_status(struct qmp *q);

/**
 * qmp_is_running() - whether the guest is known to run, as far as we had a hand in it
 * @q: the conversation
 *
 * Return: false while a stop or a doubt is not answered for.
 */
bool qmp_is_running(const struct qmp *q);

/* Whether no wish for the balloon's size is still to be sent or answered for. */
bool qmp_balloon_is_settled(const struct qmp *q);

/**
 * qmp_set_quit() - end QEMU, as soon as the conversation allows, or do not any more
 * @q: the conversation
 * @quit: which
 *
 * It is sent once; what was sent cannot be taken back.
 */
void qmp_set_quit(struct qmp *q, bool quit);

/* What is to be sent. Return: how many bytes at *@bytes; say with qmp_sent() how many went. */
size_t qmp_output(const struct qmp *q, const char **bytes);
void qmp_sent(struct qmp *q, size_t n);

const struct qmp_facts *qmp_facts(const struct qmp *q);

#endif
