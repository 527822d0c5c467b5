// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy on hosts that exist only here: what must hold in every round of any trace, and what
 * must come of some that are known.
 *
 * A guest is a working set that it touches and a usage that follows: upwards at once as far as its
 * balloon lets it, downwards as fast as a balloon inflates.
 */
#include <stdlib.h>

#include "daemon/arith.h"
#include "daemon/policy.h"
#include "err.h"
#include "tests/tap.h"
#include "timeline.h"

/*
 * In the first, four guests take turns to work, as those of selftests/overcommit do; written down by hand, in
 * the form of pagefoldd's record. The second is the record of selftests/contend with two real guests, on 6.1,
 * less what no test reads. PAGEFOLD_RECORD names one of a real host instead.
 */
static const char * const runs[] = { "daemon/tests/run.jsonl", "daemon/tests/contend.jsonl" };
#define MIB	(1024ull * 1024)
#define VMS	16
#define ROUND_MS 2000

struct sim {
	struct policy policy;
	struct policy_host host;
	struct policy_vm vms[VMS];
	uint64_t demand[VMS];		/* what the guest touches */
	uint64_t told[VMS];		/* what it said that it has no use for, before the last round */
	bool tells;			/* guests say so */
	uint64_t others;		/* what the host uses beside its guests */
	uint64_t now_ms;
	size_t n;
};

static void sim_init(struct sim *s, uint64_t total_mib)
{
	uint64_t total = total_mib * MIB;

	*s = (struct sim){
		.policy.knobs = {
			.high = total * 6 / 100, .soft = total * 4 / 100, .hard = total * 2 / 100,
			.low = total / 100, .psi_some = 1000, .psi_full = 500,
			.idle_tax_percent = 75, .interval_ms = ROUND_MS,
			.step_percent = 5, .rise_percent = 10, .spike_percent = 5,
			.spike_window_ms = 60000,
		},
		.host.total = total,
	};
}

static void sim_add(struct sim *s, uint64_t ram_mib, uint64_t demand_mib, uint64_t usage_mib)
{
	s->demand[s->n] = demand_mib * MIB;
	s->vms[s->n++] = (struct policy_vm){
		.ram = ram_mib * MIB, .min = ram_mib * MIB / 8, .max = ram_mib * MIB, .shares = 100,
		.usage = usage_mib * MIB, .wss_known = true,
	};
}

/* The guests run for a round: then the host has what they left. */
static void sim_guests(struct sim *s)
{
	uint64_t used = s->others;

	for (size_t i = 0; i < s->n; i++) {
		struct policy_vm *vm = &s->vms[i];
		uint64_t limit = vm->target ? vm->target : vm->max;

		if (vm->usage > limit)
			vm->usage -= min_of(vm->usage - limit, vm->ram / 10);
		else
			vm->usage = max_of(vm->usage, min_of(s->demand[i], limit));
		vm->wss = max_of(min_of(s->demand[i], vm->usage), MIB);
		vm->pressed = s->demand[i] > vm->usage + vm->ram / 50;
		if (s->tells)
			vm->unused = s->told[i];
		s->told[i] = less(vm->ram, s->demand[i]);
		used += vm->usage;
	}
	s->host.available = s->host.total > used ? s->host.total - used : 0;
}

static void sim_round(struct sim *s)
{
	sim_guests(s);
	s->now_ms += ROUND_MS;
	policy_round(&s->policy, &s->host, s->vms, s->n, s->now_ms);
}

static void sim_rounds(struct sim *s, int rounds)
{
	while (rounds--)
		sim_round(s);
}

static bool states_have_hysteresis(void)
{
	static const struct {
		unsigned int per_mille, some, full;
		enum host_state want;
	} table[] = {
		{ 80, 0, 0, HOST_HIGH }, { 40, 0, 0, HOST_HIGH }, { 39, 0, 0, HOST_SOFT },
		{ 45, 0, 0, HOST_SOFT }, { 59, 0, 0, HOST_SOFT }, { 60, 0, 0, HOST_HIGH },
		{ 5, 0, 0, HOST_LOW }, { 15, 0, 0, HOST_LOW }, { 20, 0, 0, HOST_HARD },
		{ 39, 0, 0, HOST_HARD }, { 40, 0, 0, HOST_SOFT }, { 60, 0, 0, HOST_HIGH },
		/* Stalls while there is plenty are none of our business. */
		{ 500, 9000, 9000, HOST_HIGH }, { 119, 1000, 0, HOST_SOFT },
		{ 119, 500, 0, HOST_SOFT }, { 119, 499, 0, HOST_HIGH },
		{ 119, 999, 0, HOST_HIGH }, { 119, 999, 500, HOST_HARD },
		{ 119, 999, 250, HOST_HARD }, { 119, 999, 249, HOST_SOFT },
		/* The worse of both. */
		{ 15, 0, 9000, HOST_HARD }, { 5, 0, 9000, HOST_LOW },
	};
	struct sim s;

	sim_init(&s, 10000);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		s.host.available = s.host.total / 1000 * table[i].per_mille;
		s.host.psi_some = table[i].some;
		s.host.psi_full = table[i].full;
		policy_round(&s.policy, &s.host, s.vms, 0, i);
		EXPECT(s.policy.state == table[i].want, "row %zu: state %s", i,
		       host_state_name(s.policy.state));
	}
	return true;
}

/* Waldspurger's own experiment: two VMs of 256 MB in 360 MB, one idle, one busy, equal shares. */
static bool tax_divides_as_published(void)
{
	static const struct {
		unsigned int tax;
		uint64_t idle_mib, busy_mib;
	} table[] = { { 0, 180, 180 }, { 75, 104, 256 } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct sim s;

		sim_init(&s, 1000);
		s.policy.knobs.idle_tax_percent = table[i].tax;
		/* Budget: what is used and what is free above the reserve of 65 MiB. */
		sim_add(&s, 256, 0, 180);
		sim_add(&s, 256, 256, 180);
		s.vms[0].wss = 20 * MIB;
		s.vms[1].wss = 256 * MIB;
		s.host.available = 65 * MIB;
		policy_round(&s.policy, &s.host, s.vms, s.n, 1);
		EXPECT(s.vms[0].ideal / MIB == table[i].idle_mib, "tax %u: idle gets %llu MiB",
		       table[i].tax, (unsigned long long)(s.vms[0].ideal / MIB));
		EXPECT((s.vms[1].ideal + MIB / 2) / MIB == table[i].busy_mib,
		       "tax %u: busy gets %llu MiB", table[i].tax,
		       (unsigned long long)(s.vms[1].ideal / MIB));
	}
	return true;
}

/* One that does nothing works with nothing; one that nobody measured may work with all it has. */
static bool nothing_is_not_unknown(void)
{
	struct sim s;

	for (int known = 0; known < 2; known++) {
		sim_init(&s, 1000);
		sim_add(&s, 256, 0, 180);
		sim_add(&s, 256, 256, 180);
		s.vms[0].wss_known = known;
		s.vms[1].wss = 256 * MIB;
		s.host.available = 65 * MIB;
		policy_round(&s.policy, &s.host, s.vms, s.n, 1);
		EXPECT(s.vms[0].active == (known ? 0 : 180 * MIB), "known %d: active %llu MiB",
		       known, (unsigned long long)(s.vms[0].active / MIB));
		EXPECT((s.vms[0].ideal < 110 * MIB) == known, "known %d: ideal %llu MiB", known,
		       (unsigned long long)(s.vms[0].ideal / MIB));
	}
	return true;
}

/* A working set is an average: memory that the guest has freed since is idle at once. */
static bool free_memory_is_idle(void)
{
	struct sim s;

	for (int told = 0; told < 2; told++) {
		sim_init(&s, 1000);
		sim_add(&s, 768, 0, 600);
		sim_add(&s, 768, 768, 300);
		s.vms[0].wss = 550 * MIB;
		s.vms[1].wss = 300 * MIB;
		s.vms[0].unused = told ? 500 * MIB : 0;
		s.host.available = 65 * MIB;
		policy_round(&s.policy, &s.host, s.vms, s.n, 1);
		EXPECT(s.vms[0].active == (told ? 332 : 550) * MIB, "told %d: active %llu MiB",
		       told, (unsigned long long)(s.vms[0].active / MIB));
	}
	/* More than it has is as good as all. */
	s.vms[0].unused = UINT64_MAX;
	policy_round(&s.policy, &s.host, s.vms, s.n, ROUND_MS);
	EXPECT(!s.vms[0].active, "active %llu MiB",
	       (unsigned long long)(s.vms[0].active / MIB));
	return true;
}

/* Both let much lie, but one has filled it and the other has it free: that goes first. */
static bool free_goes_before_filled(void)
{
	uint64_t alike = 0, free_one;
	struct sim s;

	for (int told = 0; told < 2; told++) {
		sim_init(&s, 1000);
		for (int i = 0; i < 2; i++) {
			sim_add(&s, 768, 0, 450);
			s.vms[i].wss = 100 * MIB;
			s.vms[i].unused = told ? (i ? 500 : 250) * MIB : 0;
		}
		s.host.available = 20 * MIB;
		policy_round(&s.policy, &s.host, s.vms, s.n, 1);
		if (!told)
			alike = s.vms[1].ideal;
	}
	free_one = s.vms[1].ideal;
	EXPECT(free_one < alike && free_one >= s.vms[1].active, "%llu MiB, alike %llu MiB",
	       (unsigned long long)(free_one / MIB), (unsigned long long)(alike / MIB));
	EXPECT(s.vms[0].ideal > alike, "the other %llu MiB, alike %llu MiB",
	       (unsigned long long)(s.vms[0].ideal / MIB), (unsigned long long)(alike / MIB));
	return true;
}

/* Events begin ten rounds in the time of half a one: together they move a target by half a step. */
static bool events_widen_no_step(void)
{
	uint64_t taken, given;
	struct sim s;

	sim_init(&s, 1000);
	sim_add(&s, 800, 10, 600);
	sim_add(&s, 800, 600, 250);
	s.vms[0].wss = 10 * MIB;
	s.vms[1].wss = 250 * MIB;
	s.vms[1].pressed = true;
	s.vms[0].target = 600 * MIB;
	s.vms[1].target = 250 * MIB;
	s.host.available = 90 * MIB;
	policy_round(&s.policy, &s.host, s.vms, s.n, 1);
	taken = 600 * MIB - s.vms[0].target;
	given = s.vms[1].target - 250 * MIB;
	EXPECT(taken == 40 * MIB && given == 70 * MIB, "the first round took %llu, gave %llu MiB",
	       (unsigned long long)(taken / MIB), (unsigned long long)(given / MIB));
	for (int round = 1; round <= 10; round++)
		policy_round(&s.policy, &s.host, s.vms, s.n, 1 + ROUND_MS / 20 * round);
	taken = 600 * MIB - s.vms[0].target;
	given = s.vms[1].target - 250 * MIB;
	EXPECT(taken >= 50 * MIB && taken <= 60 * MIB + MIB, "took %llu MiB",
	       (unsigned long long)(taken / MIB));
	EXPECT(given >= 100 * MIB && given <= 110 * MIB + MIB, "gave %llu MiB",
	       (unsigned long long)(given / MIB));
	return true;
}

static bool shares_weigh(void)
{
	struct sim s;

	sim_init(&s, 1000);
	sim_add(&s, 600, 600, 450);
	sim_add(&s, 600, 600, 450);
	s.vms[0].shares = 200;
	s.vms[0].wss = 600 * MIB;
	s.vms[1].wss = 600 * MIB;
	s.host.available = 65 * MIB;
	policy_round(&s.policy, &s.host, s.vms, s.n, 1);
	EXPECT(s.vms[0].ideal / MIB >= 509 && s.vms[0].ideal / MIB <= 600, "%llu",
	       (unsigned long long)(s.vms[0].ideal / MIB));
	EXPECT(s.vms[1].ideal < s.vms[0].ideal, "no difference");
	EXPECT((s.vms[0].ideal + s.vms[1].ideal) / MIB >= 899, "not all is spent");
	return true;
}

static bool memory_moves_to_the_busy_and_back(void)
{
	struct sim s;
	uint64_t first;

	sim_init(&s, 1024);
	s.others = 100 * MIB;
	sim_add(&s, 768, 100, 420);
	sim_add(&s, 768, 100, 420);
	sim_rounds(&s, 20);
	s.demand[1] = 600 * MIB;
	sim_rounds(&s, 100);
	first = s.vms[1].usage;
	EXPECT(first >= 590 * MIB, "busy guest has %llu MiB", (unsigned long long)(first / MIB));
	EXPECT(s.vms[0].usage >= 100 * MIB, "idle guest has %llu MiB",
	       (unsigned long long)(s.vms[0].usage / MIB));
	s.demand[1] = 100 * MIB;
	s.demand[0] = 600 * MIB;
	sim_rounds(&s, 100);
	EXPECT(s.vms[0].usage >= 590 * MIB, "and back: %llu MiB",
	       (unsigned long long)(s.vms[0].usage / MIB));
	EXPECT(s.host.available >= s.policy.knobs.soft, "the host has %llu MiB left",
	       (unsigned long long)(s.host.available / MIB));
	return true;
}

/* Three guests at work fill the host; a fourth wants all. */
static bool spike_costs_at_most_five_percent(void)
{
	uint64_t before[3];
	struct sim s;

	sim_init(&s, 2048);
	s.others = 128 * MIB;
	for (int i = 0; i < 3; i++)
		sim_add(&s, 768, 500, 500);
	sim_add(&s, 768, 100, 100);
	sim_rounds(&s, 60);
	for (int i = 0; i < 3; i++)
		before[i] = s.vms[i].usage;
	s.demand[3] = 768 * MIB;
	for (int round = 0; round < 30; round++) {
		sim_round(&s);
		for (int i = 0; i < 3; i++)
			EXPECT(min_of(s.vms[i].target, s.vms[i].usage) >=
			       before[i] * 95 / 100 - MIB,
			       "round %d: guest %d had %llu MiB, is at %llu", round, i,
			       (unsigned long long)(before[i] / MIB),
			       (unsigned long long)(s.vms[i].target / MIB));
	}
	EXPECT(s.vms[3].usage > 150 * MIB, "the spike got %llu MiB",
	       (unsigned long long)(s.vms[3].usage / MIB));
	return true;
}

static bool pressed_guest_comes_first(void)
{
	struct sim s;

	sim_init(&s, 1000);
	sim_add(&s, 500, 400, 400);
	sim_add(&s, 500, 400, 300);
	for (int i = 0; i < 2; i++)
		s.vms[i].target = s.vms[i].usage;
	s.vms[0].wss = 400 * MIB;
	s.vms[1].wss = 300 * MIB;
	s.vms[1].pressed = true;
	/* Below the reserve, above the hard mark. */
	s.host.available = 70 * MIB;
	policy_round(&s.policy, &s.host, s.vms, s.n, 1);
	EXPECT(s.vms[1].target == 350 * MIB && s.vms[1].why == WHY_PRESSURE, "%llu MiB, %s",
	       (unsigned long long)(s.vms[1].target / MIB), policy_why_text(s.vms[1].why));
	EXPECT(s.vms[0].target >= 380 * MIB, "the other was cut to %llu MiB",
	       (unsigned long long)(s.vms[0].target / MIB));
	/* In the soft state too it keeps what it has, however small its share is. */
	s.vms[1].shares = 1;
	s.host.available = 21 * MIB;
	policy_round(&s.policy, &s.host, s.vms, s.n, 2);
	EXPECT(s.policy.state == HOST_SOFT, "state %s", host_state_name(s.policy.state));
	EXPECT(s.vms[1].target >= 350 * MIB, "cut to %llu MiB",
	       (unsigned long long)(s.vms[1].target / MIB));
	return true;
}

static bool hand_wins(void)
{
	struct sim s;

	sim_init(&s, 1024);
	sim_add(&s, 768, 300, 400);
	sim_add(&s, 768, 300, 400);
	s.vms[0].hand = 700 * MIB;
	for (int round = 0; round < 200; round++) {
		s.demand[1] = (round / 20 % 2 ? 700 : 100) * MIB;
		sim_round(&s);
		EXPECT(s.vms[0].target == 700 * MIB && s.vms[0].why == WHY_HAND, "round %d: %llu",
		       round, (unsigned long long)s.vms[0].target);
	}
	s.vms[0].hand = 0;
	sim_rounds(&s, 5);
	EXPECT(s.vms[0].why != WHY_HAND, "still by hand");
	return true;
}

/* Nobody is short, who would be served out of the reserve: what is given is from the pool. */
static void rounds_at_ease(struct sim *s, int rounds)
{
	while (rounds--) {
		sim_guests(s);
		for (size_t i = 0; i < s->n; i++)
			s->vms[i].pressed = false;
		s->now_ms += ROUND_MS;
		policy_round(&s->policy, &s->host, s->vms, s->n, s->now_ms);
	}
}

/* A VM never has more than its RAM, so a hand that gives more takes nothing from the others. */
static bool a_generous_hand_costs_nobody(void)
{
	struct sim s;

	sim_init(&s, 2048);
	sim_add(&s, 512, 100, 100);
	sim_add(&s, 1024, 1000, 300);
	s.vms[0].hand = 1ull << 40;
	s.vms[1].target = 300 * MIB;
	rounds_at_ease(&s, 20);
	EXPECT(s.vms[0].target == 512 * MIB && s.vms[0].why == WHY_HAND, "%llu",
	       (unsigned long long)s.vms[0].target);
	EXPECT(s.vms[1].usage >= 1000 * MIB, "%llu MiB of what it wants, %s",
	       (unsigned long long)(s.vms[1].usage / MIB), policy_why_text(s.vms[1].why));
	return true;
}

/* One that nothing can be taken from, and that uses little of a lot, reserves nothing for itself. */
static bool the_fixed_hold_up_nobody(void)
{
	struct sim s;

	sim_init(&s, 4096);
	sim_add(&s, 3072, 100, 100);
	sim_add(&s, 1024, 1000, 300);
	s.vms[0].fixed = true;
	s.vms[1].target = 300 * MIB;
	rounds_at_ease(&s, 20);
	EXPECT(s.policy.state == HOST_HIGH, "state %s", host_state_name(s.policy.state));
	EXPECT(s.vms[1].usage >= 1000 * MIB, "%llu MiB of what it wants, %s",
	       (unsigned long long)(s.vms[1].usage / MIB), policy_why_text(s.vms[1].why));
	return true;
}

static bool plenty_limits_nobody(void)
{
	struct sim s;

	sim_init(&s, 4096);
	sim_add(&s, 768, 300, 400);
	sim_add(&s, 768, 768, 768);
	sim_rounds(&s, 100);
	for (int i = 0; i < 2; i++)
		EXPECT(s.vms[i].target == s.vms[i].max && s.vms[i].why == WHY_UNLIMITED,
		       "guest %d: %llu, %s", i, (unsigned long long)s.vms[i].target,
		       policy_why_text(s.vms[i].why));
	/* And a limit of worse times is taken back. */
	s.vms[0].target = 100 * MIB;
	sim_rounds(&s, 100);
	EXPECT(s.vms[0].target == s.vms[0].max, "still %llu",
	       (unsigned long long)s.vms[0].target);
	return true;
}

/* Twice as much is promised as there is, and nobody needs it: then nobody is troubled. */
static bool nothing_is_taken_without_need(void)
{
	struct sim s;

	sim_init(&s, 1000);
	sim_add(&s, 900, 300, 400);
	sim_add(&s, 900, 300, 400);
	sim_rounds(&s, 50);
	for (int i = 0; i < 2; i++)
		EXPECT(s.vms[i].target == s.vms[i].max, "guest %d is held to %llu MiB", i,
		       (unsigned long long)(s.vms[i].target / MIB));
	return true;
}

/* The host has enough, none of it spare, and a busy guest is held down beside an idle one. */
static bool idle_memory_is_lent_in_good_times(void)
{
	struct sim s;

	sim_init(&s, 1000);
	sim_add(&s, 800, 50, 600);
	sim_add(&s, 800, 600, 335);
	for (int i = 0; i < 2; i++)
		s.vms[i].target = s.vms[i].usage;
	sim_round(&s);
	EXPECT(s.policy.state == HOST_HIGH, "state %s", host_state_name(s.policy.state));
	EXPECT(s.vms[0].target < 600 * MIB, "the idle guest keeps all");
	for (int round = 0; round < 60; round++) {
		sim_round(&s);
		EXPECT(s.policy.state == HOST_HIGH, "round %d: state %s", round,
		       host_state_name(s.policy.state));
	}
	EXPECT(s.vms[1].usage >= 590 * MIB, "the busy guest has %llu MiB",
	       (unsigned long long)(s.vms[1].usage / MIB));
	return true;
}

/* What the host's own processes breathe in and out is not passed on to guests. */
static bool noise_moves_nothing(void)
{
	uint64_t at_rest[2];
	struct sim s;

	sim_init(&s, 1000);
	sim_add(&s, 768, 700, 450);
	sim_add(&s, 768, 700, 450);
	s.others = 6 * MIB;
	sim_rounds(&s, 200);
	for (int i = 0; i < 2; i++)
		at_rest[i] = s.vms[i].target;
	srandom(5);
	for (int round = 0; round < 100; round++) {
		s.others = random() % (6 * MIB);
		sim_round(&s);
		for (int i = 0; i < 2; i++)
			EXPECT(s.vms[i].target == at_rest[i],
			       "round %d: guest %d from %llu to %llu", round, i, (unsigned long long)at_rest[i],
			       (unsigned long long)s.vms[i].target);
	}
	return true;
}

static void random_host(struct sim *s)
{
	size_t n = 1 + random() % VMS;

	sim_init(s, 512 + random() % 8192);
	s->others = random() % (s->host.total / 4);
	s->tells = random() % 2;
	for (size_t i = 0; i < n; i++) {
		uint64_t ram = 64 + random() % 2048;

		sim_add(s, ram, random() % (ram + 1), random() % (ram + 1));
		s->vms[i].min = random() % (s->vms[i].ram / 2);
		s->vms[i].max = s->vms[i].min + random() % (s->vms[i].ram - s->vms[i].min) + 1;
		s->vms[i].shares = 1 + random() % 1000;
		s->vms[i].fixed = random() % 8 == 0;
		s->vms[i].usage = min_of(s->vms[i].usage, s->vms[i].max);
	}
}

static void random_change(struct sim *s)
{
	size_t i = random() % s->n;

	s->demand[i] = random() % s->vms[i].ram;
	s->vms[i].hand = random() % 4 ? 0 : 1 + random() % s->vms[i].ram;
	s->host.psi_some = random() % 3 ? 0 : random() % 3000;
	s->host.psi_full = random() % 3 ? 0 : random() % 1000;
}

/* What must hold of any round, whatever was before. */
static bool round_holds(const struct sim *s, const uint64_t *before, const uint64_t *base)
{
	static const unsigned int times[] = { 1, 1, 2, 4 };
	uint64_t rises = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct policy_vm *vm = &s->vms[i];
		uint64_t step = vm->ram / 100 * s->policy.knobs.step_percent *
				times[s->policy.state];
		uint64_t was = min_of(min_of(before[i], vm->usage), vm->max);

		if (vm->hand) {
			EXPECT(vm->target == vm->hand, "vm %zu: not what the hand set", i);
			continue;
		}
		EXPECT(vm->target <= vm->max, "vm %zu: above its maximum", i);
		EXPECT(vm->target >= vm->min, "vm %zu: below its minimum", i);
		if (vm->fixed) {
			EXPECT(vm->target == vm->max, "vm %zu: fixed, yet limited", i);
			continue;
		}
		if (was > vm->target)
			EXPECT(was - vm->target <= step + MIB, "vm %zu: took %llu, step %llu", i,
			       (unsigned long long)(was - vm->target), (unsigned long long)step);
		if (vm->target > max_of(before[i], vm->min))
			rises += vm->target - max_of(before[i], vm->min);
		if (vm->target < min_of(before[i], vm->max) && s->policy.state < HOST_LOW)
			EXPECT(vm->target + MIB >=
			       min_of(min_of(base[i], vm->active), before[i]) / 20 * 19,
			       "vm %zu: cut into its working set", i);
	}
	/* Settling is exact to a MiB for each VM. */
	EXPECT(!rises || rises <= s->host.available - min_of(s->host.available,
							     s->policy.knobs.hard) + s->n * MIB,
	       "promised %llu of %llu", (unsigned long long)rises,
	       (unsigned long long)s->host.available);
	return true;
}

static bool any_trace(void)
{
	srandom(1);
	for (int trace = 0; trace < 200; trace++) {
		uint64_t before[VMS], base[VMS];
		struct sim s;

		random_host(&s);
		for (int round = 0; round < 150; round++) {
			sim_guests(&s);
			if (random() % 5 == 0)
				random_change(&s);
			for (size_t i = 0; i < s.n; i++) {
				const struct policy_vm *vm = &s.vms[i];

				before[i] = vm->hand ? vm->hand :
					    vm->fixed || !vm->target ? vm->max : vm->target;
			}
			s.now_ms += ROUND_MS;
			policy_round(&s.policy, &s.host, s.vms, s.n, s.now_ms);
			for (size_t i = 0; i < s.n; i++)
				base[i] = s.vms[i].base;
			if (!round_holds(&s, before, base)) {
				printf("# trace %d, round %d\n", trace, round);
				return false;
			}
		}
	}
	return true;
}

/* What guests used at a time is what they want then. */
static bool run_open(const char *path, struct timeline *t)
{
	struct err e = { .text = "cannot be opened" };
	FILE *f = fopen(path, "re");
	int rc = f ? timeline_read(NULL, f, t, &e) : EX_REFUSED;

	if (f)
		fclose(f);
	EXPECT(!rc && !t->bad_lines, "%s: %s", path, rc ? e.text : t->bad_why);
	EXPECT(t->vm_count > 1 && t->vm_count <= VMS, "%s: %zu VMs, want 2 to %d", path, t->vm_count,
	       VMS);
	return true;
}

/* Guests that had gone want nothing. */
static uint64_t wanted_at(const struct series *used, uint64_t time_ms)
{
	uint64_t value = 0;

	if (!used->count || time_ms > used->points[used->count - 1].time_ms)
		return 0;
	for (size_t i = 0; i < used->count && used->points[i].time_ms <= time_ms; i++)
		value = used->points[i].value;
	return value;
}

/* All that they ever want at once: what a guest used and frees the host has back only by its balloon. */
static uint64_t run_most(const struct timeline *t)
{
	double sum = 0;

	for (size_t i = 0; i < t->vm_count; i++)
		sum += series_max(&t->vms[i].series[SERIES_USED]);
	return sum;
}

/* A guest that was not looked through yet has at least what it used at most. */
static uint64_t run_ram(const struct timeline_vm *vm)
{
	return max_of(vm->last.value[VM_ELIGIBLE], series_max(&vm->series[SERIES_USED]));
}

/* Play it on a host that has @total_mib for its guests. */
static bool run_holds(const struct timeline *t, uint64_t total_mib, enum host_state *worst)
{
	uint64_t before[VMS], base[VMS];
	struct sim s;

	sim_init(&s, total_mib);
	for (size_t i = 0; i < t->vm_count; i++)
		sim_add(&s, run_ram(&t->vms[i]) / MIB, 0, 0);
	*worst = HOST_HIGH;
	for (uint64_t at = t->first_ms; at <= t->last_ms; at += ROUND_MS) {
		for (size_t i = 0; i < s.n; i++) {
			s.demand[i] = wanted_at(&t->vms[i].series[SERIES_USED], at);
			before[i] = s.vms[i].target ? s.vms[i].target : s.vms[i].max;
		}
		sim_round(&s);
		for (size_t i = 0; i < s.n; i++)
			base[i] = s.vms[i].base;
		*worst = max_of(*worst, s.policy.state);
		if (!round_holds(&s, before, base)) {
			printf("# %llu MiB, after %llu s\n", (unsigned long long)total_mib,
			       (unsigned long long)((at - t->first_ms) / 1000));
			return false;
		}
	}
	return true;
}

/* A host that has enough for it limits nobody; ones that have less and less keep what is promised. */
static bool recorded_run_holds(const char *path)
{
	enum host_state worst = HOST_HIGH;
	struct timeline t = { 0 };
	bool held = run_open(path, &t);
	uint64_t most = run_most(&t) / MIB;

	held = held && run_holds(&t, most * 2, &worst);
	EXPECT(held && worst == HOST_HIGH, "%s: worst state %s", path, host_state_name(worst));
	for (unsigned int percent = 110; held && percent >= 60; percent -= 10)
		held = run_holds(&t, most * percent / 100, &worst);
	timeline_free(&t);
	EXPECT(held && worst == HOST_LOW, "%s: worst state %s", path, host_state_name(worst));
	return true;
}

static bool recorded_runs_hold(void)
{
	if (getenv("PAGEFOLD_RECORD"))
		return recorded_run_holds(getenv("PAGEFOLD_RECORD"));
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		if (!recorded_run_holds(runs[i]))
			return false;
	return true;
}

/* Demands that stand still let targets rest, within what the host has where floors allow. */
static bool steady_traces_come_to_rest(void)
{
	srandom(2);
	for (int trace = 0; trace < 150; trace++) {
		uint64_t at_rest[VMS], targets = 0, floors = 0;
		bool spared = false;
		struct sim s;

		random_host(&s);
		sim_rounds(&s, 1500);
		for (size_t i = 0; i < s.n; i++)
			at_rest[i] = s.vms[i].target;
		for (int round = 0; round < 20; round++) {
			sim_round(&s);
			for (size_t i = 0; i < s.n; i++)
				EXPECT(s.vms[i].target == at_rest[i],
				       "trace %d: vm %zu goes from %llu to %llu, state %s, %s",
				       trace, i, (unsigned long long)at_rest[i],
				       (unsigned long long)s.vms[i].target,
				       host_state_name(s.policy.state),
				       policy_why_text(s.vms[i].why));
		}
		for (size_t i = 0; i < s.n; i++) {
			targets += min_of(s.vms[i].target, s.vms[i].usage);
			floors += s.vms[i].fixed ? s.vms[i].usage :
				  max_of(s.vms[i].min, s.vms[i].base);
			spared |= s.vms[i].pressed && s.vms[i].target > s.vms[i].ideal;
		}
		/* While it is not serious, one that is short keeps more than its share. */
		if (floors < s.policy.budget && !(spared && s.policy.state < HOST_HARD))
			EXPECT(targets <= s.policy.budget + s.policy.reserve - s.policy.knobs.soft +
			       s.n * MIB, "trace %d: %llu promised of %llu", trace,
			       (unsigned long long)(targets / MIB),
			       (unsigned long long)(s.policy.budget / MIB));
	}
	return true;
}

/* Nobody is favoured for standing first. */
static bool order_does_not_matter(void)
{
	srandom(3);
	for (int trace = 0; trace < 200; trace++) {
		struct sim s, turned;

		random_host(&s);
		turned = s;
		for (size_t i = 0; i < s.n; i++) {
			turned.vms[i] = s.vms[s.n - 1 - i];
			turned.demand[i] = s.demand[s.n - 1 - i];
		}
		for (int round = 0; round < 50; round++) {
			sim_round(&s);
			sim_round(&turned);
		}
		for (size_t i = 0; i < s.n; i++)
			EXPECT(s.vms[i].target == turned.vms[s.n - 1 - i].target,
			       "trace %d, vm %zu", trace, i);
	}
	return true;
}

static bool extremes_do_not_overflow(void)
{
	static const uint64_t values[] = { 0, 1, 4095, MIB, 1ull << 40, 1ull << 55 };

	srandom(4);
	for (int round = 0; round < 20000; round++) {
		struct policy_vm vms[2] = { 0 };
		struct sim s;

		sim_init(&s, 1000);
		s.host.available = values[random() % ARRAY_SIZE(values)];
		s.host.total = values[random() % ARRAY_SIZE(values)];
		s.policy.state = random() % HOST_STATES;
		for (int i = 0; i < 2; i++) {
			vms[i].ram = values[random() % ARRAY_SIZE(values)];
			vms[i].max = vms[i].ram;
			vms[i].min = min_of(vms[i].max, values[random() % ARRAY_SIZE(values)]);
			vms[i].shares = random() % 2 ? 1 : 10000;
			vms[i].usage = values[random() % ARRAY_SIZE(values)];
			vms[i].wss = values[random() % ARRAY_SIZE(values)];
			vms[i].wss_known = random() % 2;
			vms[i].unused = values[random() % ARRAY_SIZE(values)];
			vms[i].pressed = random() % 2;
			vms[i].target = min_of(vms[i].max, values[random() % ARRAY_SIZE(values)]);
		}
		policy_round(&s.policy, &s.host, vms, 2, round);
		for (int i = 0; i < 2; i++)
			EXPECT(vms[i].target <= vms[i].max, "round %d", round);
	}
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "host states follow free memory and stalls, with hysteresis",
		  states_have_hysteresis },
		{ "the tax divides memory as published", tax_divides_as_published },
		{ "a working set of nothing is not an unknown one", nothing_is_not_unknown },
		{ "what is free in the guest is idle", free_memory_is_idle },
		{ "what is free goes before what is filled", free_goes_before_filled },
		{ "events widen no step", events_widen_no_step },
		{ "shares weigh", shares_weigh },
		{ "memory moves from the idle to the busy guest and back",
		  memory_moves_to_the_busy_and_back },
		{ "a spike costs the others at most 5 %", spike_costs_at_most_five_percent },
		{ "a guest under pressure comes before the others are squeezed",
		  pressed_guest_comes_first },
		{ "what the operator set wins and is kept", hand_wins },
		{ "a target by hand above RAM costs nobody anything", a_generous_hand_costs_nobody },
		{ "who cannot be limited holds up nobody", the_fixed_hold_up_nobody },
		{ "where there is plenty nobody is limited", plenty_limits_nobody },
		{ "nothing is taken without need", nothing_is_taken_without_need },
		{ "idle memory is lent in good times too", idle_memory_is_lent_in_good_times },
		{ "noise moves no target", noise_moves_nothing },
		{ "floors, ceilings, steps and promises hold in any trace", any_trace },
		{ "and in runs that are read from records", recorded_runs_hold },
		{ "targets come to rest when demands do", steady_traces_come_to_rest },
		{ "the order of VMs does not matter", order_does_not_matter },
		{ "extreme sizes do not overflow", extremes_do_not_overflow },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
