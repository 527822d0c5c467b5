/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host takes VMs' memory: in threads, because that may wait for a disk.
 */
#ifndef PF_PAGER_H
#define PF_PAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGER_ROOM	64	/* VMs that are waited for at a time */

struct pager;

/**
 * struct pager_done - what came of one pager_take()
 * @pid: the VM's process
 * @start: when it was started
 * @cursor: where in the VM to go on the next time
 * @asked: bytes that were wanted, in whole pages
 * @swapped: how much more of it is in swap now, as far as it shows
 * @by_cgroup: its cgroup was asked, and not page by page
 * @lap: the end of its memory was reached
 * @error: an errno, 0 when it was done; EAGAIN: the kernel found less than that
 */
struct pager_done {
	int pid;
	uint64_t start, cursor, asked, swapped;
	bool by_cgroup, lap;
	int error;
};

/* @sysroot: what stands before /proc and /sys; kept by the caller. Return: NULL without memory. */
struct pager *pager_new(const char *sysroot);

/* End what is under way, but for what hangs, which ends with the process; what waits is left. */
void pager_free(struct pager *p);

/**
 * pager_take() - have some of a VM's memory paged out
 * @p: the pager
 * @pid: the VM's process
 * @start: when it was started, as vmm_start() says: another process is never touched
 * @bytes: how much
 * @cursor: where in the VM the last time ended, 0 at first
 *
 * They are done in the order in which they were taken, one after the other; but nobody waits for
 * one that takes longer than some seconds, as long as pager_collect() is called.
 *
 * Return: false when PAGER_ROOM VMs are waited for, or this one is, until it was collected.
 */
bool pager_take(struct pager *p, int pid, uint64_t start, uint64_t bytes, uint64_t cursor);

/**
 * pager_collect() - take what is done
 * @p: the pager
 * @done: filled with the one of those that are done that was taken first
 *
 * Return: false when there is none.
 */
bool pager_collect(struct pager *p, struct pager_done *done);

#endif
