// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the cadence: is the percentage kept, in a simulated time that a test can run through in
 * no time?
 */
#include "cadence.h"
#include "test.h"

#define MS		1000000ULL
#define SECOND		(1000 * MS)

/* A scan thread: what it is told to do, its clocks, its budget. */
struct thread {
	struct pf_cadence cadence;
	u64 now_ns;
	u64 cpu_ns;
	u64 work_ns;		/* longest piece of work */
	u64 blocked_ns;		/* longest wait for a lock within a piece */
	u64 oversleep_ns; /* longest that a rest takes too long; it always is by 50 us, a timer's slack */
	u64 seed;
};

static void start(struct thread *thread, unsigned int percent)
{
	/* Clocks that have run before, and not equally. */
	thread->now_ns = 123456789 * MS;
	thread->cpu_ns = 77 * MS;
	thread->seed = percent;
	pf_cadence_init(&thread->cadence, percent, thread->now_ns, thread->cpu_ns);
}

static u64 some(struct thread *thread, u64 most)
{
	return most ? random_below(&thread->seed, most) : 0;
}

static void work(struct thread *thread, u64 cpu_ns)
{
	thread->cpu_ns += cpu_ns;
	thread->now_ns += cpu_ns;
}

/* Rest until it may work on. */
static bool rest(struct thread *thread)
{
	for (u32 rests = 0; rests < 1000; rests++) {
		u64 ns = pf_cadence_rest(&thread->cadence, thread->now_ns, thread->cpu_ns);

		if (!ns)
			return true;
		EXPECT(ns <= SECOND, "a rest of %llu ns", ns);
		thread->now_ns += ns + MS / 20 + some(thread, thread->oversleep_ns);
	}
	EXPECT(false, "1000 rests in a row with %lld ns of credit", thread->cadence.credit_ns);
}

/* Work and rest for that long; *@used is what part of it was work, in units of 1/10000. */
static bool run_for(struct thread *thread, u64 ns, u64 *used)
{
	u64 begin_ns = thread->now_ns, begin_cpu_ns = thread->cpu_ns;

	while (thread->now_ns - begin_ns < ns) {
		work(thread, 1 + some(thread, thread->work_ns));
		thread->now_ns += some(thread, thread->blocked_ns);
		if (!rest(thread))
			return false;
	}
	*used = (thread->cpu_ns - begin_cpu_ns) * 10000 / (thread->now_ns - begin_ns);
	return true;
}

/* Within 2 % of what was asked for. */
static bool percent_is_kept(struct thread *thread, u64 work_ns, u64 oversleep_ns)
{
	for (unsigned int percent = 1; percent <= 100; percent++) {
		u64 used;

		start(thread, percent);
		thread->work_ns = work_ns;
		thread->oversleep_ns = oversleep_ns;
		if (!run_for(thread, 20 * SECOND, &used))
			return false;
		EXPECT(used >= percent * 98 && used <= percent * 102,
		       "%llu/100 %% instead of %u %%", used, percent);
	}
	return true;
}

static bool percent_is_kept_in_short_turns(void)
{
	return percent_is_kept(&(struct thread) {}, MS / 10, 0);
}

static bool percent_is_kept_in_turns(void)
{
	return percent_is_kept(&(struct thread) {}, 2 * MS, 0);
}

/* A tick of 4 ms is how exactly a thread wakes up with HZ=250. */
static bool percent_is_kept_by_a_sound_sleeper(void)
{
	return percent_is_kept(&(struct thread) {}, 2 * MS, 4 * MS);
}

static bool waiting_is_no_work(void)
{
	for (unsigned int percent = 1; percent < 100; percent += 7) {
		struct thread thread = { .work_ns = 2 * MS, .blocked_ns = 30 * MS };
		u64 used;

		start(&thread, percent);
		if (!run_for(&thread, 20 * SECOND, &used))
			return false;
		EXPECT(used <= percent * 102, "%llu/100 %% instead of %u %%", used, percent);
		EXPECT(used >= min(percent, 5U) * 98,
		       "%llu/100 %% of %u %% although 6 are possible", used, percent);
	}
	return true;
}

static bool hundred_percent_never_rests(void)
{
	struct thread thread = {};

	start(&thread, 100);
	for (u32 i = 0; i < 1000; i++) {
		u64 ns;

		work(&thread, 50 * MS);
		/* The two clocks do not agree to the last bit. */
		thread.cpu_ns += 1000;
		ns = pf_cadence_rest(&thread.cadence, thread.now_ns, thread.cpu_ns);
		EXPECT(!ns, "a rest of %llu ns", ns);
	}
	return true;
}

/* What may be worked without a rest after @idle_ns of nothing, in pieces of 100 us. */
static u64 burst_after(struct thread *thread, u64 idle_ns)
{
	u64 burst = 0;

	thread->now_ns += idle_ns;
	while (!pf_cadence_rest(&thread->cadence, thread->now_ns, thread->cpu_ns) &&
	       burst < SECOND) {
		work(thread, MS / 10);
		burst += MS / 10;
	}
	return burst;
}

static bool credit_is_capped(void)
{
	for (unsigned int percent = 1; percent <= 50; percent += 7) {
		struct thread thread = {};
		u64 burst;

		start(&thread, percent);
		burst = burst_after(&thread, 3600 * SECOND);
		EXPECT(burst <= 11 * MS, "%llu ns in a row at %u %%", burst, percent);
		EXPECT(burst >= 5 * MS, "only %llu ns in a row at %u %%", burst, percent);
	}
	return true;
}

static bool debt_is_paid_in_full(void)
{
	struct thread thread = {};
	u64 begin_ns;

	start(&thread, 1);
	begin_ns = thread.now_ns;
	work(&thread, 100 * MS);
	if (!rest(&thread))
		return false;
	EXPECT(thread.now_ns - begin_ns >= 9999 * MS, "100 ms at 1 %% were over after %llu ms",
	       (thread.now_ns - begin_ns) / MS);
	EXPECT(thread.now_ns - begin_ns <= 10001 * MS, "100 ms at 1 %% were over after %llu ms",
	       (thread.now_ns - begin_ns) / MS);
	return true;
}

/*
 * Who rests exactly as long as told may work then: not be sent to rest once more, for nanoseconds.
 */
static bool one_rest_is_enough(void)
{
	for (unsigned int percent = 1; percent < 100; percent++) {
		for (u64 used = 1; used < 5 * MS; used = used * 3 + 1) {
			struct thread thread = {};
			u64 ns;

			start(&thread, percent);
			work(&thread, used);
			thread.now_ns += pf_cadence_rest(&thread.cadence, thread.now_ns,
							 thread.cpu_ns);
			ns = pf_cadence_rest(&thread.cadence, thread.now_ns, thread.cpu_ns);
			EXPECT(!ns, "%llu ns more after %llu ns of work at %u %%", ns, used,
			       percent);
		}
	}
	return true;
}

static bool idle_for_ever_is_no_overflow(void)
{
	static const u64 idle[] = { U64_MAX / 100, U64_MAX / 2, U64_MAX / 2 + 1, U64_MAX - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
		for (unsigned int percent = 0; percent <= 50; percent += 25) {
			struct thread thread = {};
			u64 burst;

			start(&thread, percent);
			burst = burst_after(&thread, idle[i]);
			EXPECT(burst >= 5 * MS && burst <= 11 * MS, "%llu ns after %llu at %u %%",
			       burst, idle[i], percent);
		}
	}
	return true;
}

static bool init_forgets(void)
{
	struct thread thread = {};

	start(&thread, 1);
	work(&thread, 500 * MS);
	EXPECT(pf_cadence_rest(&thread.cadence, thread.now_ns, thread.cpu_ns), "no rest");
	pf_cadence_found(&thread.cadence, 4000, 4000);
	pf_cadence_init(&thread.cadence, 50, thread.now_ns, thread.cpu_ns);
	EXPECT(!pf_cadence_rest(&thread.cadence, thread.now_ns, thread.cpu_ns), "the old debt");
	EXPECT(thread.cadence.now == 50 && !thread.cadence.scanned, "%u %%", thread.cadence.now);
	return true;
}

static unsigned int auto_after(u32 windows, u64 scanned, u64 found)
{
	struct pf_cadence cadence;

	pf_cadence_init(&cadence, PF_CPU_PERCENT_AUTO, 0, 0);
	while (windows--)
		pf_cadence_found(&cadence, scanned, found);
	return cadence.now;
}

static bool auto_follows_the_yield(void)
{
	unsigned int begin = auto_after(0, 0, 0);
	static const struct {
		u64 found;
		int direction;
	} yield[] = {
		{ 0, -1 }, { 7, -1 }, { 8, 0 }, { 100, 0 }, { 255, 0 }, { 256, 1 }, { 8192, 1 },
	};

	EXPECT(begin > PF_AUTO_PERCENT_MIN && begin < PF_AUTO_PERCENT_MAX, "begins with %u", begin);
	for (size_t i = 0; i < ARRAY_SIZE(yield); i++) {
		unsigned int now = auto_after(1, 8192, yield[i].found);
		int direction = (now > begin) - (now < begin);

		EXPECT(direction == yield[i].direction, "%u from %u after %llu of 8192", now, begin,
		       yield[i].found);
	}
	return true;
}

static bool auto_stays_in_bounds(void)
{
	for (u32 windows = 0; windows < 40; windows++) {
		unsigned int low = auto_after(windows, 8192, 0);
		unsigned int high = auto_after(windows, 8192, 8192);

		EXPECT(low >= PF_AUTO_PERCENT_MIN && low <= PF_AUTO_PERCENT_MAX, "%u", low);
		EXPECT(high >= PF_AUTO_PERCENT_MIN && high <= PF_AUTO_PERCENT_MAX, "%u", high);
	}
	EXPECT(auto_after(40, 8192, 0) == PF_AUTO_PERCENT_MIN, "%u", auto_after(40, 8192, 0));
	EXPECT(auto_after(40, 8192, 8192) == PF_AUTO_PERCENT_MAX, "%u", auto_after(40, 8192, 8192));
	return true;
}

static bool auto_recovers(void)
{
	struct pf_cadence cadence;

	pf_cadence_init(&cadence, PF_CPU_PERCENT_AUTO, 0, 0);
	for (u32 i = 0; i < 40; i++)
		pf_cadence_found(&cadence, 8192, 0);
	for (u32 i = 0; i < 5; i++)
		pf_cadence_found(&cadence, 8192, 1000);
	EXPECT(cadence.now == PF_AUTO_PERCENT_MAX, "%u %% after 5 good windows", cadence.now);
	return true;
}

/* 512 pages of luck say nothing; many such windows together do, and are judged once. */
static bool auto_waits_for_a_window(void)
{
	struct pf_cadence cadence;
	unsigned int begin, changes = 0, last;

	pf_cadence_init(&cadence, PF_CPU_PERCENT_AUTO, 0, 0);
	begin = last = cadence.now;
	for (u32 i = 0; i < 7; i++)
		pf_cadence_found(&cadence, 512, 512);
	EXPECT(cadence.now == begin, "%u after %u pages", cadence.now, 7 * 512);
	for (u32 i = 7; i < 16; i++) {
		pf_cadence_found(&cadence, 512, 0);
		changes += cadence.now != last;
		last = cadence.now;
	}
	EXPECT(changes == 2, "%u changes in two windows", changes);
	EXPECT(cadence.now < 2 * begin, "%u although the second window was bad", cadence.now);
	return true;
}

static bool fixed_percent_is_fixed(void)
{
	struct pf_cadence cadence;

	pf_cadence_init(&cadence, 25, 0, 0);
	for (u32 i = 0; i < 40; i++) {
		pf_cadence_found(&cadence, 8192, i < 20 ? 8192 : 0);
		EXPECT(cadence.now == 25, "%u", cadence.now);
	}
	return true;
}

static const struct test tests[] = {
	{ "1 to 100 percent are kept in turns of 0.1 ms", percent_is_kept_in_short_turns },
	{ "1 to 100 percent are kept in turns of 2 ms", percent_is_kept_in_turns },
	{ "1 to 100 percent are kept by who sleeps 4 ms too long",
	  percent_is_kept_by_a_sound_sleeper },
	{ "waiting for locks is no work", waiting_is_no_work },
	{ "100 percent never rests", hundred_percent_never_rests },
	{ "an hour of nothing gives no more than 5 ms", credit_is_capped },
	{ "a debt is paid in full, in rests of a second at most", debt_is_paid_in_full },
	{ "one rest is enough", one_rest_is_enough },
	{ "idle for ever is no overflow", idle_for_ever_is_no_overflow },
	{ "a new budget forgets the old one", init_forgets },
	{ "auto follows the yield", auto_follows_the_yield },
	{ "auto stays in its bounds", auto_stays_in_bounds },
	{ "auto recovers", auto_recovers },
	{ "auto waits for a window", auto_waits_for_a_window },
	{ "a fixed percentage is fixed", fixed_percent_is_fixed },
};

const struct suite cadence_suite = { "cadence", tests, ARRAY_SIZE(tests) };
