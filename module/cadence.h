/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cadence: how much CPU a scan thread may use, and how long it rests.
 *
 * Pure logic: builds in userspace too.
 */
#ifndef PF_CADENCE_H
#define PF_CADENCE_H

#include <linux/types.h>

#define PF_CPU_PERCENT_AUTO	0
#define PF_CPU_PERCENT_MAX	100
#define PF_AUTO_PERCENT_MIN	2
#define PF_AUTO_PERCENT_MAX	50

/**
 * struct pf_cadence - the budget of one scan thread
 * @percent: of one CPU, what the user asked for; PF_CPU_PERCENT_AUTO to react to what is found
 * @now: percent in force
 * @last_ns: when the account was last settled
 * @last_cpu_ns: CPU time of the thread at that moment
 * @credit_ns: CPU time it may use before it must rest; negative: what it used too much
 * @scanned: pages scanned in this window
 * @found: of these, pages that were folded
 */
struct pf_cadence {
	unsigned int percent;
	unsigned int now;
	u64 last_ns;
	u64 last_cpu_ns;
	s64 credit_ns;
	u64 scanned;
	u64 found;
};

void pf_cadence_init(struct pf_cadence *cadence, unsigned int percent, u64 now_ns, u64 cpu_ns);
void pf_cadence_found(struct pf_cadence *cadence, u64 scanned, u64 found);
u64 pf_cadence_rest(struct pf_cadence *cadence, u64 now_ns, u64 cpu_ns);

#endif /* PF_CADENCE_H */
