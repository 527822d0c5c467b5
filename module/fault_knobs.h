/* SPDX-License-Identifier: GPL-2.0-only */
/* What sysfs sets of the fault points. Debug build only. */
#ifndef PF_FAULT_KNOBS_H
#define PF_FAULT_KNOBS_H

#include <linux/atomic.h>

#include "fault.h"

extern const char * const pf_fault_names[PF_NR_FAULT_SITES];
extern unsigned long pf_fault_sites;	/* a bit for each site that may fail */
extern unsigned int pf_fault_every;	/* which of their allocations do: each n-th */
extern atomic64_t pf_fault_hits;	/* how many did */

#endif /* PF_FAULT_KNOBS_H */
