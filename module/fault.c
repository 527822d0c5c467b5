// SPDX-License-Identifier: GPL-2.0-only
/* Fault points: see fault.h. Debug build only. */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/sched/signal.h>

#include "fault.h"
#include "fault_knobs.h"

const char * const pf_fault_names[PF_NR_FAULT_SITES] = {
	[PF_FAULT_NOTIFIER] = "notifier",
	[PF_FAULT_HINTS] = "hints",
	[PF_FAULT_FRAME_PAGE] = "frame_page",
	[PF_FAULT_FRAME_BLOCK] = "frame_block",
	[PF_FAULT_FRAME_TABLE] = "frame_table",
	[PF_FAULT_REGION] = "region",
	[PF_FAULT_REGION_SLOT] = "region_slot",
	[PF_FAULT_SETUP] = "setup",
	[PF_FAULT_INSERT] = "insert",
	[PF_FAULT_UNFOLD] = "unfold",
	[PF_FAULT_WORKER] = "worker",
	[PF_FAULT_VM] = "vm",
	[PF_FAULT_WSS] = "wss",
	[PF_FAULT_DOMAIN] = "domain",
	[PF_FAULT_SNAPSHOT] = "snapshot",
	[PF_FAULT_PEER] = "peer",
	[PF_FAULT_LATE_WRITE] = "late_write",
	[PF_FAULT_HINTS_HOLD] = "hints_hold",
	[PF_FAULT_FRAME_HOLD] = "frame_hold",
};

unsigned long pf_fault_sites;
unsigned int pf_fault_every = 1;
atomic64_t pf_fault_hits;
static atomic_t pf_fault_asked;

/**
 * pf_fault() - should this fail
 * @site: which one it is
 *
 * Return: true for every pf_fault_every-th time at the sites chosen.
 */
bool pf_fault(enum pf_fault_site site)
{
	if (!(READ_ONCE(pf_fault_sites) & BIT(site)))
		return false;
	if ((unsigned int)atomic_inc_return(&pf_fault_asked) % READ_ONCE(pf_fault_every))
		return false;
	atomic64_inc(&pf_fault_hits);
	return true;
}

/**
 * pf_fault_hold() - wait here while nothing but this site is chosen
 * @site: which one it is
 *
 * A test sees then who waits for whom.
 *
 * Context: sleeps, until a fatal signal at the longest.
 */
void pf_fault_hold(enum pf_fault_site site)
{
	if (READ_ONCE(pf_fault_sites) != BIT(site))
		return;
	atomic64_inc(&pf_fault_hits);
	while (READ_ONCE(pf_fault_sites) == BIT(site) && !signal_pending(current))
		usleep_range(1000, 2000);
}
