/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may hang is done aside: in a thread of its own, which is left to itself when it does.
 */
#ifndef PF_ASIDE_H
#define PF_ASIDE_H

#include <stdbool.h>
#include <sys/types.h>

struct aside;

/**
 * aside_new() - begin something
 * @uid: whose VM it is about
 * @work: does it, with @what
 * @drop: frees @what, when nobody wants it any more
 * @what: nobody else's until it is over
 *
 * Return: NULL without memory, or when too many hang, of his or of all; @what is the caller's still.
 * What is wanted still can be tried again later: some may have gone on.
 */
struct aside *aside_new(uid_t uid, void (*work)(void *), void (*drop)(void *), void *what);

/* Wait again: for a second, all in all, until this is called the next time. */
void aside_begin_round(void);

/**
 * aside_is_over() - whether it is done
 * @a: what was begun
 * @wait_ms: how long it gets when it is asked for the first time, of what the round may wait still
 */
bool aside_is_over(struct aside *a, unsigned int wait_ms);

/* Nobody waits for it any more: @what is dropped now or when it is over. */
void aside_leave(struct aside *a);

#endif
