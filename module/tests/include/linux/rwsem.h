/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for the kernel's header of this name. Tests have one thread wherever something takes a
 * lock for writing, so it locks nothing; but memory may not be had or given back under it.
 */
#ifndef SHIM_LINUX_RWSEM_H
#define SHIM_LINUX_RWSEM_H

struct rw_semaphore {
	int writers;
};

/* Of all locks; see kzalloc() and kvfree(). */
extern int shim_writers;

static inline void down_write(struct rw_semaphore *sem)
{
	sem->writers++;
	shim_writers++;
}

static inline void up_write(struct rw_semaphore *sem)
{
	sem->writers--;
	shim_writers--;
}

#endif /* SHIM_LINUX_RWSEM_H */
