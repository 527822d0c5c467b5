// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drive the hint table and the turns with operations from bytes, beside models of both.
 *
 * Built with clang's libFuzzer (make fuzz), and as a test that makes its own bytes, the same each
 * time. A model that disagrees aborts: that is what a fuzzer looks for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/slab.h>

#include "hint.h"
#include "test.h"
#include "turn.h"

#define KEYS	64
#define PLACES	64
#define VMS	16

#define MUST(condition) do {						\
	if (!(condition)) {						\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
		abort();						\
	}								\
} while (0)

/**
 * struct state - what one input is run on
 * @data: the bytes that are left
 * @left: how many
 * @table: hints under test
 * @added: of each key and place, whether a hint may be there
 * @turns: turns under test
 * @turn: of each VM
 * @now_ns: simulated time
 */
struct state {
	const u8 *data;
	size_t left;
	struct pf_hint_table table;
	bool added[KEYS][PLACES];
	struct pf_turns turns;
	struct pf_turn turn[VMS];
	u64 now_ns;
};

static u8 take(struct state *state)
{
	if (!state->left)
		return 0;
	state->left--;
	return *state->data++;
}

/* Few buckets and all tags, so that keys meet in buckets and never in a tag. */
static u64 key_of(u32 nr)
{
	return (u64)(nr % 4) << 62 | (u64)nr << 20 | nr;
}

static struct pf_place place_of(u32 nr)
{
	return (struct pf_place) { .vm = nr + 1, .page = PF_HINT_MAX_PAGE - nr };
}

static void check_find(struct state *state, u32 key)
{
	struct pf_place found[PF_HINT_MAX_FOUND];
	unsigned int nr = pf_hint_find(&state->table, key_of(key), found);

	MUST(nr <= PF_HINT_MAX_FOUND);
	while (nr--) {
		u32 place = found[nr].vm - 1;

		MUST(place < PLACES && found[nr].page == PF_HINT_MAX_PAGE - place);
		MUST(state->added[key][place]);
	}
}

static void resize(struct state *state, u64 pages)
{
	u32 want = pf_hint_table_want(state->table.nr_buckets, pages);

	MUST(!want == !pages);
	if (want != state->table.nr_buckets)
		MUST(!pf_hint_table_resize(&state->table, want, pages));
	MUST(state->table.nr_buckets == want);
	/* A hint may be left only where there is a table to have it. */
	if (!want)
		memset(state->added, 0, sizeof(state->added));
}

static void hint_step(struct state *state, u8 what)
{
	u32 key = take(state) % KEYS, place = take(state) % PLACES;
	bool had_table = state->table.bucket;

	switch (what % 8) {
	case 0:
		resize(state, (u64)place * place * 8);
		break;
	case 1:
		pf_hint_age(&state->table, true);
		MUST(!state->table.old);
		break;
	case 2:
		pf_hint_del(&state->table, key_of(key), place_of(place));
		break;
	case 3:
	case 4:
		check_find(state, key);
		break;
	default:
		pf_hint_add(&state->table, key_of(key), place_of(place));
		state->added[key][place] |= had_table;
		check_find(state, key);
	}
}

static void check_next(struct state *state)
{
	bool queued = false;
	struct pf_turn *next;
	u64 wait_ns;

	next = pf_turn_next(&state->turns, state->now_ns, &wait_ns);
	if (next) {
		MUST(next->state == PF_TURN_OUT && next->due_ns <= state->now_ns);
		MUST(state->turns.vtime == next->vtime);
	}
	for (u32 i = 0; i < VMS; i++) {
		const struct pf_turn *turn = &state->turn[i];

		if (turn->state == PF_TURN_READY)
			MUST(next && next->vtime <= turn->vtime);
		if (turn->state == PF_TURN_RESTING) {
			MUST(turn->due_ns > state->now_ns);
			MUST(next || wait_ns <= turn->due_ns - state->now_ns);
			queued = true;
		}
	}
	MUST(next || queued || wait_ns == U64_MAX);
}

static void turn_step(struct state *state, u8 what)
{
	u8 one = take(state), amount = take(state);
	struct pf_turn *turn = &state->turn[one % VMS];
	u64 vtime = turn->vtime;

	switch (what % 8) {
	case 0:
		pf_turn_wake_all(&state->turns);
		for (u32 i = 0; i < VMS; i++) {
			MUST(state->turn[i].state != PF_TURN_RESTING);
			/* Else the model would take it for early. */
			state->turn[i].due_ns = 0;
		}
		break;
	case 1:
		pf_turn_del(&state->turns, turn);
		MUST(turn->state == PF_TURN_OUT);
		break;
	case 2:
		state->now_ns += (u64)amount << one % 16;
		break;
	case 3:
	case 4:
		check_next(state);
		break;
	default:
		if (turn->state != PF_TURN_OUT)
			break;
		pf_turn_charge(turn, (u64)amount << 12);
		MUST(turn->vtime >= vtime);
		pf_turn_add(&state->turns, turn, amount & 1 ? 0 : state->now_ns + amount);
		MUST(turn->state != PF_TURN_OUT);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u32 share[] = { PF_SHARE_MIN, PF_SHARE_DEFAULT, PF_SHARE_MAX };
	struct state state = { .data = data, .left = size, .now_ns = 1 };

	for (u32 i = 0; i < VMS; i++)
		pf_turn_init(&state.turn[i], share[i % ARRAY_SIZE(share)]);
	while (state.left) {
		u8 what = take(&state);

		if (what & 0x80)
			turn_step(&state, what);
		else
			hint_step(&state, what);
	}
	pf_hint_table_free(&state.table);
	MUST(!pf_hint_table_bytes(&state.table) && !shim_memory.bytes);
	return 0;
}

#ifndef PF_LIBFUZZER

#define INPUTS	3000

static bool random_inputs(void)
{
	static u8 data[3 * 1000];
	u64 seed = 5;

	for (u32 input = 0; input < INPUTS; input++) {
		size_t size = random_below(&seed, sizeof(data));

		for (size_t i = 0; i < size; i++)
			data[i] = next_random(&seed);
		LLVMFuzzerTestOneInput(data, size);
	}
	return true;
}

static const struct test tests[] = {
	{ "3000 random inputs to hints and turns", random_inputs },
};

const struct suite fuzz_suite = { "fuzz", tests, ARRAY_SIZE(tests) };

#endif
