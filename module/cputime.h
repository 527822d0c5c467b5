/* SPDX-License-Identifier: GPL-2.0-only */
/* CPU time of the thread that asks: what others had of its CPU meanwhile is not its cost. */
#ifndef PF_CPUTIME_H
#define PF_CPUTIME_H

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/types.h>

/**
 * pf_thread_cpu_ns() - what this thread has run, as the scheduler counted it last
 *
 * It counts when the thread begins to run, when it stops and at ticks between, so the figure may
 * be a tick old.
 */
static inline u64 pf_thread_cpu_ns(void)
{
	return current->se.sum_exec_runtime;
}

/**
 * pf_cpu_used_ns() - the most that a piece of work can have run
 * @wall_ns: from its begin to its end
 * @cpu_ns: what pf_thread_cpu_ns() grew by meanwhile
 */
static inline u64 pf_cpu_used_ns(u64 wall_ns, u64 cpu_ns)
{
	return min_t(u64, wall_ns, cpu_ns + TICK_NSEC);
}

#endif /* PF_CPUTIME_H */
