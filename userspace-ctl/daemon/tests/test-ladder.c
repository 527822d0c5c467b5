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

/* The VMM itself needs 40 MiB: the balloon gives all it was asked for, and that is not enough. */
static bool the_vmm_counts_too(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

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

static bool a_liar_is_found_out(void)
{
	struct ladder_view v = over(HOST_HARD);
	struct ladder l = { 0 };
	struct ladder_step step;
	uint64_t now = 0;

	/* Claims 424 MiB, and 800 of 1024 are resident. */
	v.balloon = 424 * MIB;
	rounds(&l, &v, &now, 10);
	EXPECT(!l.untrusted, "after %llu ms", (unsigned long long)now);
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
	v.usage -= 7 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(!l.freed[RUNG_REPORT], "nothing is reported here");
	v.reports = true;
	v.usage -= 5 * MIB;
	rounds(&l, &v, &now, 1);
	EXPECT(l.freed[RUNG_REPORT] == 5 * MIB, "report %llu",
	       (unsigned long long)l.freed[RUNG_REPORT]);
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
		{ "paging waits for the balloon's deadline", paging_waits_for_the_deadline },
		{ "without a balloon it is paged, if that is allowed",
		  without_a_balloon_it_is_paged },
		{ "the emergency is last", emergency_is_last },
		{ "memory goes back at once", memory_goes_back_at_once },
		{ "the VMM's own memory counts too", the_vmm_counts_too },
		{ "a balloon that lies is found out", a_liar_is_found_out },
		{ "honest guests are believed", honest_guests_are_believed },
		{ "each rung gets its due and no more", each_rung_gets_its_due },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
