/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A break in long work: who wants this CPU has it now.
 *
 * cond_resched() makes way when the scheduler asked for that, and from 6.6 on it often does not: it
 * lets a task use up its slice as long as that one has not had more than its share, and where it
 * prefers others it tells so with the next tick. Asked at a break whose turn it is, it gives the
 * CPU to a guest that woke a moment ago; and what a break costs while nobody else is there is a
 * look at the queue. Nor does cond_resched() do anything where the kernel is preempted lazily, from
 * 6.13 on: that too waits for a tick.
 */
#ifndef PF_BREAKS_H
#define PF_BREAKS_H

#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>

#include "crowd.h"

DECLARE_PER_CPU(struct pf_crowd, pf_crowds);

void pf_break_offer(void);

/**
 * pf_break() - let others run who want to
 *
 * We keep our share: the scheduler says whose turn it is, and no more is given away.
 *
 * Context: may sleep; no lock is held that a VM's fault waits for.
 */
static inline void pf_break(void)
{
	if (single_task_running())
		cond_resched();
	else
		pf_break_offer();
}

bool pf_break_is_due_soon(void);

#endif /* PF_BREAKS_H */
