/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much memory each VM should have.
 *
 * Pure: no clock, no file, no allocation. What is seen comes in, targets come out, and the same
 * input gives the same output, so that a trace of a real host can be played again in a test.
 */
#ifndef PF_POLICY_H
#define PF_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The host's states, after Waldspurger (OSDI 2002), from free memory and from stalls for it. */
enum host_state {
	HOST_HIGH,	/* enough: only a busy VM gets what an idle one does not use */
	HOST_SOFT,	/* balloons */
	HOST_HARD,	/* paging too, where a balloon is late */
	HOST_LOW,	/* the emergency */
	HOST_STATES
};

/* Why a VM's target is what it is: the reason given in the journal and by --dry-run. */
enum policy_why {
	WHY_UNLIMITED,	/* it may have its maximum */
	WHY_HAND,	/* the operator set it by hand */
	WHY_FIXED,	/* there is no way to take anything from it */
	WHY_UNKNOWN,	/* how much RAM it has nobody has told yet */
	WHY_SHARE,	/* its share of what there is, idle memory taxed */
	WHY_FLOOR,	/* its minimum */
	WHY_PROTECTED,	/* another VM's spike may not take more of what it works with */
	WHY_STEP,	/* on its way, no faster than the step allows */
	WHY_PRESSURE,	/* it is short of memory, and comes first */
	WHY_POOL,	/* it should get more, and there is no more just now */
	WHY_STEADY,	/* the difference is not worth a change, or nobody needs one */
	POLICY_WHYS
};

struct policy_knobs {
	/* Available memory, bytes. high > soft > hard > low. */
	uint64_t high, soft, hard, low;
	/* Stalls, in hundredths of a percent of time (PSI avg10); 0: not looked at. */
	unsigned int psi_some, psi_full;
	unsigned int idle_tax_percent;		/* 0..99 */
	unsigned int interval_ms;		/* between rounds that no event began */
	unsigned int step_percent;		/* of a VM's RAM that such a round takes, 1..50 */
	unsigned int rise_percent;		/* and give, 1..100 */
	unsigned int spike_percent;		/* what others may lose to a spike, 1..100 */
	unsigned int spike_window_ms;		/* and in which time, not 0 */
};

struct policy_host {
	uint64_t total, available;		/* bytes */
	unsigned int psi_some, psi_full;	/* hundredths of a percent */
};

struct policy_vm {
	/* Settings. min <= max <= ram. */
	uint64_t ram, min, max;
	unsigned int shares;		/* for each byte of RAM, 1..10000 */
	/* As it is now. */
	uint64_t usage;			/* memory of the host */
	uint64_t wss;			/* working set; may well be 0 */
	uint64_t unused;		/* of its RAM, by the guest's own word; 0: it says nothing */
	uint64_t hand;			/* the operator's target, 0: none */
	bool wss_known;			/* else all that it uses counts as in use */
	bool fixed;			/* neither balloon nor paging */
	bool unknown;			/* fixed, but only for want of a word on its RAM */
	bool pressed;			/* short of memory inside */
	/* Kept from round to round; 0 before the first. */
	uint64_t target;		/* also the answer; max: unlimited */
	uint64_t base, base_ms;		/* the working set that it is used to, and as of when */
	uint64_t moved_ms;		/* when its target was changed */
	/* Answers. */
	uint64_t ideal;
	enum policy_why why;
	/* Of this round only. */
	uint64_t active, filled, want, before, passed_ms;
};

struct policy {
	struct policy_knobs knobs;
	enum host_state state, by_free, by_psi;
	uint64_t then_ms;
	unsigned int round_ms;		/* how long this round was to be waited for */
	bool begun, crowded;
	/* What the last round reckoned with, for whoever explains it. */
	uint64_t reserve, budget;
};

/*
 * Decide once for all @n VMs. @now_ms is any clock that does not run backwards.
 *
 * No target rises by more than there is, no target falls below its floor, and targets fall only
 * when the host is short or a VM that needs memory can have what another leaves idle.
 */
void policy_round(struct policy *p, const struct policy_host *host, struct policy_vm *vms, size_t n,
		  uint64_t now_ms);

/* How long to wait for the next round when no event begins it. */
unsigned int policy_wait_ms(const struct policy *p);

/* Words for the journal. */
const char *host_state_name(enum host_state state);
const char *policy_why_text(enum policy_why why);

#endif
