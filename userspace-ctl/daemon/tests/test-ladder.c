// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ladder, rung by rung: who is asked for what, in which order, and who is believed.
 */
#include "err.h"
#include "daemon/ladder.h"
#include "tests/tap.h"

#define MIB	(1024ull * 1024)
#define ROUND_MS 1000

static const struct ladder_knobs knobs = {
	.share_ms = 10000, .report_ms = 5000, .deadline_ms = 30000, .emergency_ms = 20000,
	.page_step = 16 * MIB, .keep_percent = 5, .may_page = true,
};

/* A guest of 1 GiB that uses 800 MiB and should use 600. */
static struct ladder_view over(enum host_state state)
{
	return (struct ladder_view){
		.ram = 1024 * MIB, .target = 600 * MIB, .usage = 800 * MIB, .state = state,
		.scanned = true, .answers = true, .has_stats = true, .available = 500 * MIB,
	};
}

static struct ladder_step rounds(struct ladder *l, const struct ladder_view *v, uint64_t *now,
				 int n)
{
	struct ladder_step step = { 0 };

	while (n--) {
		*now += ROUND_MS;
		step = ladder_round(l, &knobs, v, *now);
	}
	return step;
}

static bool share_goes_first(void)
{
	struct ladder_view v = over(HOST_SOFT);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_SHARE && !strcmp(ladder_state(&l), "share"), "%s", ladder_state(&l));
	/* Meanwhile the balloon keeps it from growing, and takes nothing. */
	EXPECT(step.set_balloon && step.balloon_to == 224 * MIB, "%llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	step = rounds(&l, &v, &now, 9);
	EXPECT(l.rung == RUNG_SHARE && !step.set_balloon, "%s", rung_name(l.rung));
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_BALLOON && step.set_balloon && step.balloon_to == 424 * MIB,
	       "%s, %llu MiB", rung_name(l.rung), (unsigned long long)(step.balloon_to / MIB));
	EXPECT(!step.page_bytes, "paged");
	return true;
}

static bool reporting_goes_before_the_balloon(void)
{
	struct ladder_view v = over(HOST_SOFT);
	struct ladder l = { 0 };
	uint64_t now = 0;

	v.reports = true;
	v.free = 250 * MIB;
	rounds(&l, &v, &now, 11);
	EXPECT(l.rung == RUNG_REPORT, "%s", rung_name(l.rung));
	rounds(&l, &v, &now, 5);
	EXPECT(l.rung == RUNG_BALLOON, "%s", rung_name(l.rung));
	l = (struct ladder){ 0 };
	v.free = 100 * MIB;
	rounds(&l, &v, &now, 11);
	EXPECT(l.rung == RUNG_BALLOON, "too little is free, yet %s", rung_name(l.rung));
	return true;
}

static bool a_host_in_need_does_not_wait(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_BALLOON && step.balloon_to == 424 * MIB, "%s", rung_name(l.rung));
	/* What is shared the guest has, and the host does not miss it. */
	v.shared = 100 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.balloon_to == 324 * MIB, "%llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	return true;
}

static bool guests_keep_what_they_need(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.available = 151 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && step.balloon_to == 99 * MIB, "%llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	/* Five percent of a small one would be 6 MiB. */
	v = (struct ladder_view){ .ram = 128 * MIB, .target = 20 * MIB, .usage = 100 * MIB,
				  .state = HOST_HARD, .answers = true, .has_stats = true,
				  .available = 40 * MIB };
	l = (struct ladder){ 0 };
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.balloon_to == 24 * MIB, "small: %llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	v = over(HOST_HARD);
	v.available = 10 * MIB;
	l = (struct ladder){ 0 };
	step = rounds(&l, &v, &now, 1);
	EXPECT(!step.set_balloon, "asked for %llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	return true;
}

/*
 * A guest that can spare 99 MiB in all, and has a balloon of any speed. Its statistics come each five
 * rounds and are seen four rounds later: what it gave meanwhile must not be asked for twice.
 */
static bool what_was_given_is_not_spare(void)
{
	for (uint64_t speed = 5 * MIB; speed <= 100 * MIB; speed += 5 * MIB) {
		struct ladder_view v = over(HOST_HARD);
		struct ladder_knobs patient = knobs;
		struct ladder l = { 0 };
		uint64_t asked = 0, sent = 151 * MIB;

		patient.deadline_ms = 3600000;
		for (int round = 0; round < 120; round++) {
			struct ladder_step step;

			if (round % 5 == 0)
				sent = 151 * MIB - v.balloon;
			if (round % 5 == 4 || !round) {
				v.available = sent;
				v.stats_at = 1000 + round;
			}
			step = ladder_round(&l, &patient, &v, (round + 1) * ROUND_MS);
			asked = step.set_balloon ? step.balloon_to : asked;
			EXPECT(asked <= 100 * MIB, "%llu MiB a round, round %d: asked for %llu MiB",
			       (unsigned long long)(speed / MIB), round,
			       (unsigned long long)(asked / MIB));
			v.balloon = asked < v.balloon ? asked : asked < v.balloon + speed ? asked :
				    v.balloon + speed;
			v.usage = 800 * MIB - v.balloon;
		}
		EXPECT(v.balloon >= 95 * MIB, "%llu MiB a round: it gave %llu MiB only",
		       (unsigned long long)(speed / MIB),
		       (unsigned long long)(v.balloon / MIB));
	}
	return true;
}

/* A driver without statistics, or a guest too busy to send any: nobody knows what it can spare. */
static bool unknown_guests_are_asked_for_little(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.has_stats = false;
	v.usage = v.ram;
	for (int round = 0; round < 25; round++) {
		step = rounds(&l, &v, &now, 1);
		EXPECT(step.set_balloon && step.balloon_to == v.balloon + 16 * MIB,
		       "round %d: %llu MiB", round,
		       (unsigned long long)(step.balloon_to / MIB));
		v.balloon = step.balloon_to;
		v.usage = v.ram - v.balloon;
	}
	/* That it did as it was asked and is above still tells nothing about its VMM. */
	for (int round = 0; round < 10; round++) {
		step = rounds(&l, &v, &now, 1);
		v.balloon = step.set_balloon ? step.balloon_to : v.balloon;
		v.usage = v.ram - v.balloon;
	}
	EXPECT(v.balloon >= 416 * MIB && v.balloon <= 424 * MIB && !l.extra, "%llu MiB",
	       (unsigned long long)(v.balloon / MIB));
	/* It gets back as any other. */
	v.target = v.ram;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && !step.balloon_to, "%llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	return true;
}

static bool paging_waits_for_the_deadline(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	step = rounds(&l, &v, &now, 30);
	EXPECT(l.rung == RUNG_BALLOON && !step.page_bytes, "%s", rung_name(l.rung));
	step = rounds(&l, &v, &now, 2);
	EXPECT(l.rung == RUNG_PAGE && step.page_bytes == 16 * MIB, "%s, %llu", rung_name(l.rung),
	       (unsigned long long)step.page_bytes);
	/* What the guest can free is not paged while it answers. */
	v.free = 190 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.page_bytes == 10 * MIB, "%llu", (unsigned long long)step.page_bytes);
	v.free = 0;
	/* A balloon that moves gets more time. */
	v.balloon = 10 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_PAGE, "%s", rung_name(l.rung));
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_BALLOON && !step.page_bytes, "%s", rung_name(l.rung));
	return true;
}

/* Always a little before the deadline, and always in reach of all that is wanted, by its own word. */
static bool crumbs_are_no_progress(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	for (int crumb = 0; crumb < 10; crumb++) {
		step = rounds(&l, &v, &now, 25);
		v.balloon += 4096;
	}
	EXPECT(l.rung == RUNG_PAGE && step.page_bytes == 16 * MIB, "%s, %llu", rung_name(l.rung),
	       (unsigned long long)step.page_bytes);
	v.state = HOST_LOW;
	step = rounds(&l, &v, &now, 21);
	EXPECT(step.emergency, "%s", rung_name(l.rung));
	return true;
}

/* What was held before is not given a second time. */
static bool to_and_fro_is_no_progress(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	for (int turn = 0; turn < 5; turn++) {
		v.balloon = 90 * MIB;
		rounds(&l, &v, &now, 8);
		v.balloon = MIB;
		step = rounds(&l, &v, &now, 12);
	}
	EXPECT(l.rung == RUNG_PAGE && step.page_bytes == 16 * MIB, "%s, %llu", rung_name(l.rung),
	       (unsigned long long)step.page_bytes);
	return true;
}

/* Now it can spare nothing, and now all that is wanted; and it gives nothing. */
static bool a_word_is_not_owed_twice(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	uint64_t now = 0, paged = 0;

	for (int round = 0; round < 100; round++) {
		v.available = round % 20 ? 500 * MIB : 40 * MIB;
		paged += rounds(&l, &v, &now, 1).page_bytes;
	}
	EXPECT(paged >= 60 * 16 * MIB, "paged %llu MiB", (unsigned long long)(paged / MIB));
	return true;
}

static bool without_a_balloon_it_is_paged(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder_knobs no_paging = knobs;
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.answers = false;
	v.has_stats = false;
	step = rounds(&l, &v, &now, 10);
	EXPECT(!step.page_bytes && !step.set_balloon, "paged before it was shared");
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_PAGE && step.page_bytes == 16 * MIB && !step.set_balloon, "%s",
	       rung_name(l.rung));
	no_paging.may_page = false;
	step = ladder_round(&l, &no_paging, &v, now + ROUND_MS);
	EXPECT(!step.page_bytes && !strcmp(ladder_state(&l), "stuck"), "%s", ladder_state(&l));
	/* Nor in the soft state, where nothing is paged. */
	v.state = HOST_SOFT;
	l = (struct ladder){ 0 };
	step = rounds(&l, &v, &now, 60);
	EXPECT(!step.page_bytes && !strcmp(ladder_state(&l), "stuck"), "%s", ladder_state(&l));
	return true;
}

/* The operator wants it so, however much the host has. */
static bool what_the_hand_set_is_enforced(void)
{
	struct ladder_view v = over(HOST_HIGH);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.answers = false;
	v.has_stats = false;
	step = rounds(&l, &v, &now, 60);
	EXPECT(!step.page_bytes && !strcmp(ladder_state(&l), "stuck"), "%s", ladder_state(&l));
	v.hand = true;
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_PAGE && step.page_bytes == 16 * MIB, "%s", ladder_state(&l));
	return true;
}

static bool emergency_is_last(void)
{
	struct ladder_view v = over(HOST_LOW);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.answers = false;
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_PAGE && !step.emergency, "%s", rung_name(l.rung));
	step = rounds(&l, &v, &now, 19);
	EXPECT(!step.emergency, "too early");
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.emergency && step.page_bytes && !strcmp(ladder_state(&l), "emergency"), "%s",
	       ladder_state(&l));
	v.state = HOST_HARD;
	step = rounds(&l, &v, &now, 1);
	EXPECT(!step.emergency, "goes on");
	return true;
}

static bool memory_goes_back_at_once(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	rounds(&l, &v, &now, 5);
	v.balloon = 424 * MIB;
	v.usage = 600 * MIB;
	v.target = 900 * MIB;
	v.state = HOST_HIGH;
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_NONE && step.set_balloon && step.balloon_to == 124 * MIB, "%llu",
	       (unsigned long long)(step.balloon_to / MIB));
	v.target = v.ram;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && !step.balloon_to, "%llu",
	       (unsigned long long)(step.balloon_to / MIB));
	return true;
}

/* The balloon was blown up by a daemon that is no more; nobody is limited any longer. */
static bool what_an_earlier_daemon_took_goes_back(void)
{
	struct ladder_view v = over(HOST_HIGH);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.balloon = 424 * MIB;
	v.usage = 600 * MIB;
	v.target = v.ram;
	v.answers = false;
	step = rounds(&l, &v, &now, 5);
	EXPECT(!step.set_balloon, "asked one that does not answer");
	v.answers = true;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && !step.balloon_to, "%llu",
	       (unsigned long long)(step.balloon_to / MIB));
	/* Held to what it is at, it is left alone. */
	l = (struct ladder){ 0 };
	v.target = 600 * MIB;
	step = rounds(&l, &v, &now, 20);
	EXPECT(!step.set_balloon, "%llu", (unsigned long long)(step.balloon_to / MIB));
	return true;
}

/* Whoever is to be left may have been asked for something that shows in nothing yet. */
static bool who_is_left_is_asked_for_nothing(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.answers = false;
	v.leave = true;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && !step.balloon_to && l.given_back, "not given back");
	step = rounds(&l, &v, &now, 20);
	EXPECT(!step.set_balloon, "asked again for what it holds");
	/* It stayed after all, and is asked anew when it is to be left the next time. */
	v.leave = false;
	step = rounds(&l, &v, &now, 1);
	EXPECT(!step.set_balloon && !l.given_back, "asked one that does not answer");
	v.leave = true;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && !step.balloon_to, "not given back again");
	return true;
}

static bool lost_wishes_are_made_again(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	rounds(&l, &v, &now, 1);
	for (int again = 0; again < 2; again++) {
		step = rounds(&l, &v, &now, 9);
		EXPECT(!step.set_balloon, "too early");
		step = rounds(&l, &v, &now, 1);
		EXPECT(step.set_balloon && step.again && step.balloon_to == 424 * MIB, "%llu",
		       (unsigned long long)(step.balloon_to / MIB));
	}
	/* One that moves has heard it. */
	for (int round = 0; round < 30; round++) {
		v.balloon += MIB;
		step = rounds(&l, &v, &now, 1);
		EXPECT(!step.set_balloon, "round %d", round);
	}
	return true;
}

/* The VMM itself needs 40 MiB: the balloon gives all it was asked for, and that is not enough. */
static bool the_vmm_counts_too(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.available = 600 * MIB;
	rounds(&l, &v, &now, 1);
	v.balloon = 424 * MIB;
	v.usage = 640 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && step.balloon_to == 464 * MIB, "%llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	v.balloon = 464 * MIB;
	v.usage = 600 * MIB;
	for (int round = 0; round < 50; round++) {
		step = rounds(&l, &v, &now, 1);
		EXPECT(!step.set_balloon && l.rung == RUNG_NONE, "round %d: %s, %llu MiB", round,
		       rung_name(l.rung), (unsigned long long)(step.balloon_to / MIB));
	}
	return true;
}

/* A target below what the VMM alone has, and a guest that says it could spare anything. */
static bool no_balloon_holds_more_than_ram(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.target = MIB;
	v.available = 1ull << 40;
	for (int round = 0; round < 100; round++) {
		step = rounds(&l, &v, &now, 1);
		v.balloon = step.set_balloon ? step.balloon_to : v.balloon;
		EXPECT(v.balloon <= v.ram - 51 * MIB, "round %d: %llu of %llu MiB", round,
		       (unsigned long long)(v.balloon / MIB), (unsigned long long)(v.ram / MIB));
		v.usage = v.ram - v.balloon + 40 * MIB;
	}
	EXPECT(v.balloon >= v.ram - 52 * MIB, "%llu MiB", (unsigned long long)(v.balloon / MIB));
	return true;
}

static bool a_liar_is_found_out(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	/* Claims 424 MiB, and 800 of 1024 are resident. What it lets go of meanwhile is not those. */
	rounds(&l, &v, &now, 1);
	v.balloon = 424 * MIB;
	v.usage -= 2 * MIB;
	rounds(&l, &v, &now, 10);
	EXPECT(!l.untrusted, "after %llu ms", (unsigned long long)now);
	EXPECT(!l.freed[RUNG_BALLOON], "a claim that does not fit counts");
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.untrusted && !strcmp(ladder_state(&l), "untrusted"), "%s", ladder_state(&l));
	/* From then on it is a VM without a balloon: it gets it back, and is paged. */
	EXPECT(step.set_balloon && !step.balloon_to, "asked for %llu",
	       (unsigned long long)step.balloon_to);
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.page_bytes, "not paged: %s", rung_name(l.rung));
	v.balloon += 100 * MIB;
	v.usage -= 50 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(!l.freed[RUNG_BALLOON], "its claims count");
	v.balloon = 0;
	rounds(&l, &v, &now, 600);
	EXPECT(l.untrusted, "forgiven too early");
	rounds(&l, &v, &now, 1);
	EXPECT(!l.untrusted, "never forgiven");
	return true;
}

/* Before it was found out it tells the truth for a moment, time after time. */
static bool a_liar_with_pauses_is_found_out(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	uint64_t now = 0;

	for (int turn = 0; turn < 3; turn++) {
		v.balloon = 400 * MIB;
		rounds(&l, &v, &now, 8);
		v.balloon = MIB;
		rounds(&l, &v, &now, 2);
	}
	EXPECT(l.untrusted, "believed");
	/* Who is wrong for a moment now and then is not one. */
	l = (struct ladder){ 0 };
	for (int turn = 0; turn < 30; turn++) {
		v.balloon = 400 * MIB;
		rounds(&l, &v, &now, 4);
		v.balloon = MIB;
		rounds(&l, &v, &now, 6);
	}
	EXPECT(!l.untrusted, "not believed");
	return true;
}

/* 800 MiB resident become 500 and 300 in swap: the host's doing, not the balloon's. */
static bool paging_makes_no_liar_honest(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	uint64_t now = 0;

	v.balloon = 424 * MIB;
	v.usage = 500 * MIB;
	v.paged = 300 * MIB;
	rounds(&l, &v, &now, 11);
	EXPECT(l.untrusted, "believed");
	rounds(&l, &v, &now, 700);
	EXPECT(l.untrusted, "forgiven");
	return true;
}

static bool honest_guests_are_believed(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	uint64_t now = 0;

	v.balloon = 424 * MIB;
	/* The VMM's own memory beside the guest's. */
	v.usage = 640 * MIB;
	rounds(&l, &v, &now, 100);
	EXPECT(!l.untrusted, "not believed");
	v.usage = 700 * MIB;
	rounds(&l, &v, &now, 100);
	EXPECT(!l.untrusted, "not believed with 100 MiB of a VMM's own");
	/* As much of a small one is a tale. */
	v = (struct ladder_view){ .ram = 128 * MIB, .target = 64 * MIB, .usage = 164 * MIB,
				  .balloon = 64 * MIB, .state = HOST_HARD, .answers = true };
	l = (struct ladder){ 0 };
	rounds(&l, &v, &now, 11);
	EXPECT(l.untrusted, "a small one is believed");
	return true;
}

static bool each_rung_gets_its_due(void)
{
	struct ladder_view v = over(HOST_SOFT);
	struct ladder l = { 0 };
	uint64_t now = 0;

	rounds(&l, &v, &now, 1);
	/* 50 folded, 20 paged, 100 ballooned: but usage fell by 130 only. */
	v.shared = 50 * MIB;
	v.paged = 20 * MIB;
	v.balloon = 100 * MIB;
	v.usage -= 130 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(l.freed[RUNG_SHARE] == 50 * MIB && l.freed[RUNG_PAGE] == 20 * MIB &&
	       l.freed[RUNG_BALLOON] == 60 * MIB && !l.freed[RUNG_REPORT], "share %llu page %llu "
	       "balloon %llu", (unsigned long long)l.freed[RUNG_SHARE],
	       (unsigned long long)l.freed[RUNG_PAGE],
	       (unsigned long long)l.freed[RUNG_BALLOON]);
	/* What else of the balloon comes out of the usage much later is not the balloon's. */
	rounds(&l, &v, &now, 10);
	v.usage -= 7 * MIB;
	rounds(&l, &v, &now, 10);
	EXPECT(!l.freed[RUNG_REPORT], "nothing is reported here");
	v.reports = true;
	v.usage -= 5 * MIB;
	rounds(&l, &v, &now, 10);
	EXPECT(l.freed[RUNG_REPORT] == 5 * MIB && l.freed[RUNG_BALLOON] == 60 * MIB,
	       "report %llu, balloon %llu", (unsigned long long)l.freed[RUNG_REPORT],
	       (unsigned long long)l.freed[RUNG_BALLOON]);
	return true;
}

/* A balloon that was filled within a round shows in the usage before its VMM tells, or after. */
static bool what_is_seen_late_is_credited(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	uint64_t now = 0;

	v.reports = true;
	rounds(&l, &v, &now, 1);
	v.usage -= 33 * MIB;
	rounds(&l, &v, &now, 1);
	v.balloon += 35 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(l.freed[RUNG_BALLOON] == 33 * MIB, "told late: %llu",
	       (unsigned long long)l.freed[RUNG_BALLOON]);
	rounds(&l, &v, &now, 10);
	v.balloon += 10 * MIB;
	rounds(&l, &v, &now, 2);
	v.usage -= 9 * MIB;
	rounds(&l, &v, &now, 10);
	EXPECT(l.freed[RUNG_BALLOON] == 42 * MIB && !l.freed[RUNG_REPORT],
	       "told early: balloon %llu, report %llu", (unsigned long long)l.freed[RUNG_BALLOON],
	       (unsigned long long)l.freed[RUNG_REPORT]);
	return true;
}

/* The monitor is lost for a while, and the guest reports memory free when it is back. */
static bool what_was_held_before_is_not_gained(void)
{
	struct ladder_view v = over(HOST_SOFT);
	struct ladder l = { 0 };
	uint64_t now = 0;

	v.reports = true;
	for (int daemons = 0; daemons < 2; daemons++) {
		v.balloon = 0;
		v.unheard = true;
		rounds(&l, &v, &now, 3);
		v.unheard = false;
		v.balloon = 200 * MIB;
		rounds(&l, &v, &now, 1);
		v.usage -= 50 * MIB;
		rounds(&l, &v, &now, 10);
		EXPECT(!l.freed[RUNG_BALLOON] && l.freed[RUNG_REPORT] == (daemons + 1) * 50 * MIB,
		       "%d: balloon %llu, report %llu", daemons,
		       (unsigned long long)l.freed[RUNG_BALLOON],
		       (unsigned long long)l.freed[RUNG_REPORT]);
	}
	return true;
}

/* Its claims do not fit, and then nobody hears what it claims. */
static bool silence_is_not_the_truth(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	uint64_t now = 0;

	v.balloon = 424 * MIB;
	rounds(&l, &v, &now, 11);
	EXPECT(l.untrusted, "believed");
	v.balloon = 0;
	v.unheard = true;
	v.answers = false;
	rounds(&l, &v, &now, 700);
	EXPECT(l.untrusted, "forgiven");
	return true;
}

/* Gone from swap and not come back, or come back for the guest's own swap: for nothing. */
static bool paging_in_vain_is_counted(void)
{
	struct ladder_view v = over(HOST_HIGH);
	struct ladder l = { 0 };
	uint64_t now = 0;

	v.paged = 200 * MIB;
	v.stats_at = 1000;
	v.swapped_out = 500 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(!l.double_paged, "at first %llu", (unsigned long long)l.double_paged);
	/* The guest wants it back: that is what swap is for. */
	v.paged -= 50 * MIB;
	v.usage += 50 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(!l.double_paged, "read %llu", (unsigned long long)l.double_paged);
	/* It swaps out itself 30 of them: 30 were written and read for that. */
	v.stats_at++;
	v.swapped_out += 30 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(l.double_paged == 30 * MIB, "swapped %llu", (unsigned long long)l.double_paged);
	v.stats_at++;
	v.swapped_out += 30 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(l.double_paged == 30 * MIB, "none came back, %llu",
	       (unsigned long long)l.double_paged);
	/* Its balloon takes 40 that were in swap, or it reports them free. */
	v.paged -= 40 * MIB;
	v.balloon += 40 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(l.double_paged == 70 * MIB, "let go %llu", (unsigned long long)l.double_paged);
	/* What is folded as it comes back did come back. */
	v.paged -= 10 * MIB;
	v.shared += 10 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(l.double_paged == 70 * MIB, "folded %llu", (unsigned long long)l.double_paged);
	return true;
}

/* Who fell silent is asked for no more; and a wish is not taken back and made again in turns. */
static bool the_silent_are_left_alone(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.has_stats = false;
	v.balloon = 64 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && step.balloon_to == 80 * MIB, "%llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	v.silent = true;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.set_balloon && step.balloon_to == 64 * MIB, "%llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	/* It did what it was asked first; the second is still on its way. */
	v.balloon = 80 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(!step.set_balloon, "asked for %llu MiB again",
	       (unsigned long long)(step.balloon_to / MIB));
	v.balloon = 64 * MIB;
	step = rounds(&l, &v, &now, 40);
	EXPECT(!step.set_balloon, "asked for %llu MiB",
	       (unsigned long long)(step.balloon_to / MIB));
	return true;
}

/* What the guest has free is its to give, for as long as its balloon is believed to answer. */
static bool free_memory_is_not_paged(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.free = 195 * MIB;
	step = rounds(&l, &v, &now, 40);
	EXPECT(l.rung == RUNG_PAGE && step.page_bytes == 5 * MIB, "%s, %llu", rung_name(l.rung),
	       (unsigned long long)step.page_bytes);
	v.free = 250 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_PAGE && !step.page_bytes, "%s, %llu", rung_name(l.rung),
	       (unsigned long long)step.page_bytes);
	v.answers = false;
	step = rounds(&l, &v, &now, 1);
	EXPECT(step.page_bytes == 16 * MIB, "without a balloon %llu",
	       (unsigned long long)step.page_bytes);
	return true;
}

/*
 * A guest that could spare nothing has dropped caches since: they are its balloon's, which has the
 * deadline for them; and so they are when nothing is heard of it meanwhile.
 */
static bool what_it_can_spare_is_not_paged(void)
{
	for (int silent = 0; silent < 2; silent++) {
		struct ladder_view v = over(HOST_HARD);
		struct ladder l = { 0 };
		struct ladder_step step;
		uint64_t now = 0;

		v.available = 40 * MIB;
		step = rounds(&l, &v, &now, 100);
		EXPECT(l.rung == RUNG_PAGE && step.page_bytes == 16 * MIB, "%s, %llu",
		       rung_name(l.rung), (unsigned long long)step.page_bytes);
		v.available = 246 * MIB;
		step = rounds(&l, &v, &now, 1);
		EXPECT(step.balloon_to == 194 * MIB, "asked for %llu",
		       (unsigned long long)step.balloon_to);
		/* Of 200 MiB too much it can give 194.8, as long as it is not late with it. */
		v.has_stats = !silent;
		v.silent = silent;
		for (int i = 0; i < 29; i++) {
			step = rounds(&l, &v, &now, 1);
			EXPECT(l.rung == RUNG_PAGE && step.page_bytes < 6 * MIB,
			       "silent %d, %s, %llu", silent, rung_name(l.rung),
			       (unsigned long long)step.page_bytes);
		}
		step = rounds(&l, &v, &now, 1);
		EXPECT(step.page_bytes == 16 * MIB, "silent %d, late: %llu", silent,
		       (unsigned long long)step.page_bytes);
	}
	return true;
}

/* Who could give all that is wanted, and says so only now, is paged all the same. */
static bool the_emergency_waits_for_nobody(void)
{
	struct ladder_view v = over(HOST_LOW);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	v.available = 40 * MIB;
	rounds(&l, &v, &now, 35);
	v.available = 500 * MIB;
	step = rounds(&l, &v, &now, 1);
	EXPECT(l.rung == RUNG_EMERGENCY && step.page_bytes == 16 * MIB, "%s, %llu",
	       rung_name(l.rung), (unsigned long long)step.page_bytes);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "sharing goes first", share_goes_first },
		{ "free page reporting goes before the balloon",
		  reporting_goes_before_the_balloon },
		{ "a host in need does not wait", a_host_in_need_does_not_wait },
		{ "guests keep what they need", guests_keep_what_they_need },
		{ "what was given is not asked for twice", what_was_given_is_not_spare },
		{ "of whom nothing is known is asked for little",
		  unknown_guests_are_asked_for_little },
		{ "paging waits for the balloon's deadline", paging_waits_for_the_deadline },
		{ "crumbs are no progress", crumbs_are_no_progress },
		{ "to and fro is no progress", to_and_fro_is_no_progress },
		{ "a word is not owed twice", a_word_is_not_owed_twice },
		{ "without a balloon it is paged, if that is allowed",
		  without_a_balloon_it_is_paged },
		{ "what the hand set is enforced in any state", what_the_hand_set_is_enforced },
		{ "the emergency is last", emergency_is_last },
		{ "memory goes back at once", memory_goes_back_at_once },
		{ "what an earlier daemon took goes back", what_an_earlier_daemon_took_goes_back },
		{ "who is left is asked for nothing any more", who_is_left_is_asked_for_nothing },
		{ "a wish that was lost is made again", lost_wishes_are_made_again },
		{ "the VMM's own memory counts too", the_vmm_counts_too },
		{ "no balloon is to hold more than RAM", no_balloon_holds_more_than_ram },
		{ "a balloon that lies is found out", a_liar_is_found_out },
		{ "a balloon that lies with pauses is found out, too",
		  a_liar_with_pauses_is_found_out },
		{ "paging makes no liar honest", paging_makes_no_liar_honest },
		{ "honest guests are believed", honest_guests_are_believed },
		{ "each rung gets its due and no more", each_rung_gets_its_due },
		{ "what is seen late is credited", what_is_seen_late_is_credited },
		{ "what was held before is not gained when it is heard of",
		  what_was_held_before_is_not_gained },
		{ "silence is not the truth", silence_is_not_the_truth },
		{ "paging in vain is counted", paging_in_vain_is_counted },
		{ "the silent are left alone", the_silent_are_left_alone },
		{ "what a guest has free is not paged out", free_memory_is_not_paged },
		{ "what a guest can spare is not, until it is late", what_it_can_spare_is_not_paged },
		{ "the emergency waits for nobody", the_emergency_waits_for_nobody },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
