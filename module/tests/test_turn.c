// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the turns: who is scanned next, in a simulated time.
 */
#include "turn.h"
#include "test.h"

#define MS	1000000ULL
#define VMS	64

/* A VM of a simulation. */
struct vm {
	struct pf_turn turn;
	u64 got_ns;
	u32 nr;
};

static struct pf_turns turns;
static struct vm vm[VMS];

static struct vm *vm_of(struct pf_turn *turn)
{
	return turn ? container_of(turn, struct vm, turn) : NULL;
}

static struct vm *next_vm(u64 now_ns)
{
	u64 wait_ns;

	return vm_of(pf_turn_next(&turns, now_ns, &wait_ns));
}

static void join(u32 nr, u32 share)
{
	pf_turn_init(&vm[nr].turn, share);
	vm[nr].nr = nr;
	vm[nr].got_ns = 0;
	pf_turn_add(&turns, &vm[nr].turn, 0);
}

/* Give turns of about @turn_ns to whoever is next. */
static bool run_turns(u32 nr, u64 turn_ns, u64 *seed)
{
	while (nr--) {
		u64 used = turn_ns / 2 + random_below(seed, turn_ns);
		struct vm *one = next_vm(1);

		EXPECT(one, "nobody is next");
		one->got_ns += used;
		pf_turn_charge(&one->turn, used);
		pf_turn_add(&turns, &one->turn, 0);
	}
	return true;
}

static bool nobody_is_next(void)
{
	u64 wait_ns = 0;

	EXPECT(!pf_turn_next(&turns, 1, &wait_ns), "somebody is next");
	EXPECT(wait_ns == U64_MAX, "in %llu ns", wait_ns);
	return true;
}

static bool one_takes_all_turns(void)
{
	join(0, 1);
	for (u32 i = 0; i < 100; i++) {
		EXPECT(next_vm(1) == &vm[0], "turn %u", i);
		EXPECT(vm[0].turn.state == PF_TURN_OUT, "state %d", vm[0].turn.state);
		EXPECT(!next_vm(1), "taken twice in turn %u", i);
		pf_turn_charge(&vm[0].turn, MS);
		pf_turn_add(&turns, &vm[0].turn, 0);
	}
	return true;
}

static bool equals_take_turns(void)
{
	for (u32 i = 0; i < 10; i++)
		join(i, PF_SHARE_DEFAULT);
	for (u32 i = 0; i < 100; i++) {
		struct vm *one = next_vm(1);

		EXPECT(one == &vm[i % 10], "VM %u in turn %u", one->nr, i);
		pf_turn_charge(&one->turn, MS);
		pf_turn_add(&turns, &one->turn, 0);
	}
	return true;
}

static bool shares_are_honoured(void)
{
	static const u32 shares[][3] = {
		{ 1, 2, 100 }, { 100, 100, 100 }, { 100, 200, 10000 }, { 7, 77, 777 },
	};

	for (size_t set = 0; set < ARRAY_SIZE(shares); set++) {
		u64 seed = set, total_ns = 0, total_share = 0;

		turns = (struct pf_turns) {};
		for (u32 i = 0; i < 3; i++) {
			join(i, shares[set][i]);
			total_share += shares[set][i];
		}
		if (!run_turns(200000, MS, &seed))
			return false;
		for (u32 i = 0; i < 3; i++)
			total_ns += vm[i].got_ns;
		for (u32 i = 0; i < 3; i++) {
			u64 due_ns = total_ns / total_share * shares[set][i];

			EXPECT(vm[i].got_ns > due_ns / 100 * 98 && vm[i].got_ns < due_ns / 100 * 102,
			       "share %u of %llu got %llu ns of %llu", shares[set][i], total_share,
			       vm[i].got_ns, total_ns);
		}
	}
	return true;
}

/* Two threads scan: two VMs are out at a time, and their turns end in any order. */
static bool shares_are_honoured_by_two_threads(void)
{
	static const u32 share[] = { 150, 100, 100, 50 };
	u64 ends_ns[2] = {}, used[2] = {}, seed = 1, total_ns = 0;
	struct vm *out[2] = {};

	for (u32 i = 0; i < 4; i++)
		join(i, share[i]);
	for (u32 i = 0; i < 200000; i++) {
		u32 thread = ends_ns[1] < ends_ns[0];

		if (out[thread]) {
			out[thread]->got_ns += used[thread];
			pf_turn_charge(&out[thread]->turn, used[thread]);
			pf_turn_add(&turns, &out[thread]->turn, 0);
		}
		out[thread] = next_vm(1);
		EXPECT(out[thread], "nobody is next");
		used[thread] = MS / 2 + random_below(&seed, MS);
		ends_ns[thread] += used[thread];
	}
	for (u32 i = 0; i < 4; i++)
		total_ns += vm[i].got_ns;
	for (u32 i = 0; i < 4; i++) {
		u64 percent = vm[i].got_ns * 100 / total_ns, due = share[i] * 100 / 400;

		EXPECT(percent + 3 >= due && percent <= due + 3, "share %u of 400 got %llu %%",
		       share[i], percent);
	}
	return true;
}

static bool long_turn_is_paid_for(void)
{
	struct vm *one;

	join(0, 100);
	join(1, 100);
	one = next_vm(1);
	pf_turn_charge(&one->turn, 50 * MS);
	pf_turn_add(&turns, &one->turn, 0);
	for (u32 i = 0; i < 50; i++) {
		struct vm *other = next_vm(1);

		EXPECT(other != one, "again after %u ms of the other", i);
		pf_turn_charge(&other->turn, MS);
		pf_turn_add(&turns, &other->turn, 0);
	}
	return true;
}

/* What VM @nr gets of the next 100 turns. */
static bool part_of_next(u32 nr, u64 *seed, u32 *percent)
{
	u64 total_ns = 0;

	for (u32 i = 0; i < VMS; i++)
		vm[i].got_ns = 0;
	if (!run_turns(100, MS, seed))
		return false;
	for (u32 i = 0; i < VMS; i++)
		total_ns += vm[i].got_ns;
	*percent = vm[nr].got_ns * 100 / total_ns;
	return true;
}

static bool newcomer_gets_no_credit(void)
{
	u64 seed = 1;
	u32 percent;

	join(0, 100);
	if (!run_turns(10000, MS, &seed))
		return false;
	join(1, 100);
	if (!part_of_next(1, &seed, &percent))
		return false;
	EXPECT(percent > 45 && percent < 55, "%u %%", percent);
	return true;
}

static bool rest_gives_no_credit(void)
{
	u64 seed = 1;
	u32 percent;

	join(0, 100);
	join(1, 100);
	if (!run_turns(10, MS, &seed))
		return false;
	pf_turn_del(&turns, &vm[1].turn);
	pf_turn_add(&turns, &vm[1].turn, 2);
	if (!run_turns(10000, MS, &seed))
		return false;
	/* It is due, and takes its place as if it had come just now. */
	pf_turn_add(&turns, &next_vm(2)->turn, 0);
	if (!part_of_next(1, &seed, &percent))
		return false;
	EXPECT(percent > 45 && percent < 55, "%u %%", percent);
	return true;
}

static bool share_may_change(void)
{
	u64 seed = 1;
	u32 percent;

	join(0, 100);
	join(1, 100);
	if (!run_turns(1000, MS, &seed))
		return false;
	vm[1].turn.share = 300;
	if (!part_of_next(1, &seed, &percent))
		return false;
	EXPECT(percent > 70 && percent < 80, "%u %%", percent);
	return true;
}

/* A VM that is never done beside 20 that need one turn a pass: none of these waits for long. */
static bool huge_does_not_starve_small(void)
{
	u64 now_ns = MS, longest_ns = 0, due_ns[21] = {};
	u32 turns_of_small = 0;

	for (u32 i = 0; i <= 20; i++)
		join(i, 100);
	for (u32 i = 0; i < 20000; i++) {
		struct vm *one = next_vm(now_ns);

		EXPECT(one, "nobody is next");
		if (one->nr && longest_ns < now_ns - due_ns[one->nr] && due_ns[one->nr])
			longest_ns = now_ns - due_ns[one->nr];
		now_ns += MS;
		pf_turn_charge(&one->turn, MS);
		due_ns[one->nr] = one->nr ? now_ns + 100 * MS : 0;
		pf_turn_add(&turns, &one->turn, due_ns[one->nr]);
		turns_of_small += one->nr != 0;
	}
	EXPECT(longest_ns <= 21 * MS, "one was %llu us overdue", longest_ns / 1000);
	EXPECT(turns_of_small > 20000 / 125 * 19, "%u turns of 20000", turns_of_small);
	return true;
}

static bool resting_come_when_due(void)
{
	static const u64 due_ns[] = { 500, 100, 300, 200, 400 };
	u64 wait_ns;

	for (u32 i = 0; i < ARRAY_SIZE(due_ns); i++) {
		pf_turn_init(&vm[i].turn, 100);
		vm[i].nr = i;
		pf_turn_add(&turns, &vm[i].turn, due_ns[i]);
	}
	for (u64 now_ns = 1; now_ns <= 500; now_ns++) {
		struct vm *one = vm_of(pf_turn_next(&turns, now_ns, &wait_ns));

		if (now_ns % 100) {
			EXPECT(!one, "VM %u at %llu", one->nr, now_ns);
			EXPECT(wait_ns == 100 - now_ns % 100, "wait of %llu at %llu", wait_ns,
			       now_ns);
			continue;
		}
		EXPECT(one, "nobody at %llu", now_ns);
		EXPECT(due_ns[one->nr] == now_ns, "VM %u at %llu", one->nr, now_ns);
	}
	EXPECT(!pf_turn_next(&turns, 501, &wait_ns) && wait_ns == U64_MAX, "wait of %llu", wait_ns);
	return true;
}

static bool all_due_come_at_once(void)
{
	for (u32 i = 0; i < 10; i++) {
		pf_turn_init(&vm[i].turn, 100);
		pf_turn_add(&turns, &vm[i].turn, 10 + i);
	}
	for (u32 i = 0; i < 10; i++)
		EXPECT(next_vm(1000) == &vm[i], "not VM %u", i);
	EXPECT(!next_vm(1000), "one too many");
	return true;
}

static bool ready_goes_before_the_wait(void)
{
	pf_turn_init(&vm[1].turn, 100);
	pf_turn_add(&turns, &vm[1].turn, 1000);
	join(0, 100);
	EXPECT(next_vm(10) == &vm[0], "the one that is ready");
	EXPECT(!next_vm(10), "the one that rests");
	return true;
}

static bool deleted_is_not_next(void)
{
	join(0, 100);
	join(1, 100);
	pf_turn_init(&vm[2].turn, 100);
	pf_turn_add(&turns, &vm[2].turn, 5);
	pf_turn_del(&turns, &vm[0].turn);
	pf_turn_del(&turns, &vm[2].turn);
	/* Twice, and one that was never queued. */
	pf_turn_del(&turns, &vm[0].turn);
	pf_turn_init(&vm[3].turn, 100);
	pf_turn_del(&turns, &vm[3].turn);
	EXPECT(vm[0].turn.state == PF_TURN_OUT && vm[2].turn.state == PF_TURN_OUT, "state");
	EXPECT(next_vm(10) == &vm[1], "the one that is left");
	EXPECT(!next_vm(10), "a deleted one");
	return true;
}

static bool wake_all_ends_rests(void)
{
	u64 wait_ns;

	join(0, 100);
	for (u32 i = 1; i < 10; i++) {
		pf_turn_init(&vm[i].turn, 100);
		pf_turn_add(&turns, &vm[i].turn, U64_MAX - i);
	}
	pf_turn_wake_all(&turns);
	for (u32 i = 0; i < 10; i++)
		EXPECT(vm[i].turn.state == PF_TURN_READY, "VM %u: state %d", i, vm[i].turn.state);
	for (u32 i = 0; i < 10; i++)
		EXPECT(pf_turn_next(&turns, 1, &wait_ns), "nobody as %u.", i);
	EXPECT(!pf_turn_next(&turns, 1, &wait_ns) && wait_ns == U64_MAX, "wait of %llu", wait_ns);
	return true;
}

/*
 * As in a list that is searched from end to end: who is next has had least, and who is due does not
 * rest.
 */
static bool model_agrees(u64 now_ns, u32 step)
{
	u64 least = U64_MAX, wait_ns, next_due_ns = U64_MAX;
	struct vm *one;

	for (u32 i = 0; i < VMS; i++) {
		const struct pf_turn *turn = &vm[i].turn;
		bool due = turn->state == PF_TURN_RESTING && turn->due_ns <= now_ns;

		if (turn->state == PF_TURN_READY || due)
			least = min(least, max(turn->vtime, turns.vtime));
		else if (turn->state == PF_TURN_RESTING)
			next_due_ns = min(next_due_ns, turn->due_ns);
	}
	one = vm_of(pf_turn_next(&turns, now_ns, &wait_ns));
	EXPECT((one ? one->turn.vtime : U64_MAX) == least, "VM %d in step %u",
	       one ? (int)one->nr : -1, step);
	EXPECT(one || wait_ns == (next_due_ns == U64_MAX ? U64_MAX : next_due_ns - now_ns),
	       "wait of %llu in step %u", wait_ns, step);
	for (u32 i = 0; i < VMS; i++)
		EXPECT(vm[i].turn.state != PF_TURN_RESTING || vm[i].turn.due_ns > now_ns,
		       "VM %u still rests in step %u", i, step);
	return true;
}

static bool random_operations_are_as_in_a_model(void)
{
	u64 seed = 4, now_ns = 1;

	for (u32 i = 0; i < VMS; i++) {
		pf_turn_init(&vm[i].turn, 1 + random_below(&seed, PF_SHARE_MAX));
		vm[i].nr = i;
	}
	for (u32 step = 0; step < 100000; step++) {
		struct pf_turn *one = &vm[random_below(&seed, VMS)].turn;
		u64 due_ns = random_below(&seed, 2) ? 0 : now_ns + random_below(&seed, 1000);

		now_ns += random_below(&seed, 100);
		if (one->state == PF_TURN_OUT) {
			pf_turn_charge(one, random_below(&seed, 3) * MS);
			pf_turn_add(&turns, one, due_ns);
			EXPECT(one->state == (due_ns ? PF_TURN_RESTING : PF_TURN_READY), "state %d",
			       one->state);
		} else if (!random_below(&seed, 8)) {
			pf_turn_del(&turns, one);
		} else if (!model_agrees(now_ns, step)) {
			return false;
		}
	}
	return true;
}

static void go_first(u32 nr, bool first)
{
	pf_turn_set_first(&turns, &vm[nr].turn, first);
}

static bool first_goes_first(void)
{
	for (u32 i = 0; i < 10; i++)
		join(i, 100);
	go_first(7, true);
	EXPECT(next_vm(1) == &vm[7], "not the one that goes first");
	EXPECT(next_vm(1) == &vm[0], "not the first of the others");
	go_first(0, true);
	pf_turn_add(&turns, &vm[0].turn, 0);
	EXPECT(next_vm(1) == &vm[0], "not the one that was out when it began to go first");
	go_first(5, true);
	pf_turn_del(&turns, &vm[5].turn);
	EXPECT(next_vm(1) == &vm[1], "not the next of the others");
	return true;
}

/* Three turns of four, when all want more than they get; and shares count among their like. */
static bool first_does_not_starve_others(void)
{
	u64 seed = 1, first_ns, total_ns = 0;

	join(0, 300);
	join(1, 100);
	join(2, 300);
	join(3, 100);
	go_first(0, true);
	go_first(1, true);
	if (!run_turns(40000, MS, &seed))
		return false;
	for (u32 i = 0; i < 4; i++)
		total_ns += vm[i].got_ns;
	first_ns = vm[0].got_ns + vm[1].got_ns;
	EXPECT(first_ns > total_ns / 100 * 74 && first_ns < total_ns / 100 * 76, "%llu of %llu",
	       first_ns, total_ns);
	for (u32 i = 0; i < 4; i += 2)
		EXPECT(vm[i].got_ns > vm[i + 1].got_ns / 100 * 294 &&
		       vm[i].got_ns < vm[i + 1].got_ns / 100 * 306, "%llu to %llu", vm[i].got_ns,
		       vm[i + 1].got_ns);
	return true;
}

static bool alone_it_takes_all_turns(void)
{
	u64 seed = 1;

	join(0, 100);
	go_first(0, true);
	if (!run_turns(1000, MS, &seed))
		return false;
	/* None of these kept anybody waiting: another one that comes now is not owed any. */
	join(1, 100);
	for (u32 i = 0; i < PF_FIRST_TURNS; i++) {
		EXPECT(next_vm(1) == &vm[0], "not in turn %u", i);
		pf_turn_add(&turns, &vm[0].turn, 0);
	}
	EXPECT(next_vm(1) == &vm[1], "the other one is kept waiting");
	return true;
}

/* What it got while it went first is no debt afterwards, nor is what it did not need a credit. */
static bool going_first_is_no_debt(void)
{
	u64 seed = 1;
	u32 percent;

	join(0, 100);
	join(1, 100);
	go_first(0, true);
	if (!run_turns(10000, MS, &seed))
		return false;
	go_first(0, false);
	if (!part_of_next(0, &seed, &percent))
		return false;
	EXPECT(percent > 45 && percent < 55, "%u %% afterwards", percent);
	go_first(0, true);
	if (!run_turns(10000, MS, &seed))
		return false;
	join(2, 100);
	go_first(2, true);
	/* Three quarters for both: each gets its half of them. */
	if (!part_of_next(2, &seed, &percent))
		return false;
	EXPECT(percent > 32 && percent < 43, "%u %% of a newcomer", percent);
	return true;
}

static bool going_first_ends_a_rest(void)
{
	join(0, 100);
	pf_turn_init(&vm[1].turn, 100);
	pf_turn_add(&turns, &vm[1].turn, 1000);
	go_first(1, true);
	EXPECT(next_vm(1) == &vm[1], "it rests on");
	pf_turn_add(&turns, &vm[1].turn, 1000);
	go_first(1, true);
	EXPECT(vm[1].turn.state == PF_TURN_RESTING, "woken though it went first already");
	go_first(1, false);
	EXPECT(vm[1].turn.state == PF_TURN_RESTING, "woken to go first no longer");
	EXPECT(next_vm(1000) == &vm[0] && next_vm(1000) == &vm[1], "not among the others");
	/* Its pass ended while it began to go first: what comes next is what it did not rest for. */
	go_first(1, true);
	pf_turn_add(&turns, &vm[1].turn, 2000);
	EXPECT(next_vm(1000) == &vm[1], "it rests after the turn in which it began to go first");
	pf_turn_add(&turns, &vm[1].turn, 2000);
	EXPECT(vm[1].turn.state == PF_TURN_RESTING, "it never rests");
	return true;
}

static const struct test tests[] = {
	{ "nobody is next in an empty queue", nobody_is_next },
	{ "one VM takes all turns, but not two at a time", one_takes_all_turns },
	{ "equal VMs take turns in the order they came", equals_take_turns },
	{ "shares are honoured", shares_are_honoured },
	{ "shares are honoured by two threads", shares_are_honoured_by_two_threads },
	{ "a long turn is paid for", long_turn_is_paid_for },
	{ "who joins gets no credit", newcomer_gets_no_credit },
	{ "who rested gets no credit", rest_gives_no_credit },
	{ "a share may change", share_may_change },
	{ "a huge VM does not starve small ones", huge_does_not_starve_small },
	{ "who rests comes when due, not before", resting_come_when_due },
	{ "all that are due come", all_due_come_at_once },
	{ "who is ready does not wait for who rests", ready_goes_before_the_wait },
	{ "who was deleted is not next", deleted_is_not_next },
	{ "wake_all ends all rests", wake_all_ends_rests },
	{ "who goes first goes first", first_goes_first },
	{ "who goes first leaves a quarter to others", first_does_not_starve_others },
	{ "who goes first, alone, takes all turns", alone_it_takes_all_turns },
	{ "going first is no debt and no credit", going_first_is_no_debt },
	{ "who begins to go first rests no longer", going_first_ends_a_rest },
	{ "random operations are as in a model", random_operations_are_as_in_a_model },
};

const struct suite turn_suite = { "turn", tests, ARRAY_SIZE(tests) };
