/* SPDX-License-Identifier: GPL-2.0-only */
/* CPU time of the thread that asks: what others had of its CPU meanwhile is not its cost. */
#ifndef PF_CPUTIME_H
#define PF_CPUTIME_H

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
 * pf_thread_cpu_now_ns() - what this thread has run until now
 *
 * Context: may sleep. Who is scheduled is counted first, even where nobody else wants to run.
 */
static inline u64 pf_thread_cpu_now_ns(void)
{
	schedule();
	return pf_thread_cpu_ns();
}

/**
 * pf_thread_switches() - how often this thread has left its CPU
 *
 * Somebody else ran between two looks if they differ, or the CPU was idle.
 */
static inline unsigned long pf_thread_switches(void)
{
	return current->nvcsw + current->nivcsw;
}

#endif /* PF_CPUTIME_H */
