// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a VM is brought to its target: one rung after the other, the gentle ones first.
 *
 * Sharing costs nobody anything, so it goes first; the guest knows best what it can spare, so its
 * balloon goes before the host's paging, which would swap out just what the guest is about to free
 * and read it in again (double paging). Lower rungs go on while higher ones work.
 *
 * A guest is not believed. Memory that its balloon holds was discarded, so what the host sees
 * resident or in swap cannot exceed the RAM less the balloon, but by what the VMM has itself; where it
 * does, the balloon is a tale, and from then on the VM is treated as one that has none.
 */
#include "arith.h"
#include "beside.h"
#include "ladder.h"

#define MIB		(1024ull * 1024)
#define LIE_MS		10000
#define KEEP_LEAST	(32 * MIB)
#define TRUST_MS	600000
/* A balloon that stands still so long elsewhere than where it was asked to did not hear it. */
#define AGAIN_MS	10000
/* How long a fall of the usage and what took it may be seen apart: QEMU tells once a second. */
#define LOOSE_MS	3000

/*
 * Double paging: what the guest had no use for, and the host wrote to swap all the same. It shows
 * when it leaves swap and does not come back, for then the guest has let go of it; or when it comes
 * back only because the guest writes it to its own swap. What left while the VM shrank by other
 * means as well cannot be told apart, so this is a most.
 */
static void watch_paged(struct ladder *l, const struct ladder_view *v)
{
	uint64_t left = less(l->last.paged, v->paged);
	uint64_t back = less(v->usage + less(v->shared, l->last.shared), l->last.usage);

	back = min_of(left, back);
	l->double_paged += left - back;
	l->read_back += back;
	if (v->stats_at == l->last.stats_at)
		return;
	if (l->last.stats_at)
		l->double_paged += min_of(l->read_back,
					  less(v->swapped_out, l->last.swapped_out));
	l->read_back = 0;
}

/* Take @part out of what is loose, the older first. */
static void settle(uint64_t *now, uint64_t *before, uint64_t part)
{
	uint64_t old = min_of(*before, part);

	*before -= old;
	*now -= part - old;
}

/* Give one rung its part of what fell. */
static void credit(struct ladder *l, enum rung rung)
{
	struct ladder_loose *now = &l->loose[0], *before = &l->loose[1];
	uint64_t part = min_of(now->gained[rung] + before->gained[rung], now->drop + before->drop);

	settle(&now->gained[rung], &before->gained[rung], part);
	settle(&now->drop, &before->drop, part);
	l->freed[rung] += part;
}

/* A period is over: what nobody claimed of the one before the guest has reported as free. */
static void end_period(struct ladder *l, const struct ladder_view *v, uint64_t now_ms)
{
	if (now_ms - l->loose_ms < LOOSE_MS)
		return;
	if (v->reports)
		l->freed[RUNG_REPORT] += l->loose[1].drop;
	l->loose[1] = l->loose[0];
	l->loose[0] = (struct ladder_loose){ 0 };
	l->loose_ms = now_ms;
}

/*
 * Nothing counts as freed that the VM's usage does not show. A balloon that is filled within one
 * round shows in the usage at once, and in what the VMM says of it a round later. A claim that does
 * not fit does not wait for a fall of the usage to go with.
 */
static void account(struct ladder *l, const struct ladder_view *v, uint64_t now_ms)
{
	struct ladder_loose *now = &l->loose[0];

	end_period(l, v, now_ms);
	if (l->last.valid) {
		watch_paged(l, v);
		now->drop += less(l->last.usage, v->usage);
		now->gained[RUNG_SHARE] += less(v->shared, l->last.shared);
		now->gained[RUNG_PAGE] += less(v->paged, l->last.paged);
		if (l->last.heard && !l->untrusted && !l->lies)
			now->gained[RUNG_BALLOON] += less(v->balloon, l->last.balloon);
		credit(l, RUNG_SHARE);
		credit(l, RUNG_PAGE);
		credit(l, RUNG_BALLOON);
	}
	l->last.stats_at = v->stats_at;
	l->last.swapped_out = v->swapped_out;
	l->last.usage = v->usage;
	l->last.shared = v->shared;
	l->last.paged = v->paged;
	l->last.valid = true;
	/* What it holds when it is heard again it held before. */
	if (v->unheard)
		return;
	l->last.balloon = v->balloon;
	l->last.heard = true;
}

/* Time adds up, for a tale that is told for eight seconds of ten is one. */
static void watch_claims(struct ladder *l, const struct ladder_view *v, uint64_t now_ms)
{
	uint64_t most = less(v->ram, v->balloon) + vmm_at_most(v->ram);
	/* What is in swap the balloon does not hold either: paging makes nobody honest. */
	bool lies = v->balloon && v->usage + v->paged > most;
	/* How it was between two looks that differ nobody knows. */
	uint64_t passed = l->claims_ms && lies == l->lies ? now_ms - l->claims_ms : 0;

	l->claims_ms = now_ms;
	/* Who says nothing does not say the truth by it. */
	if (v->unheard)
		return;
	l->lies = lies;
	if (lies) {
		l->fits_ms = 0;
		l->lie_ms = min_of(l->lie_ms + passed, LIE_MS);
		l->untrusted |= l->lie_ms == LIE_MS;
		return;
	}
	l->lie_ms = less(l->lie_ms, passed);
	l->fits_ms += passed;
	if (l->fits_ms >= TRUST_MS)
		l->untrusted = false;
}

/* So close to the target is as good as there. */
static uint64_t tolerance(const struct ladder_view *v)
{
	return v->ram / 128;
}

/*
 * The VMM's own memory counts in its usage, and a target leaves that much less to the guest. How
 * much it is shows when a balloon holds all that the target wants and the VM is still above. A
 * balloon that was asked for less, because its guest cannot spare more, shows nothing.
 */
static void learn_extra(struct ladder *l, const struct ladder_view *v)
{
	uint64_t most = v->ram / 8, wanted = less(v->ram + l->extra, v->target + v->shared);

	if (l->rung >= RUNG_BALLOON && wanted && v->balloon + MIB >= wanted)
		l->extra = min_of(most, l->extra + less(v->usage, v->target));
	else if (v->usage + v->ram / 16 < v->target)
		l->extra = less(l->extra, tolerance(v));
}

/*
 * Statistics are seconds old when they are seen, and are seen for seconds: what the balloon took
 * meanwhile the guest does not have any more. They were not sent before the last ones were seen, so
 * all that it took since then may be missing in them.
 */
static void watch_stats(struct ladder *l, const struct ladder_view *v)
{
	if (!v->has_stats || (l->stats.valid && v->stats_at == l->stats.at))
		return;
	l->stats.before = l->stats.valid ? l->stats.balloon : v->balloon;
	l->stats.balloon = v->balloon;
	l->stats.at = v->stats_at;
	l->stats.valid = true;
}

/* What a guest keeps. A small one's kernel needs more than a part of it to stay alive. */
static uint64_t keep_of(const struct ladder_knobs *k, const struct ladder_view *v)
{
	uint64_t keep = (unsigned __int128)v->ram * k->keep_percent / 100;

	return max_of(keep, min_of(v->ram / 8, KEEP_LEAST));
}

/* What a guest has above what it keeps, by its last word, less what the balloon took since. */
static uint64_t said_spare(const struct ladder *l, const struct ladder_knobs *k,
			   const struct ladder_view *v)
{
	return less(v->available, keep_of(k, v) + less(v->balloon, l->stats.before));
}

/* How much more a guest can give. Never more than it can spare: what it lacks it would swap. */
static uint64_t spare_of(const struct ladder *l, const struct ladder_knobs *k,
			 const struct ladder_view *v)
{
	/* Whoever falls silent may do so for want of memory. */
	if (v->silent)
		return 0;
	/* Who knows: as little as shows itself, in its usage or its pressure, before the next. */
	if (!v->has_stats)
		return max_of(v->ram / 64, MIB);
	return said_spare(l, k, v);
}

/* What the balloon should hold, were the VM held to @limit of the host's memory. */
static uint64_t balloon_for(const struct ladder *l, const struct ladder_knobs *k,
			    const struct ladder_view *v, uint64_t limit)
{
	uint64_t hold = less(v->ram + l->extra, limit + v->shared), spare;

	/* The VMM's own memory cannot come out of a guest that has nothing left; nor what it says. */
	hold = min_of(hold, less(v->ram, keep_of(k, v)));
	if (hold > v->balloon) {
		spare = spare_of(l, k, v);
		hold = min_of(hold, v->balloon + spare);
		/* What it holds it may be about to give back, as asked before. */
		if (!spare)
			hold = min_of(hold, l->asked);
	}
	return hold - hold % MIB;
}

static bool balloon_helps(const struct ladder *l, const struct ladder_view *v)
{
	return v->answers && !v->leave && !l->untrusted;
}

static void begin_over(struct ladder *l, const struct ladder_view *v, uint64_t now_ms)
{
	if (l->rung == RUNG_NONE)
		l->over_ms = now_ms;
	if (v->state == HOST_LOW && !l->in_low)
		l->low_ms = now_ms;
	l->in_low = v->state == HOST_LOW;
}

/* Sharing and reporting get their time, but not from a host that has none left. */
static enum rung patient_rung(const struct ladder_knobs *k, const struct ladder_view *v,
			      uint64_t waited)
{
	if (v->state >= HOST_HARD)
		return RUNG_BALLOON;
	if (v->scanned && waited < k->share_ms)
		return RUNG_SHARE;
	if (v->scanned)
		waited -= k->share_ms;
	if (v->reports && v->has_stats && v->free >= v->usage - v->target && waited < k->report_ms)
		return RUNG_REPORT;
	return RUNG_BALLOON;
}

/* Whether the balloon had its time: it has none, or does not get where it was asked to. */
static bool balloon_is_late(const struct ladder *l, const struct ladder_knobs *k,
			    const struct ladder_view *v, uint64_t now_ms)
{
	if (!balloon_helps(l, v))
		return now_ms - l->over_ms >= (v->state == HOST_LOW ? 0 : k->share_ms);
	return l->moved.ms && now_ms - l->moved.ms >= k->deadline_ms;
}

/*
 * What a guest that answers can still free by itself: what is free in it; and what it can spare, for as
 * long as its balloon has for that. It was asked for it when it said so, and who is late with it, or with
 * the emergency there, is not waited for any more.
 */
static uint64_t can_free(const struct ladder *l, const struct ladder_knobs *k,
			 const struct ladder_view *v, uint64_t now_ms)
{
	uint64_t free = v->has_stats ? v->free : 0;

	if (!balloon_helps(l, v))
		return 0;
	/* Its last word counts: it may be silent because it is busy with just that. */
	if ((v->has_stats || v->silent) && l->rung < RUNG_EMERGENCY && l->owes.ms &&
	    now_ms - l->owes.ms < k->deadline_ms)
		return max_of(free, said_spare(l, k, v));
	return free;
}

static uint64_t page_now(const struct ladder *l, const struct ladder_knobs *k,
			 const struct ladder_view *v, uint64_t now_ms)
{
	return min_of(less(v->usage - v->target, can_free(l, k, v, now_ms)), k->page_step);
}

static enum rung pick_rung(struct ladder *l, const struct ladder_knobs *k,
			   const struct ladder_view *v, uint64_t now_ms)
{
	enum rung rung = patient_rung(k, v, now_ms - l->over_ms);

	l->stuck = false;
	if (rung < RUNG_BALLOON || !balloon_is_late(l, k, v, now_ms))
		return rung;
	if (v->state < HOST_HARD && !v->hand) {
		l->stuck = true;
		return rung;
	}
	if (l->in_low && now_ms - l->low_ms >= k->emergency_ms)
		return RUNG_EMERGENCY;
	if (k->may_page)
		return RUNG_PAGE;
	l->stuck = true;
	return rung;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
	return less(a, b) + less(b, a);
}

static struct ladder_wait wait_from(const struct ladder_view *v, uint64_t now_ms)
{
	return (struct ladder_wait){ .ms = now_ms, .held = v->balloon };
}

/*
 * Who gave a page has got as little further as who gave nothing, and so has who gave what he took
 * back before: both could go on with that for ever, and would never be paged.
 */
static bool got_on(const struct ladder_wait *w, const struct ladder_view *v)
{
	return v->balloon >= w->held + tolerance(v);
}

static void watch_progress(struct ladder *l, const struct ladder_view *v, uint64_t now_ms)
{
	if (l->rung < RUNG_BALLOON)
		l->owes = (struct ladder_wait){ .held = v->balloon };
	else if (got_on(&l->owes, v))
		l->owes = wait_from(v, now_ms);
	if (l->rung < RUNG_BALLOON || !l->moved.ms || got_on(&l->moved, v))
		l->moved = wait_from(v, now_ms);
}

/* A wish is lost with the connection, or was an earlier daemon's: what counts is what is held. */
static void meet_balloon(struct ladder *l, const struct ladder_view *v, uint64_t now_ms)
{
	if (!l->met) {
		l->met = true;
		l->asked = v->balloon;
	}
	if (!l->still_ms || v->balloon != l->last.balloon)
		l->still_ms = now_ms;
	watch_progress(l, v, now_ms);
}

static void ask_balloon(struct ladder *l, const struct ladder_knobs *k,
			const struct ladder_view *v, uint64_t now_ms, struct ladder_step *step)
{
	/* Until it is the balloon's turn to take, it only keeps the VM from growing. */
	uint64_t limit = l->rung >= RUNG_BALLOON ? v->target : max_of(v->target, v->usage);
	uint64_t to = 0;

	if (!v->leave)
		l->given_back = false;
	if (!v->answers && !v->leave)
		return;
	meet_balloon(l, v, now_ms);
	if (limit < v->ram && !l->untrusted && !v->leave)
		to = balloon_for(l, k, v, limit);
	if (v->leave && !l->given_back) {
		/* Whatever it was asked for, by an earlier daemon too, and did not get round to. */
		l->given_back = true;
	} else if (to == l->asked || (to && apart(to, l->asked) < v->ram / 256)) {
		if (apart(v->balloon, l->asked) < MIB || now_ms - l->still_ms < AGAIN_MS)
			return;
		step->again = true;
		to = l->asked;
	}
	/* Once: it would begin anew for who says in turns that it can spare something. */
	if (to >= v->balloon + MIB && l->rung >= RUNG_BALLOON && !l->owes.ms)
		l->owes = wait_from(v, now_ms);
	l->asked = to;
	l->still_ms = now_ms;
	step->set_balloon = true;
	step->balloon_to = to;
}

struct ladder_step ladder_round(struct ladder *l, const struct ladder_knobs *k,
				const struct ladder_view *v, uint64_t now_ms)
{
	struct ladder_step step = { 0 };

	watch_claims(l, v, now_ms);
	watch_stats(l, v);
	if (v->target >= v->ram || v->usage <= v->target + tolerance(v)) {
		l->rung = RUNG_NONE;
		l->stuck = l->in_low = false;
	} else {
		begin_over(l, v, now_ms);
		l->rung = pick_rung(l, k, v, now_ms);
	}
	learn_extra(l, v);
	ask_balloon(l, k, v, now_ms, &step);
	account(l, v, now_ms);
	if (l->rung >= RUNG_PAGE && k->may_page)
		step.page_bytes = page_now(l, k, v, now_ms);
	step.emergency = l->rung == RUNG_EMERGENCY;
	return step;
}

const char *ladder_state(const struct ladder *l)
{
	static const char * const words[RUNGS] = {
		"none", "share", "share", "balloon", "page", "emergency",
	};

	if (l->rung == RUNG_EMERGENCY)
		return words[l->rung];
	if (l->untrusted)
		return "untrusted";
	return l->stuck ? "stuck" : words[l->rung];
}

const char *rung_name(enum rung rung)
{
	static const char * const names[RUNGS] = {
		"none", "share", "report", "balloon", "page", "emergency",
	};

	return names[rung];
}
