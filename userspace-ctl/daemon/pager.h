/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host takes a VM's memory: in a thread, because that may wait for a disk.
 */
#ifndef PF_PAGER_H
#define PF_PAGER_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct pager;

struct pager *pager_new(void);

/* Wait for what is under way and end it. */
void pager_free(struct pager *p);

/**
 * pager_take() - have some of a VM's memory paged out
 * @p: the pager
 * @pid: the VM's process
 * @start: when it was started, as vmm_start() says: another process is never touched
 * @bytes: how much
 * @cursor: where in the VM the last call ended; kept by the caller
 *
 * Return: false when it is busy: ask again later.
 */
bool pager_take(struct pager *p, int pid, uint64_t start, uint64_t bytes, uint64_t *cursor);

/* The last failure that was not told yet. */
bool pager_failed(struct pager *p, struct err *e);

#endif
