// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns: which VM is scanned next.
 *
 * Stride scheduling (Waldspurger and Weihl, 1995): a turn is short, its CPU time is divided by the
 * VM's share, and the VM that has had least goes next. So a huge guest takes many turns for a pass,
 * but does not keep a small one waiting for more than one of them. A VM whose pass is over rests
 * until the next one is due, and joins again without credit for the rest.
 *
 * VMs that go first (those above their target) are queued apart, with a virtual time of their own,
 * so that what one gets there is no debt when it is one of the others again. They are served first,
 * but for a turn now and then, so that the others go on.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/rbtree.h>

#include "turn.h"

static bool pf_turn_less_vtime(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct pf_turn, rb)->vtime < rb_entry(b, struct pf_turn, rb)->vtime;
}

static bool pf_turn_less_due(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct pf_turn, rb)->due_ns < rb_entry(b, struct pf_turn, rb)->due_ns;
}

static void pf_turn_make_ready(struct pf_turns *turns, struct pf_turn *turn)
{
	u64 vtime = turn->first ? turns->first_vtime : turns->vtime;

	turn->vtime = turn->among_first == turn->first ? max(turn->vtime, vtime) : vtime;
	turn->among_first = turn->first;
	turn->state = PF_TURN_READY;
	rb_add_cached(&turn->rb, turn->first ? &turns->first : &turns->ready, pf_turn_less_vtime);
}

/**
 * pf_turn_init() - prepare a VM for the queue
 * @turn: of the VM
 * @share: PF_SHARE_MIN..PF_SHARE_MAX
 */
void pf_turn_init(struct pf_turn *turn, u32 share)
{
	*turn = (struct pf_turn) { .share = share };
}

/**
 * pf_turn_add() - queue a VM
 * @turns: the queue
 * @turn: of the VM, not queued
 * @due_ns: when it may be scanned, 0 for now; not heeded if it goes first since its last turn
 *
 * Context: caller's lock; does not sleep.
 */
void pf_turn_add(struct pf_turns *turns, struct pf_turn *turn, u64 due_ns)
{
	turn->due_ns = due_ns;
	/* One that began to go first while it was out rests no more than one that was resting. */
	if (!due_ns || (turn->first && !turn->among_first)) {
		pf_turn_make_ready(turns, turn);
		return;
	}
	turn->state = PF_TURN_RESTING;
	rb_add_cached(&turn->rb, &turns->resting, pf_turn_less_due);
}

/**
 * pf_turn_del() - take a VM out of the queue, if it is there
 * @turns: the queue
 * @turn: of the VM
 *
 * Context: caller's lock; does not sleep.
 */
void pf_turn_del(struct pf_turns *turns, struct pf_turn *turn)
{
	if (turn->state == PF_TURN_READY)
		rb_erase_cached(&turn->rb, turn->among_first ? &turns->first : &turns->ready);
	else if (turn->state == PF_TURN_RESTING)
		rb_erase_cached(&turn->rb, &turns->resting);
	turn->state = PF_TURN_OUT;
}

/* Whose turn is it: of those that go first, or of the others? Takes it out of its tree. */
static struct pf_turn *pf_turn_take(struct pf_turns *turns)
{
	struct rb_node *first = rb_first_cached(&turns->first);
	struct rb_node *node = rb_first_cached(&turns->ready);
	struct pf_turn *turn;

	if (first && (!node || turns->streak < PF_FIRST_TURNS)) {
		turns->streak = node ? turns->streak + 1 : 0;
		turn = rb_entry(first, struct pf_turn, rb);
		rb_erase_cached(first, &turns->first);
		turns->first_vtime = turn->vtime;
		return turn;
	}
	turns->streak = 0;
	if (!node)
		return NULL;
	turn = rb_entry(node, struct pf_turn, rb);
	rb_erase_cached(node, &turns->ready);
	turns->vtime = turn->vtime;
	return turn;
}

/**
 * pf_turn_next() - take the VM that is to be scanned now
 * @turns: the queue
 * @now_ns: the time, monotonic
 * @wait_ns: set, if there is none, to how long it is until one is due; U64_MAX for never
 *
 * Context: caller's lock; does not sleep.
 * Return: the turn, no longer queued; or NULL.
 */
struct pf_turn *pf_turn_next(struct pf_turns *turns, u64 now_ns, u64 *wait_ns)
{
	struct pf_turn *turn;
	struct rb_node *node;

	while ((node = rb_first_cached(&turns->resting))) {
		turn = rb_entry(node, struct pf_turn, rb);
		if (turn->due_ns > now_ns)
			break;
		rb_erase_cached(node, &turns->resting);
		pf_turn_make_ready(turns, turn);
	}
	*wait_ns = node ? rb_entry(node, struct pf_turn, rb)->due_ns - now_ns : U64_MAX;

	turn = pf_turn_take(turns);
	if (turn)
		turn->state = PF_TURN_OUT;
	return turn;
}

/**
 * pf_turn_set_first() - have a VM go before those that do not go first
 * @turns: the queue
 * @turn: of the VM, queued or not
 * @first: whether it does from now on
 *
 * One that begins to go first rests no longer.
 *
 * Context: caller's lock; does not sleep.
 */
void pf_turn_set_first(struct pf_turns *turns, struct pf_turn *turn, bool first)
{
	bool requeue = turn->state == PF_TURN_READY || (turn->state == PF_TURN_RESTING && first);

	if (turn->first == first)
		return;
	turn->first = first;
	if (!requeue)
		return;
	pf_turn_del(turns, turn);
	pf_turn_make_ready(turns, turn);
}

/**
 * pf_turn_charge() - account a turn
 * @turn: of the VM, not queued
 * @used_ns: CPU time that the turn took
 */
void pf_turn_charge(struct pf_turn *turn, u64 used_ns)
{
	turn->vtime += div_u64(used_ns * PF_SHARE_DEFAULT, turn->share);
}

/**
 * pf_turn_wake_all() - end the rest of every VM
 * @turns: the queue
 *
 * Context: caller's lock; does not sleep.
 */
void pf_turn_wake_all(struct pf_turns *turns)
{
	struct rb_node *node;

	while ((node = rb_first_cached(&turns->resting))) {
		rb_erase_cached(node, &turns->resting);
		pf_turn_make_ready(turns, rb_entry(node, struct pf_turn, rb));
	}
}
