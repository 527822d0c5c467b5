// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wait for the lock of an address space, but not for ever.
 *
 * The mmap lock belongs to the VM, and a task of it that hangs may hold it for ever. Threads of
 * ours are ended by a signal. Whoever writes to one of our files gets none when the module goes,
 * but the module cannot go before he has left: he looks at the lock again and again instead of
 * queueing.
 */
#include <linux/delay.h>
#include <linux/minmax.h>
#include <linux/mmap_lock.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "mmlock.h"

/* Faults and mappings hold the lock for microseconds; for who holds it longer nobody hurries. */
#define PF_MM_POLL_MIN_US	20
#define PF_MM_POLL_MAX_US	1000
/* Some milliseconds. Under a guest that faults all the time there is a gap by then. */
#define PF_MM_SOON_LOOKS	100

static bool pf_mm_goes;

/**
 * pf_mm_exit() - the module goes: whoever waits here gives up
 */
void pf_mm_exit(void)
{
	WRITE_ONCE(pf_mm_goes, true);
}

/**
 * pf_mm_exiting() - whether the module goes
 */
bool pf_mm_exiting(void)
{
	return READ_ONCE(pf_mm_goes);
}

/**
 * pf_mm_read_lock() - take the mmap lock for reading
 * @mm: the address space; the caller holds a reference on its users
 *
 * Context: may sleep.
 * Return: 0; -EINTR when a fatal signal came, or the module goes.
 */
int pf_mm_read_lock(struct mm_struct *mm)
{
	unsigned int us = PF_MM_POLL_MIN_US;

	if (current->flags & PF_KTHREAD)
		return mmap_read_lock_killable(mm);
	while (!mmap_read_trylock(mm)) {
		if (fatal_signal_pending(current) || pf_mm_exiting())
			return -EINTR;
		usleep_range(us, 2 * us);
		us = min(2 * us, PF_MM_POLL_MAX_US);
	}
	return 0;
}

/**
 * pf_mm_read_try() - take the mmap lock for reading if it can be had at once
 * @mm: the address space; the caller holds a reference on its users
 *
 * Return: 0 or -EBUSY.
 */
int pf_mm_read_try(struct mm_struct *mm)
{
	return mmap_read_trylock(mm) ? 0 : -EBUSY;
}

/**
 * pf_mm_read_soon() - take the mmap lock for reading if it can be had within a moment
 * @mm: the address space; the caller holds a reference on its users
 *
 * Context: may sleep, for PF_MM_SOON_LOOKS short naps.
 * Return: 0 or -EBUSY.
 */
int pf_mm_read_soon(struct mm_struct *mm)
{
	int look;

	for (look = 0; look < PF_MM_SOON_LOOKS; look++) {
		if (mmap_read_trylock(mm))
			return 0;
		usleep_range(PF_MM_POLL_MIN_US, 2 * PF_MM_POLL_MIN_US);
	}
	return -EBUSY;
}

/**
 * pf_mm_write_soon() - the same for writing
 * @mm: the address space; the caller holds a reference on its users
 *
 * Newer kernels have no way to try that. So it is asked for only when nobody has it, and whoever
 * comes in between is waited for: he would have to begin to hang at this very moment.
 *
 * Context: as pf_mm_read_soon().
 * Return: 0; -EBUSY; -EINTR when a fatal signal came.
 */
int pf_mm_write_soon(struct mm_struct *mm)
{
	int look;

	for (look = 0; look < PF_MM_SOON_LOOKS; look++) {
		if (!rwsem_is_locked(&mm->mmap_lock))
			return mmap_write_lock_killable(mm);
		usleep_range(PF_MM_POLL_MIN_US, 2 * PF_MM_POLL_MIN_US);
	}
	return -EBUSY;
}
