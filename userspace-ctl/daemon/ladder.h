/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a VM is brought to its target: one rung after the other, the gentle ones first.
 *
 * Pure, as the policy is: what is seen and the time come in, what to do comes out.
 */
#ifndef PF_LADDER_H
#define PF_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

enum rung {
	RUNG_NONE,	/* at or below its target */
	RUNG_SHARE,	/* the module folds it first */
	RUNG_REPORT,	/* its guest has free memory and will report it */
	RUNG_BALLOON,	/* its guest is asked for memory */
	RUNG_PAGE,	/* the host takes it */
	RUNG_EMERGENCY,	/* as configured: nothing else is left */
	RUNGS
};

struct ladder_knobs {
	uint64_t share_ms;	/* how long sharing is given before the balloon */
	uint64_t report_ms;	/* and free page reporting */
	uint64_t deadline_ms;	/* how long a balloon may take to get anywhere */
	uint64_t emergency_ms;	/* how long the host may stay low */
	uint64_t page_step;	/* bytes that one round wants paged out at most */
	unsigned int keep_percent;	/* of its RAM that a guest keeps available */
	bool may_page;
};

struct ladder_view {
	uint64_t ram, target, usage;	/* bytes; target as decided, ram or more: unlimited */
	uint64_t shared;		/* folded and zero: the guest has it, the host does not */
	uint64_t balloon;		/* what the balloon claims to hold */
	uint64_t available, free;	/* inside the guest, when has_stats */
	uint64_t paged;			/* of the VM, in swap */
	uint64_t swapped_out;		/* by the guest itself, ever, as of its statistics: */
	uint64_t stats_at;		/* of when they are, 0: it sends none */
	enum host_state state;
	bool hand;			/* the target is the operator's: it holds in any state */
	bool scanned;			/* the module is at work on it */
	bool answers;			/* its guest has a driver that reacts */
	bool leave;			/* and is not to be troubled any more: it gets all back */
	bool reports;			/* the device passes free page reports on */
	bool has_stats;
	bool silent;			/* it had, and sends none any more; or may have soon */
	bool unheard;			/* nor does its VMM say what the balloon holds */
};

/* What was seen of a VM and has not been told yet to belong to anything. */
struct ladder_loose {
	uint64_t drop;		/* bytes by which its usage fell */
	uint64_t gained[RUNGS];	/* bytes that each rung says it took */
};

/* Since when a balloon got nowhere, 0: nobody waited for it; and what it held then. */
struct ladder_wait {
	uint64_t ms, held;
};

struct ladder {
	enum rung rung;
	uint64_t over_ms;	/* since when it is above its target, valid above RUNG_NONE */
	struct ladder_wait moved;	/* while it is its balloon's turn */
	struct ladder_wait owes;	/* of what it was asked for; 0: it was not */
	uint64_t low_ms;	/* since when the host is low while it is above */
	uint64_t lie_ms;	/* how long its claims did not fit, less how long they did */
	uint64_t fits_ms;	/* how long they fit without a break */
	uint64_t claims_ms;	/* when they were looked at, 0: never */
	uint64_t asked;		/* what the balloon was last asked to hold, when met */
	uint64_t still_ms;	/* since when the balloon stands still */
	uint64_t extra;		/* beyond what the target says: the VMM's own memory */
	uint64_t freed[RUNGS];	/* bytes that each rung gave back, ever */
	struct ladder_loose loose[2];	/* of this period, and of the one before */
	uint64_t loose_ms;	/* since when it is this period */
	uint64_t double_paged;	/* bytes that the host paged out in vain, ever, at most */
	uint64_t read_back;	/* bytes that came back from swap since the last statistics */
	struct {
		uint64_t usage, shared, balloon, paged, swapped_out, stats_at;
		bool valid, heard;
	} last;
	/* What the balloon held when the guest's statistics were new, and those before them. */
	struct {
		uint64_t at, balloon, before;
		bool valid;
	} stats;
	bool lies;		/* its claim of that look does not fit */
	bool untrusted, stuck, in_low;
	bool met;		/* its balloon was seen */
	bool given_back;	/* and it was asked to give all back, for it is to be left */
};

struct ladder_step {
	bool set_balloon;
	bool again;		/* what it was asked before, and did not come of it */
	uint64_t balloon_to;	/* bytes that the balloon should hold */
	uint64_t page_bytes;	/* bytes to page out now */
	bool emergency;
};

/* One round of one VM. @now_ms must not be 0. */
struct ladder_step ladder_round(struct ladder *l, const struct ladder_knobs *k,
				const struct ladder_view *v, uint64_t now_ms);

/* The word of vms/PID/state. */
const char *ladder_state(const struct ladder *l);

const char *rung_name(enum rung rung);

#endif
