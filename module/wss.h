/* SPDX-License-Identifier: GPL-2.0-only */
/* Sampling of working sets: what a VM's guest needs of its memory. */
#ifndef PF_WSS_H
#define PF_WSS_H

#include <linux/types.h>

#include "wss_est.h"

struct pf_vm;
struct pf_wss_sample;

/**
 * struct pf_wss_knobs - what users may set, read without locks
 * @samples: pages to look at in a round, 1..PF_WSS_SAMPLES_MAX
 * @period_ms: from drawing samples to looking at them again, 0 for never
 * @permille: of one CPU that sampling of a VM may take, 1..PF_WSS_PERMILLE_MAX
 */
struct pf_wss_knobs {
	unsigned int samples;
	unsigned int period_ms;
	unsigned int permille;
};

extern struct pf_wss_knobs pf_wss_knobs;

/**
 * struct pf_wss - sampling of one VM; the sampling thread's alone, others only read numbers
 * @est: the estimate
 * @sample: samples of the round under way
 * @room: how many samples there is room for
 * @nr: how many there are
 * @begun: a round is under way
 * @pages: pages that they were drawn from
 * @late: the next one could not be drawn yet
 * @armed_ns: when the last one was drawn
 * @busy_ns: CPU time that looking at the round before and drawing this one took
 * @sampled_pages: samples that counted, of all rounds
 * @lost_pages: samples that could not be looked at, of all rounds
 * @total_ns: CPU time that all rounds took
 */
struct pf_wss {
	struct pf_wss_est est;
	struct pf_wss_sample *sample;
	u32 room;
	u32 nr;
	bool begun;
	bool late;
	u64 pages;
	u64 armed_ns;
	u64 busy_ns;
	u64 sampled_pages;
	u64 lost_pages;
	u64 total_ns;
};

int pf_wss_start(void);
void pf_wss_stop(void);
void pf_wss_kick(void);
void pf_wss_free(struct pf_vm *vm);
size_t pf_wss_bytes(void);

#endif /* PF_WSS_H */
