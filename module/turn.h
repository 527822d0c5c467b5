/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Turns: which VM is scanned next.
 *
 * Pure logic: builds in userspace too.
 */
#ifndef PF_TURN_H
#define PF_TURN_H

#include <linux/rbtree.h>
#include <linux/types.h>

#define PF_SHARE_MIN		1
#define PF_SHARE_DEFAULT	100
#define PF_SHARE_MAX		10000

/*
 * Turns in a row for those that go first, while others wait: they get three quarters, nobody less
 * than a quarter.
 */
#define PF_FIRST_TURNS		3

enum pf_turn_state {
	PF_TURN_OUT,		/* not queued: being scanned, or not there yet, or gone */
	PF_TURN_READY,		/* queued by virtual time, among its like */
	PF_TURN_RESTING,	/* queued by the time its next pass may begin */
};

/**
 * struct pf_turn - one VM in the queue
 * @rb: in the tree of its state
 * @vtime: CPU time it has got, divided by its share
 * @due_ns: when its next pass may begin
 * @share: PF_SHARE_MIN..PF_SHARE_MAX
 * @state: which tree it is in
 * @first: it goes before those without
 * @among_first: its virtual time, and its place in a tree, is one among those
 */
struct pf_turn {
	struct rb_node rb;
	u64 vtime;
	u64 due_ns;
	u32 share;
	enum pf_turn_state state;
	bool first;
	bool among_first;
};

/**
 * struct pf_turns - the queue
 * @ready: VMs that may be scanned, least virtual time first
 * @first: the same, of those that go first
 * @resting: VMs whose pass is over, next due first
 * @vtime: virtual time of @ready: what a VM that joins begins with
 * @first_vtime: the same of @first
 * @streak: turns in a row that were taken from @first while others were ready
 *
 * The caller's lock protects the queue and every turn in it.
 */
struct pf_turns {
	struct rb_root_cached ready;
	struct rb_root_cached first;
	struct rb_root_cached resting;
	u64 vtime;
	u64 first_vtime;
	unsigned int streak;
};

void pf_turn_init(struct pf_turn *turn, u32 share);
void pf_turn_add(struct pf_turns *turns, struct pf_turn *turn, u64 due_ns);
void pf_turn_del(struct pf_turns *turns, struct pf_turn *turn);
struct pf_turn *pf_turn_next(struct pf_turns *turns, u64 now_ns, u64 *wait_ns);
void pf_turn_set_first(struct pf_turns *turns, struct pf_turn *turn, bool first);
void pf_turn_charge(struct pf_turn *turn, u64 used_ns);
void pf_turn_wake_all(struct pf_turns *turns);

#endif /* PF_TURN_H */
