// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scan: threads, turns, passes.
 *
 * A thread takes the VM whose turn it is, scans a piece of it, puts it back and rests as its budget
 * says. A pass of a VM goes once through its memory, upwards. A round is over when every VM has
 * completed a pass since the last round; hints age by rounds.
 */
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mmap_lock.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <uapi/linux/sched/types.h>

#include "breaks.h"
#include "cputime.h"
#include "fault.h"
#include "region.h"
#include "reserve.h"
#include "scan.h"
#include "table.h"
#include "trace.h"

/* A turn ends after a region's worth of pages, or after so many small mappings. */
#define PF_TURN_RANGES		16
/* Or after so many regions that rest, each of which costs a look at the mappings. */
#define PF_TURN_RESTS		64
/*
 * A VM without anything to scan is asked again after this time even if passes may follow at once.
 */
#define PF_EMPTY_PASS_NS	(20 * NSEC_PER_MSEC)
/* In a pass that brings out fresh pages it is done so often at most, see range.c. */
#define PF_DRAINS		2
/* What folding a page is taken to cost before it was measured. */
#define PF_NS_PER_PAGE		20000
#define PF_SCAN_NICE		5
/* Longer than what anybody has who did not ask for more, and no longer than may be asked for. */
#define PF_SCAN_SLICE_NS	(50 * NSEC_PER_MSEC)
/* A thread looks at the queue this often even while every VM rests. */
#define PF_REST_MAX_NS		NSEC_PER_SEC
/* The hint table serves no VM with fewer pages than this. */
#define PF_HINT_PAGES_MIN	64

struct pf_knobs pf_knobs = {
	.cpu_percent = PF_CPU_PERCENT_AUTO,
	/*
	 * Memory that did not change need not be read at once again: it burns the budget of others.
	 */
	.pass_interval_ms = 10000,
	/* An eighth of a huge page: less is not worth what its guest loses in TLB reach. */
	.huge_pages = 64,
	/* What never changes is read in one pass of 32, and folded within minutes when it does. */
	.rest_passes = 31,
	/* A fault that waits this long is one that a guest does not notice. */
	.hold_max_us = 1000,
	/*
	 * A guest that wakes up does not notice it beside what waking takes, and each page costs a
	 * tenth more then. Half of it would cost as much again.
	 */
	.busy_hold_max_us = 10,
	.fold_zero = true,
};

struct pf_hint_table pf_hints = { .lock = __RWSEM_INITIALIZER(pf_hints.lock) };
u16 pf_hints_gen;

/* Held by whoever fits the size of pf_hints. */
static DEFINE_MUTEX(pf_hint_fit_lock);

/* Protects the queue of VMs, the rounds, and what VMs add to pf_hint_pages. */
static DEFINE_SPINLOCK(pf_turns_lock);

static struct pf_turns pf_turns = {
	.ready = RB_ROOT_CACHED,
	.first = RB_ROOT_CACHED,
	.resting = RB_ROOT_CACHED,
};

static u64 pf_round = 1;
static unsigned int pf_round_vms;
static unsigned int pf_round_left;
static u64 pf_hint_pages;

static DECLARE_WAIT_QUEUE_HEAD(pf_scan_wait);
static atomic_t pf_scan_kicks = ATOMIC_INIT(0);
static unsigned int pf_percent_now;

/* Threads; changed only by pf_scan_start() and pf_scan_stop(), whose callers exclude each other. */
static struct pf_worker *pf_workers[PF_THREADS_MAX];
static unsigned int pf_nr_workers;

/*
 * The round is over if all VMs have completed a pass. Returns its number then, else 0. Caller holds
 * pf_turns_lock.
 */
static u64 pf_round_check(void)
{
	lockdep_assert_held(&pf_turns_lock);
	if (pf_round_left)
		return 0;
	pf_round_left = pf_round_vms;
	pf_round++;
	return pf_round_vms ? pf_round - 1 : 0;
}

/* Hints for more pages are made only of memory that nobody needs. */
static bool pf_hints_may_take(u32 nr_buckets)
{
	return nr_buckets <= pf_hints.nr_buckets ||
	       pf_reserve_allows(PFN_UP((u64)nr_buckets * sizeof(struct pf_hint_bucket)));
}

static void pf_round_end(u64 round)
{
	/* Hints of a region that rests are not refreshed, and are no worse for that. */
	pf_hint_age(&pf_hints, round % (READ_ONCE(pf_knobs.rest_passes) + 1) == 0);
	atomic64_inc(&pf_totals.passes);
}

/**
 * pf_scan_look_anew() - have nothing rest in the next pass
 *
 * For when what could be folded is no longer what it was.
 */
void pf_scan_look_anew(void)
{
	down_write(&pf_hints.lock);
	/* Pairs with pf_range_scan(): who sees the new number sees what else is new. */
	smp_store_release(&pf_hints_gen, pf_hints_gen + 1);
	up_write(&pf_hints.lock);
}

static u64 pf_hints_served(void)
{
	u64 pages;

	spin_lock(&pf_turns_lock);
	pages = pf_hint_pages;
	spin_unlock(&pf_turns_lock);
	return pages;
}

/* Give the hint table the size that fits @pages. Caller holds pf_hint_fit_lock. */
static int pf_hints_resize(u64 pages)
{
	u32 want = pf_hint_table_want(pf_hints.nr_buckets, pages);
	int err;

	/* Of former buckets and fewer pages than then, the former buckets have to go. */
	if (want == pf_hints.nr_buckets &&
	    (!pf_hints.nr_old ||
	     pf_hint_table_bytes(&pf_hints) <= pages * PF_HINT_MAX_BYTES_PER_PAGE))
		return 0;
	if (!pf_hints_may_take(want))
		return -ENOMEM;
	pf_fault_hold(PF_FAULT_HINTS_HOLD);
	err = pf_hint_table_resize(&pf_hints, want, pages);
	/* Whoever rests is looked at, to leave his hints in the new table. */
	if (!err)
		pf_scan_look_anew();
	return err;
}

/* Make the hint table as large as the VMs need it; unless somebody is at it, if not to @wait. */
static int pf_hints_fit(bool wait)
{
	u64 pages;
	int err;

	do {
		/* In the middle of a resize there may be no table for a moment. */
		if (wait)
			mutex_lock(&pf_hint_fit_lock);
		else if (!mutex_trylock(&pf_hint_fit_lock))
			return 0;
		pages = pf_hints_served();
		err = pf_hints_resize(pages);
		mutex_unlock(&pf_hint_fit_lock);
		/* Who came meanwhile and did not wait leaves it to us. */
	} while (!err && pages != pf_hints_served());
	return err;
}

/* Have the hint table serve @pages for this VM from now on, none once it is removed. */
static int pf_hints_serve(struct pf_vm *vm, u64 pages, bool wait)
{
	spin_lock(&pf_turns_lock);
	/* A turn of it may still be under way. */
	if (!vm->turn.share)
		pages = 0;
	pf_hint_pages += pages - vm->hint_pages;
	vm->hint_pages = pages;
	spin_unlock(&pf_turns_lock);
	return pf_hints_fit(wait);
}

/*
 * Pages of a VM that may leave hints: what this pass or the last one scanned, which may be less
 * than its memory. Before anything is known it is all of that.
 */
static u64 pf_hints_pages(struct pf_vm *vm)
{
	u64 pages = max(vm->scanned_now, vm->scanned_last);

	if (!vm->passes)
		pages = max(pages, (u64)pf_vm_resident_pages(vm));
	return max_t(u64, pages, PF_HINT_PAGES_MIN);
}

/* Follow the VM's memory when it has grown or shrunk by more than a little. */
static void pf_hints_follow(struct pf_worker *worker, struct pf_vm *vm)
{
	u64 pages = pf_hints_pages(vm), slack = vm->hint_pages / 64 + PF_HINT_PAGES_MIN;

	if (pages <= vm->hint_pages + slack && pages + slack >= vm->hint_pages)
		return;
	/*
	 * A smaller table would lose what this pass has left in it, and what is folded meanwhile
	 * only makes the VM seem smaller.
	 */
	if (vm->cursor && pages < vm->hint_pages)
		return;
	if (pf_hints_serve(vm, pages, false))
		worker->turn.count[PF_SKIP_NOMEM]++;
}

/**
 * pf_scan_add() - queue a VM
 * @vm: a VM that is being registered
 *
 * Context: may sleep.
 */
void pf_scan_add(struct pf_vm *vm)
{
	spin_lock(&pf_turns_lock);
	pf_turn_add(&pf_turns, &vm->turn, 0);
	pf_round_vms++;
	pf_round_left++;
	spin_unlock(&pf_turns_lock);
	/* Without memory for hints now there may be some when the VM begins its next pass. */
	if (pf_hints_serve(vm, pf_hints_pages(vm), true))
		atomic64_inc(&pf_totals.count[PF_SKIP_NOMEM]);
	pf_scan_kick();
}

/**
 * pf_scan_del() - have a VM scanned no more
 * @vm: a VM that is being removed; a turn of it may still be under way
 *
 * Context: may sleep.
 */
void pf_scan_del(struct pf_vm *vm)
{
	u64 over = 0;

	spin_lock(&pf_turns_lock);
	pf_turn_del(&pf_turns, &vm->turn);
	vm->turn.share = 0;
	pf_round_vms--;
	if (vm->round != pf_round) {
		pf_round_left--;
		over = pf_round_check();
	}
	spin_unlock(&pf_turns_lock);
	if (over)
		pf_round_end(over);
	pf_hints_serve(vm, 0, true);
}

/**
 * pf_scan_wake_vms() - have every VM begin its next pass now
 */
void pf_scan_wake_vms(void)
{
	spin_lock(&pf_turns_lock);
	pf_turn_wake_all(&pf_turns);
	spin_unlock(&pf_turns_lock);
	pf_scan_kick();
}

/**
 * pf_scan_kick() - have the threads look at the queue and at the knobs anew
 */
void pf_scan_kick(void)
{
	atomic_inc(&pf_scan_kicks);
	wake_up_all(&pf_scan_wait);
}

/**
 * pf_scan_set_share() - change a VM's share of the scan
 * @vm: the VM
 * @share: PF_SHARE_MIN..PF_SHARE_MAX
 */
void pf_scan_set_share(struct pf_vm *vm, u32 share)
{
	spin_lock(&pf_turns_lock);
	if (vm->turn.share)
		vm->turn.share = share;
	spin_unlock(&pf_turns_lock);
}

/*
 * Is a VM scanned before others? If it begins to be, all of it is looked at once more.
 * Caller holds pf_turns_lock.
 */
static bool pf_scan_judge(struct pf_vm *vm)
{
	bool first = pf_target_exceeded(vm);

	lockdep_assert_held(&pf_turns_lock);
	if (first && !vm->turn.first)
		WRITE_ONCE(vm->awake, true);
	pf_turn_set_first(&pf_turns, &vm->turn, first);
	return first;
}

/**
 * pf_scan_heed_target() - scan a VM before others if it is above its target
 * @vm: the VM, whose target has changed
 */
void pf_scan_heed_target(struct pf_vm *vm)
{
	bool first;

	/* Under the lock, lest a turn that ends now puts it back by what its target was. */
	spin_lock(&pf_turns_lock);
	first = pf_scan_judge(vm);
	spin_unlock(&pf_turns_lock);
	if (first)
		pf_scan_kick();
}

static u64 pf_pass_interval_ns(void)
{
	return (u64)READ_ONCE(pf_knobs.pass_interval_ms) * NSEC_PER_MSEC;
}

/* Take the VM whose turn it is, with a reference; or say how long to wait. */
static struct pf_vm *pf_scan_next_vm(u64 *wait_ns)
{
	struct pf_turn *turn;
	struct pf_vm *vm = NULL;

	spin_lock(&pf_turns_lock);
	turn = pf_turn_next(&pf_turns, ktime_get_ns(), wait_ns);
	if (turn) {
		vm = container_of(turn, struct pf_vm, turn);
		pf_vm_get(vm);
	}
	spin_unlock(&pf_turns_lock);
	return vm;
}

/*
 * Put a VM back behind its turn: not before @due_ns, nor before its pass that began at @pass_ns and
 * is over now is as old as a pass has to be; 0 for none.
 */
static void pf_scan_put_vm(struct pf_vm *vm, u64 used_ns, u64 due_ns, u64 pass_ns)
{
	spin_lock(&pf_turns_lock);
	/* A share of 0: it was removed meanwhile. */
	if (vm->turn.share) {
		/* Under the lock: whoever shortens the interval wakes only those that are back. */
		if (pass_ns)
			due_ns = max(due_ns, pass_ns + pf_pass_interval_ns());
		if (due_ns <= ktime_get_ns())
			due_ns = 0;
		pf_turn_charge(&vm->turn, used_ns);
		pf_scan_judge(vm);
		pf_turn_add(&pf_turns, &vm->turn, due_ns);
	}
	spin_unlock(&pf_turns_lock);
	pf_vm_put(vm);
}

/* Count the pages of a mapping that is passed over. */
static void pf_scan_pass_over(struct pf_worker *worker, struct vm_area_struct *vma,
			      enum pf_stat skip)
{
	/*
	 * Where nothing was ever written there is nothing to pass over: reservations can be huge.
	 */
	if (!vma_is_anonymous(vma) || vma->anon_vma)
		worker->turn.count[skip] += vma_pages(vma);
}

/*
 * What of the next mapping is still to come, and why it is passed over, if it is. The lock is let
 * go with each: who scans gives way to others, and with it a VM that wants to map something would
 * wait for all of them, and behind it the VM's faults.
 */
static bool pf_scan_next_vma(struct pf_worker *worker, struct pf_vm *vm, unsigned long *start,
			     unsigned long *end, enum pf_stat *skip)
{
	struct mm_struct *mm = vm->watch.mm;
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return false;
	vma = find_vma(mm, vm->cursor);
	if (vma) {
		*start = max(vm->cursor, vma->vm_start);
		*end = vma->vm_end;
		*skip = pf_vma_skip(vma, READ_ONCE(vm->policy));
		if (*skip != PF_SKIP_NONE)
			pf_scan_pass_over(worker, vma, *skip);
	}
	mmap_read_unlock(mm);
	return vma;
}

/*
 * The next range of the VM that may be scanned: its address, and its pages; 0 when the pass is
 * over, or the thread is to stop.
 */
static unsigned int pf_scan_next_range(struct pf_worker *worker, struct pf_vm *vm,
				       unsigned long *start)
{
	enum pf_stat skip;
	unsigned long end;

	while (pf_scan_next_vma(worker, vm, start, &end, &skip)) {
		if (skip == PF_SKIP_NONE) {
			end = min(end, (*start & PF_REGION_MASK) + PF_REGION_SIZE);
			vm->cursor = end;
			return (end - *start) >> PAGE_SHIFT;
		}
		pf_region_keep(vm, *start, end);
		vm->cursor = end;
		pf_break();
	}
	return 0;
}

/* A pass of this VM is over. */
static void pf_pass_end(struct pf_vm *vm)
{
	u64 over = 0;

	pf_region_end_pass(vm);
	trace_pagefold_vm_pass(vm->pid, vm->folded_pages);
	WRITE_ONCE(vm->eligible_pages, vm->eligible_now);
	WRITE_ONCE(vm->passes, vm->passes + 1);
	vm->cursor = 0;

	spin_lock(&pf_turns_lock);
	if (vm->turn.share && vm->round != pf_round) {
		vm->round = pf_round;
		pf_round_left--;
		over = pf_round_check();
	}
	spin_unlock(&pf_turns_lock);
	if (over)
		pf_round_end(over);
}

static void pf_pass_begin(struct pf_worker *worker, struct pf_vm *vm)
{
	vm->pass_begin_ns = ktime_get_ns();
	vm->pass_no++;
	vm->pass_ranges = 0;
	vm->eligible_now = 0;
	vm->scanned_last = vm->scanned_now;
	vm->scanned_now = 0;
	vm->drains = (s32)(vm->pass_no - vm->drain_pass) < 0 ? 0 : PF_DRAINS;
	if (pf_hints_fit(false))
		worker->turn.count[PF_SKIP_NOMEM]++;
}

/* Leave a range alone if it is a region that rests. Returns whether it is. */
static bool pf_scan_rest(struct pf_worker *worker, struct pf_vm *vm, unsigned long start,
			 unsigned int nr)
{
	unsigned int pages;

	if (nr < PF_REGION_PAGES || READ_ONCE(pf_knobs.fold_all))
		return false;
	pages = pf_region_rests(vm, start, READ_ONCE(pf_knobs.rest_passes));
	if (!pages)
		return false;
	if (pages <= PF_REGION_PAGES) {
		/* Their hints are in the table, which has to be large enough for them. */
		vm->scanned_now += pages;
		worker->turn.count[PF_STAT_RESTED] += pages;
	}
	return true;
}

/* Scan a piece of the VM. Caller holds its turn_lock. Returns whether its pass is over. */
static bool pf_turn_scan(struct pf_worker *worker, struct pf_vm *vm)
{
	unsigned int ranges = 0, pages = 0, rests = 0, nr;
	unsigned long start;

	if (!vm->cursor)
		pf_pass_begin(worker, vm);
	/* In the middle of a pass too: what is still to come need not wait for the next one. */
	if (READ_ONCE(vm->awake) && xchg(&vm->awake, false))
		pf_region_wake_all(vm);
	if (READ_ONCE(vm->missed.nr))
		pf_region_wake_missed(vm);
	pf_hints_follow(worker, vm);
	while (pages < PF_REGION_PAGES && ranges < PF_TURN_RANGES && rests < PF_TURN_RESTS &&
	       !kthread_should_stop()) {
		nr = pf_scan_next_range(worker, vm, &start);
		if (!nr)
			return !fatal_signal_pending(current);
		vm->eligible_now += nr;
		vm->pass_ranges++;
		if (pf_scan_rest(worker, vm, start, nr)) {
			rests++;
			continue;
		}
		pf_range_scan(worker, vm, start, nr);
		pages += nr;
		ranges++;
	}
	return false;
}

/* Pages that this turn brought. */
static u64 pf_turn_found(const struct pf_worker *worker)
{
	return worker->turn.count[PF_STAT_FOLDS] + worker->turn.count[PF_STAT_ZERO_FOLDS];
}

static void pf_turn_run(struct pf_worker *worker, struct pf_vm *vm)
{
	u64 begin_ns = pf_thread_cpu_ns(), due_ns = 0, pass_ns = 0, used_ns;
	bool over = false;
	u64 scanned;

	if (!mutex_trylock(&vm->turn_lock)) {
		/* It is being unfolded, which may take long: others must not wait for it. */
		pf_scan_put_vm(vm, NSEC_PER_USEC, ktime_get_ns() + PF_EMPTY_PASS_NS, 0);
		return;
	}
	if (!vm->removed && pf_vm_get_users(vm)) {
		over = pf_turn_scan(worker, vm);
		if (over) {
			pass_ns = vm->pass_begin_ns;
			due_ns = vm->pass_ranges ? 0 : ktime_get_ns() + PF_EMPTY_PASS_NS;
		}
		pf_vm_put_users(vm);
	} else {
		/* It is being removed; do not spin on it until then. */
		due_ns = ktime_get_ns() + PF_EMPTY_PASS_NS;
	}
	used_ns = pf_thread_cpu_ns() - begin_ns;
	WRITE_ONCE(vm->cpu_ns, vm->cpu_ns + used_ns);
	scanned = worker->turn.count[PF_STAT_SCANNED];
	vm->scanned_now += scanned;
	pf_cadence_found(&worker->cadence, scanned, pf_turn_found(worker));
	pf_stats_flush(&worker->turn, &vm->stats);
	/* Last: who sees that a pass is over sees what it counted. */
	if (over)
		pf_pass_end(vm);
	mutex_unlock(&vm->turn_lock);
	/*
	 * The clock of a thread moves by ticks at the least; a turn costs something all the same.
	 */
	pf_scan_put_vm(vm, max_t(u64, used_ns, NSEC_PER_USEC), due_ns, pass_ns);
}

/* Begin anew with another budget. */
static void pf_worker_set_percent(struct pf_worker *worker)
{
	worker->percent = READ_ONCE(pf_knobs.cpu_percent);
	pf_cadence_init(&worker->cadence, worker->percent, ktime_get_ns(), pf_thread_cpu_ns());
	WRITE_ONCE(pf_percent_now, worker->cadence.now);
}

static void pf_worker_rest(u64 wait_ns, int kicks)
{
	u64 jiffies_max = nsecs_to_jiffies64(min_t(u64, wait_ns, PF_REST_MAX_NS));

	if (wait_ns == U64_MAX)
		wait_event_freezable(pf_scan_wait, kthread_should_stop() ||
				     atomic_read(&pf_scan_kicks) != kicks);
	else
		wait_event_freezable_timeout(pf_scan_wait, kthread_should_stop() ||
					     atomic_read(&pf_scan_kicks) != kicks,
					     max_t(u64, jiffies_max, 1));
}

/* Do one turn if the budget allows it. Returns how long to wait before the next step, 0 for not. */
static u64 pf_worker_step(struct pf_worker *worker)
{
	u64 wait_ns, cpu_ns = worker->cpu_ns;
	struct pf_vm *vm;

	if (worker->percent != READ_ONCE(pf_knobs.cpu_percent))
		pf_worker_set_percent(worker);
	/* A rest that was cut short goes on here: the account says what is left of it. */
	wait_ns = pf_cadence_rest(&worker->cadence, ktime_get_ns(), pf_thread_cpu_ns());
	if (wait_ns)
		return wait_ns;
	vm = pf_scan_next_vm(&wait_ns);
	if (!vm)
		return wait_ns;
	pf_turn_run(worker, vm);
	WRITE_ONCE(pf_percent_now, worker->cadence.now);
	worker->cpu_ns = pf_thread_cpu_ns();
	atomic64_add(worker->cpu_ns - cpu_ns, &pf_totals.cpu_ns);
	return 0;
}

/*
 * Whoever wakes goes before the scan, and the scan before nobody who runs. From 6.6 on a task that
 * got the CPU may use up its slice, and only a tick ends that: for milliseconds nobody who wakes
 * preempts it. From 6.12 on it is ended by who has a shorter slice. What the scan gets of the CPU
 * is up to its nice value.
 */
static void pf_worker_give_way(void)
{
	const struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_BATCH,
		.sched_nice = PF_SCAN_NICE,
		.sched_runtime = PF_SCAN_SLICE_NS,
	};

	/* It fails for attributes that do not fit each other, and these do. */
	WARN_ON_ONCE(sched_setattr_nocheck(current, &attr));
}

static int pf_worker_run(void *data)
{
	struct pf_worker *worker = data;

	set_freezable();
	/* From pf_scan_stop(): ends a wait for a lock of a VM. */
	allow_kernel_signal(SIGKILL);
	complete(&worker->ready);
	pf_worker_give_way();
	pf_worker_set_percent(worker);
	while (!kthread_should_stop()) {
		int kicks = atomic_read(&pf_scan_kicks);
		u64 wait_ns = pf_worker_step(worker);

		if (wait_ns)
			pf_worker_rest(wait_ns, kicks);
		else
			pf_break();
		try_to_freeze();
	}
	return 0;
}

static struct pf_worker *pf_worker_new(unsigned int no)
{
	struct pf_worker *worker =
		pf_fault(PF_FAULT_WORKER) ? NULL : vzalloc(sizeof(*worker));

	if (!worker)
		return ERR_PTR(-ENOMEM);
	worker->ns_per_page = PF_NS_PER_PAGE;
	init_completion(&worker->ready);
	worker->task = kthread_run(pf_worker_run, worker, "pagefold/%u", no);
	if (IS_ERR(worker->task)) {
		int err = PTR_ERR(worker->task);

		vfree(worker);
		return ERR_PTR(err);
	}
	/* A signal that comes before it is allowed is lost. */
	wait_for_completion(&worker->ready);
	return worker;
}

/**
 * pf_scan_start() - begin to scan
 * @threads: how many, 1..PF_THREADS_MAX
 *
 * Context: no scan is running; callers exclude each other; may sleep.
 * Return: 0 or -ENOMEM.
 */
int pf_scan_start(unsigned int threads)
{
	unsigned int i;

	for (i = 0; i < threads; i++) {
		struct pf_worker *worker = pf_worker_new(i);

		if (IS_ERR(worker)) {
			pf_scan_stop();
			return PTR_ERR(worker);
		}
		pf_workers[i] = worker;
		WRITE_ONCE(pf_nr_workers, i + 1);
	}
	return 0;
}

/**
 * pf_scan_stop() - stop to scan
 *
 * When this returns no thread is running. What is folded stays so.
 *
 * Context: callers exclude each other; sleeps for no longer than a few ranges take.
 */
void pf_scan_stop(void)
{
	unsigned int i;

	for (i = 0; i < PF_THREADS_MAX; i++) {
		if (!pf_workers[i])
			continue;
		send_sig(SIGKILL, pf_workers[i]->task, 1);
		kthread_stop(pf_workers[i]->task);
		vfree(pf_workers[i]);
		pf_workers[i] = NULL;
	}
	WRITE_ONCE(pf_nr_workers, 0);
	WRITE_ONCE(pf_percent_now, 0);
}

/**
 * pf_scan_percent_now() - the budget in force
 *
 * Return: percent of one CPU for each thread; 0 when none is running.
 */
unsigned int pf_scan_percent_now(void)
{
	return READ_ONCE(pf_percent_now);
}

/**
 * pf_scan_bytes() - what the scan costs in memory
 *
 * What the allocator takes and not what is asked of it; and for each region its share of a node of
 * the array that they are in, where there is one after the other, as in a guest's RAM.
 */
size_t pf_scan_bytes(void)
{
	size_t region = kmalloc_size_roundup(sizeof(struct pf_region)) +
			DIV_ROUND_UP(sizeof(struct xa_node), XA_CHUNK_SIZE);

	return pf_hint_table_bytes(&pf_hints) + atomic64_read(&pf_totals.regions) * region +
	       pf_vm_count() * kmalloc_size_roundup(sizeof(struct pf_vm)) + pf_wss_bytes() +
	       READ_ONCE(pf_nr_workers) * pf_table_taken(sizeof(struct pf_worker));
}

/**
 * pf_scan_exit() - give the hint table back
 *
 * Context: no scan is running, and there are no VMs.
 */
void pf_scan_exit(void)
{
	pf_hint_table_free(&pf_hints);
}
