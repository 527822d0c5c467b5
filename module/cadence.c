// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cadence: how much CPU a scan thread may use, and how long it rests.
 *
 * The user says "percent of one CPU", and a bucket of CPU time fills at that rate. The thread works
 * while there is credit; what it overdrew it rests off. Credit is capped, so that a thread that had
 * nothing to do for an hour does not take a core for minutes afterwards.
 *
 * With "auto" the rate follows the yield: windows in which at least one page in 32 could be folded
 * double it, windows with less than one in 1024 shrink it by a quarter. A ratio of pages to pages
 * is the same on a slow and on a fast machine.
 */
#include <linux/kernel.h>
#include <linux/math64.h>

#include "cadence.h"

#define PF_CREDIT_MAX_NS	(5 * 1000 * 1000)
#define PF_REST_MAX_NS		(1000ULL * 1000 * 1000)
#define PF_AUTO_WINDOW		4096	/* pages */
#define PF_AUTO_START		10	/* percent */

/**
 * pf_cadence_init() - begin with a budget
 * @cadence: of one thread
 * @percent: 1..PF_CPU_PERCENT_MAX of one CPU, or PF_CPU_PERCENT_AUTO
 * @now_ns: the time, monotonic
 * @cpu_ns: CPU time that the thread has used so far
 */
void pf_cadence_init(struct pf_cadence *cadence, unsigned int percent, u64 now_ns, u64 cpu_ns)
{
	*cadence = (struct pf_cadence) {
		.percent = percent,
		.now = percent == PF_CPU_PERCENT_AUTO ? PF_AUTO_START : percent,
		.last_ns = now_ns,
		.last_cpu_ns = cpu_ns,
	};
}

/**
 * pf_cadence_found() - tell what the work brought
 * @cadence: of this thread
 * @scanned: pages looked at
 * @found: of these, pages folded
 */
void pf_cadence_found(struct pf_cadence *cadence, u64 scanned, u64 found)
{
	cadence->scanned += scanned;
	cadence->found += found;
	if (cadence->scanned < PF_AUTO_WINDOW)
		return;
	if (cadence->percent == PF_CPU_PERCENT_AUTO) {
		if (cadence->found * 32 >= cadence->scanned)
			cadence->now = min(cadence->now * 2, (unsigned int)PF_AUTO_PERCENT_MAX);
		else if (cadence->found * 1024 < cadence->scanned)
			cadence->now = max(cadence->now * 3 / 4, (unsigned int)PF_AUTO_PERCENT_MIN);
	}
	cadence->scanned = 0;
	cadence->found = 0;
}

/**
 * pf_cadence_rest() - settle the account
 * @cadence: of this thread
 * @now_ns: the time, monotonic
 * @cpu_ns: CPU time that the thread has used so far
 *
 * Return: how long the thread must rest before it works on, in ns; 0 to go on at once.
 */
u64 pf_cadence_rest(struct pf_cadence *cadence, u64 now_ns, u64 cpu_ns)
{
	u64 elapsed = now_ns - cadence->last_ns;
	s64 used = cpu_ns - cadence->last_cpu_ns;

	cadence->last_ns = now_ns;
	cadence->last_cpu_ns = cpu_ns;
	if (cadence->now >= PF_CPU_PERCENT_MAX)
		return 0;

	elapsed = min_t(u64, elapsed, PF_REST_MAX_NS);
	cadence->credit_ns += (s64)div_u64(elapsed * cadence->now, 100) - used;
	cadence->credit_ns = min_t(s64, cadence->credit_ns, PF_CREDIT_MAX_NS);
	if (cadence->credit_ns >= 0)
		return 0;
	/* Rounded up: a rest that leaves a nanosecond of debt would be followed by another one. */
	return min(div_u64((u64)-cadence->credit_ns * 100 + cadence->now - 1, cadence->now),
		   PF_REST_MAX_NS);
}
