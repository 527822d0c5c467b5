// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breaks on a CPU that others want, and who came in them.
 *
 * Not every task that waits for the CPU gets it when it is offered, nor is every task that counts
 * as waiting awake (from 6.12 on some that went to sleep stay in the queue for a while). So only
 * who ran is taken for one who came.
 */
#include <linux/ktime.h>

#include "breaks.h"
#include "cputime.h"

DEFINE_PER_CPU(struct pf_crowd, pf_crowds);

/**
 * pf_break_offer() - the part of pf_break() for when somebody else is there
 *
 * Beside one who never sleeps the offer would cost more than the work between two breaks, so it is
 * made now and then; when the scheduler asks we always make way.
 *
 * Context: as pf_break(). Who is moved to another CPU meanwhile notes it of the one before.
 */
void pf_break_offer(void)
{
	struct pf_crowd *crowd = raw_cpu_ptr(&pf_crowds);
	unsigned long switches = pf_thread_switches();
	u64 now_ns = ktime_get_ns();

	if (pf_crowd_may_be_asked(crowd, now_ns))
		schedule();
	else
		cond_resched();
	if (pf_thread_switches() != switches)
		pf_crowd_came(crowd, now_ns);
}

/**
 * pf_break_is_due_soon() - do others keep coming to this CPU
 *
 * Context: any; who is moved to another CPU meanwhile is told of the one before.
 */
bool pf_break_is_due_soon(void)
{
	return pf_crowd_is_there(raw_cpu_ptr(&pf_crowds), ktime_get_ns());
}
