// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters: what was done, and why things were not done.
 *
 * A turn counts for itself and is added to its VM and to the totals once, at its end, so that
 * several scan threads do not pass one cache line to and fro for every page.
 */
#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/time64.h>

#include "stats.h"

struct pf_totals pf_totals;

/**
 * pf_stats_flush() - add what a turn counted
 * @turn: counts of the turn; zero afterwards
 * @vm: counts of its VM; the caller holds the VM's turn lock
 */
void pf_stats_flush(struct pf_stats *turn, struct pf_stats *vm)
{
	int i;

	for (i = 0; i < PF_NR_STATS; i++) {
		if (!turn->count[i])
			continue;
		WRITE_ONCE(vm->count[i], vm->count[i] + turn->count[i]);
		atomic64_add(turn->count[i], &pf_totals.count[i]);
		turn->count[i] = 0;
	}
}

/**
 * pf_hold_account() - one more time that an mmap lock was held for writing
 * @ns: how long
 */
void pf_hold_account(u64 ns)
{
	u64 us = div_u64(ns, NSEC_PER_USEC), max = atomic64_read(&pf_totals.hold_max_ns);
	int slot = fls64(us >> PF_HOLD_FIRST_SHIFT);

	atomic64_inc(&pf_totals.hold[min(slot, PF_NR_HOLDS - 1)]);
	while (ns > max && !atomic64_try_cmpxchg(&pf_totals.hold_max_ns, &max, ns))
		;
}
