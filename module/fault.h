/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fault points: every allocation on the fold path, and what else seldom fails, can be made to fail
 * (debug build only).
 *
 * A path that only runs when memory is short is a path that nobody has seen; tests walk all of
 * them.
 */
#ifndef PF_FAULT_H
#define PF_FAULT_H

#include <linux/types.h>

enum pf_fault_site {
	PF_FAULT_NOTIFIER,	/* watching a range for the snapshot */
	PF_FAULT_HINTS,		/* the hint table */
	PF_FAULT_FRAME_PAGE,	/* the page of a frame */
	PF_FAULT_FRAME_BLOCK,	/* a block of such pages */
	PF_FAULT_FRAME_TABLE,	/* more buckets to find frames in */
	PF_FAULT_REGION,	/* the record of a region */
	PF_FAULT_REGION_SLOT,	/* the place to keep it in */
	PF_FAULT_SETUP,		/* stabilising pages */
	PF_FAULT_INSERT,	/* mapping half of some frames after their pages were taken away */
	PF_FAULT_UNFOLD,	/* the private copy */
	PF_FAULT_WORKER,	/* a scan thread */
	PF_FAULT_VM,		/* registering a VM */
	PF_FAULT_WSS,		/* room for samples */
	PF_FAULT_DOMAIN,	/* its domain */
	PF_FAULT_SNAPSHOT,	/* room to unfold in */
	PF_FAULT_PEER,		/* the lock of a VM that has the other page of a pair */
	PF_FAULT_LATE_WRITE,	/* a page to be still what it was when its key was worked out */
	PF_FAULT_HINTS_HOLD,	/* nothing fails here: whoever resizes the hint table waits */
	PF_FAULT_FRAME_HOLD,	/* the same for the table of frames */
	PF_NR_FAULT_SITES,
};

#ifdef PF_DEBUG
bool pf_fault(enum pf_fault_site site);
void pf_fault_hold(enum pf_fault_site site);
#else
static inline bool pf_fault(enum pf_fault_site site)
{
	return false;
}

static inline void pf_fault_hold(enum pf_fault_site site)
{
}
#endif

#endif /* PF_FAULT_H */
