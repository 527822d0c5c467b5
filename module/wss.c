// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sampling of working sets: what a VM's guest needs of its memory.
 *
 * One thread goes round all VMs. In a round of a VM it draws pages at random and arms them; a
 * period later it looks which were touched, adds that to the estimate, and draws the next ones.
 * Nothing is held in between, neither a page nor a reference on the address space: a sample is an
 * address, and what became of it is what is there when it is looked at again. So VMs may end, and
 * the module may go, at any moment.
 *
 * Pages are drawn from all anonymous memory of the process that could be folded if its VM's policy
 * allowed it. That is the guest's RAM and some of the VMM's own memory; which is which nobody tells
 * us. The VMM's is never touched by a guest, so it dilutes the samples, but not the estimate.
 *
 * A page that is not there, be it never written, swapped out or given back, needs no memory: it
 * counts as a sample, and as touched when the guest has touched a page there by the end of the
 * round. The same goes for the kernel's zero page.
 */
#include <linux/freezer.h>
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mmap_lock.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "breaks.h"
#include "cputime.h"
#include "eligible.h"
#include "fault.h"
#include "mmlock.h"
#include "store.h"
#include "table.h"
#include "touch.h"
#include "trace.h"
#include "vm.h"
#include "wide.h"
#include "wss.h"

/* How often a look is tried again when the range changes under it. */
#define PF_WSS_TRIES		3
/* Work of several VMs that is due within this time is done together. */
#define PF_WSS_TICK_NS		(10 * NSEC_PER_MSEC)
#define PF_WSS_REST_MAX_NS	(60 * NSEC_PER_SEC)
#define PF_WSS_NICE		5

/**
 * struct pf_wss_sample - a page that was drawn
 * @addr: its address
 * @hash: of its content
 * @there: there was a page
 * @active: it was on the active list
 * @lost: it could not be looked at
 */
struct pf_wss_sample {
	unsigned long addr;
	u64 hash;
	bool there;
	bool active;
	bool lost;
};

/**
 * struct pf_wss_thread - the sampling thread and its room to work in
 * @task: the thread
 * @cpu_ns: what it had run when it was done with the VM before
 * @snap: the page that is looked at
 * @folio: its folio, with a reference; NULL if there is no page
 * @huge: address of the huge page that was armed last, with @active
 * @active: whether that was on the active list
 * @touch: room for arming
 */
struct pf_wss_thread {
	struct task_struct *task;
	u64 cpu_ns;
	struct pf_snapshot snap;
	struct folio *folio;
	unsigned long huge;
	bool active;
	struct pf_touch touch;
};

/*
 * A hundred pages tell the share that is touched to within ten percent of the memory at worst (two
 * standard errors), and every 30 seconds is what ESX found to be often enough to follow a guest.
 * Half a percent of a CPU is a limit that nobody misses; these figures stay far below it.
 */
struct pf_wss_knobs pf_wss_knobs = {
	.samples = 100,
	.period_ms = 30000,
	.permille = 5,
};

static struct pf_wss_thread *pf_wss_thread;
static DECLARE_WAIT_QUEUE_HEAD(pf_wss_wait);
static atomic_t pf_wss_kicks = ATOMIC_INIT(0);
static atomic64_t pf_wss_room_bytes;

/* Nobody waits for the rest of this round any more. */
static bool pf_wss_over(struct pf_vm *vm)
{
	return kthread_should_stop() || READ_ONCE(vm->removed);
}

/* Hold the folio of @page, as the snapshot found it. */
static bool pf_wss_hold(struct pf_wss_thread *thread, struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_try_get(folio))
		return false;
	if (page_folio(page) != folio || !pf_snapshot_valid(&thread->snap)) {
		folio_put(folio);
		return false;
	}
	thread->folio = folio;
	return true;
}

/* The kernel's huge page of zeros is as good as none. Else what is not anonymous is small. */
static bool pf_wss_is_zero(struct pf_wss_thread *thread)
{
	return pf_snapshot_huge(&thread->snap, 0) && !folio_test_anon(thread->folio);
}

static void pf_wss_put(struct pf_wss_thread *thread)
{
	if (thread->folio)
		folio_put(thread->folio);
	thread->folio = NULL;
	pf_snapshot_done(&thread->snap);
}

/* What is at @addr? 0, and the caller calls pf_wss_put(); or an error. */
static int pf_wss_look_once(struct pf_wss_thread *thread, struct mm_struct *mm, unsigned long addr)
{
	struct page *page;
	int err;

	err = pf_snapshot_take_by(&thread->snap, mm, addr, 1, pf_mm_read_soon);
	if (err)
		return err;
	thread->folio = NULL;
	page = pf_snapshot_page(&thread->snap, 0);
	if (!page && !pf_snapshot_empty(&thread->snap, 0))
		err = -EFAULT;
	else if (page && !pf_wss_hold(thread, page))
		err = -EAGAIN;
	if (err) {
		pf_wss_put(thread);
		return err;
	}
	if (page && pf_wss_is_zero(thread)) {
		folio_put(thread->folio);
		thread->folio = NULL;
	}
	return 0;
}

static int pf_wss_look(struct pf_wss_thread *thread, struct mm_struct *mm, unsigned long addr)
{
	int try, err = -EAGAIN;

	for (try = 0; try < PF_WSS_TRIES && err == -EAGAIN; try++)
		err = pf_wss_look_once(thread, mm, addr);
	return err;
}

static void pf_wss_touch_setup(struct pf_wss_thread *thread, struct mm_struct *mm)
{
	thread->touch.mm = mm;
	thread->touch.snap = &thread->snap;
	thread->touch.folio = &thread->folio;
	thread->touch.nr = 1;
}

/* Arm what was found, but a huge page only once, however many samples lie in it. */
static int pf_wss_arm_found(struct pf_wss_thread *thread, struct mm_struct *mm,
			    struct pf_wss_sample *sample)
{
	bool huge = pf_snapshot_huge(&thread->snap, 0);
	int err;

	if (huge && thread->huge == (sample->addr & PF_REGION_MASK)) {
		sample->active = thread->active;
		return 0;
	}
	pf_wss_touch_setup(thread, mm);
	err = pf_touch_arm(&thread->touch);
	if (err)
		return err;
	sample->active = test_bit(0, thread->touch.active);
	if (huge) {
		thread->huge = sample->addr & PF_REGION_MASK;
		thread->active = sample->active;
	}
	return 0;
}

/*
 * A sample is drawn: note what is there, and arm it. Returns -EBUSY if that would have to wait for
 * the VM, else 0: it may be lost.
 */
static int pf_wss_arm(struct pf_wss_thread *thread, struct mm_struct *mm,
		      struct pf_wss_sample *sample)
{
	int err;

	sample->there = false;
	sample->active = false;
	err = pf_wss_look(thread, mm, sample->addr);
	if (!err) {
		sample->there = thread->folio;
		if (sample->there) {
			sample->hash = pf_store_hash(pf_snapshot_page(&thread->snap, 0));
			err = pf_wss_arm_found(thread, mm, sample);
		}
		pf_wss_put(thread);
	}
	sample->lost = err;
	return err == -EBUSY ? err : 0;
}

/* Has the content changed? What is new is taken for changed unless it is all zero. */
static bool pf_wss_written(struct pf_wss_thread *thread, const struct pf_wss_sample *sample)
{
	struct page *page = pf_snapshot_page(&thread->snap, 0);
	void *data;
	bool zero;

	if (sample->there)
		return pf_store_hash(page) != sample->hash;
	data = kmap_local_page(page);
	zero = pf_wide_is_zero(data);
	kunmap_local(data);
	return !zero;
}

/* Was it touched: 1, 0, or an error if that is not to be said. */
static int pf_wss_touched(struct pf_wss_thread *thread, struct mm_struct *mm,
			  const struct pf_wss_sample *sample)
{
	int err;

	if (!thread->folio)
		return 0;
	if (pf_touch_seen(thread->folio, sample->active))
		return 1;
	pf_wss_touch_setup(thread, mm);
	err = pf_touch_drop(&thread->touch);
	return err ?: pf_touch_seen(thread->folio, sample->active);
}

/* The period is over: what became of the sample? Returns as pf_wss_arm(). */
static int pf_wss_check(struct pf_wss_thread *thread, struct mm_struct *mm,
			const struct pf_wss_sample *sample, struct pf_wss_round *round)
{
	int err, touched = 0;
	bool written;

	if (sample->lost)
		return 0;
	err = pf_wss_look(thread, mm, sample->addr);
	if (err)
		return err == -EBUSY ? err : 0;
	written = thread->folio && pf_wss_written(thread, sample);
	touched = pf_wss_touched(thread, mm, sample);
	pf_wss_put(thread);
	if (touched < 0)
		return touched == -EBUSY ? touched : 0;
	round->sampled++;
	round->written += written;
	round->touched += touched;
	return 0;
}

static unsigned long pf_wss_pages_of(struct vm_area_struct *vma)
{
	return pf_vma_skip(vma, PF_POLICY_ALWAYS) == PF_SKIP_NONE ? vma_pages(vma) : 0;
}

/* Pages that samples are drawn from. Caller holds the mmap lock. */
static u64 pf_wss_count(struct mm_struct *mm)
{
	struct vm_area_struct *vma;
	unsigned long addr = 0;
	u64 pages = 0;

	while ((vma = find_vma(mm, addr))) {
		pages += pf_wss_pages_of(vma);
		addr = vma->vm_end;
	}
	return pages;
}

/* Draw all samples, in ascending order. Caller holds the mmap lock. */
static void pf_wss_draw(struct pf_wss *wss, struct mm_struct *mm)
{
	struct vm_area_struct *vma = NULL;
	unsigned long addr = 0;
	u64 below = 0, here = 0;
	u32 i;

	for (i = 0; i < wss->nr; i++) {
		u64 place = pf_wss_place(wss->pages, wss->nr, i, get_random_u32());

		/* Find the mapping that holds it: the first page of @vma has number @below. */
		while (place >= below + here) {
			below += here;
			vma = find_vma(mm, addr);
			addr = vma->vm_end;
			here = pf_wss_pages_of(vma);
		}
		wss->sample[i].addr = vma->vm_start + (place - below) * PAGE_SIZE;
	}
}

static size_t pf_wss_taken(const struct pf_wss *wss)
{
	return pf_table_taken(wss->room * sizeof(*wss->sample));
}

/* Have room for as many samples as are asked for now. */
static bool pf_wss_make_room(struct pf_wss *wss)
{
	u32 samples = READ_ONCE(pf_wss_knobs.samples);

	if (samples == wss->room)
		return true;
	kvfree(wss->sample);
	atomic64_sub(pf_wss_taken(wss), &pf_wss_room_bytes);
	wss->room = 0;
	wss->sample = pf_fault(PF_FAULT_WSS) ? NULL :
		pf_table_alloc(samples * sizeof(*wss->sample));
	if (!wss->sample)
		return false;
	wss->room = samples;
	atomic64_add(pf_wss_taken(wss), &pf_wss_room_bytes);
	return true;
}

/*
 * Begin a round. Returns -EBUSY if the VM's lock is not to be had, and it is to be asked again
 * soon: all VMs would wait for one that this thread waits for.
 */
static int pf_wss_begin(struct pf_wss_thread *thread, struct pf_vm *vm)
{
	struct mm_struct *mm = vm->watch.mm;
	struct pf_wss *wss = &vm->wss;
	int err;
	u32 i;

	wss->begun = false;
	if (!pf_wss_make_room(wss))
		return 0;
	err = pf_mm_read_soon(mm);
	if (err)
		return err;
	wss->pages = pf_wss_count(mm);
	wss->nr = min_t(u64, wss->room, wss->pages);
	pf_wss_draw(wss, mm);
	mmap_read_unlock(mm);

	thread->huge = ULONG_MAX;
	for (i = 0; i < wss->nr && !pf_wss_over(vm) && !err; i++) {
		err = pf_wss_arm(thread, mm, &wss->sample[i]);
		pf_break();
	}
	/* Pages of one part only would not speak for all. */
	wss->begun = i == wss->nr && !err;
	return err;
}

/* End the round. */
static void pf_wss_end(struct pf_wss_thread *thread, struct pf_vm *vm, struct pf_wss_round *round)
{
	struct pf_wss *wss = &vm->wss;
	int err = 0;
	u32 i;

	*round = (struct pf_wss_round) { .pages = wss->pages };
	for (i = 0; i < wss->nr && !pf_wss_over(vm) && !err; i++) {
		err = pf_wss_check(thread, vm->watch.mm, &wss->sample[i], round);
		pf_break();
	}
	if (i < wss->nr || err)
		return;
	WRITE_ONCE(wss->sampled_pages, wss->sampled_pages + round->sampled);
	WRITE_ONCE(wss->lost_pages, wss->lost_pages + wss->nr - round->sampled);
	pf_wss_add(&wss->est, round);
}

static u64 pf_wss_period_ns(void)
{
	return (u64)READ_ONCE(pf_wss_knobs.period_ms) * NSEC_PER_MSEC;
}

static u64 pf_wss_rest(const struct pf_wss *wss)
{
	return pf_wss_rest_ns(pf_wss_period_ns(), wss->busy_ns, READ_ONCE(pf_wss_knobs.permille));
}

/* Work on a VM that is due. */
static void pf_wss_turn(struct pf_wss_thread *thread, struct pf_vm *vm)
{
	struct pf_wss_round round = {};
	struct pf_wss *wss = &vm->wss;
	u64 end_ns, used_ns, cpu_ns;
	bool late = false;

	if (pf_vm_get_users(vm)) {
		if (wss->begun)
			pf_wss_end(thread, vm, &round);
		late = pf_wss_begin(thread, vm);
		pf_vm_put_users(vm);
	}
	end_ns = ktime_get_ns();
	/* With what it took to get here since the turn before, or nobody's budget has that. */
	cpu_ns = pf_thread_cpu_now_ns();
	used_ns = cpu_ns - thread->cpu_ns;
	thread->cpu_ns = cpu_ns;
	wss->busy_ns = wss->late ? wss->busy_ns + used_ns : used_ns;
	wss->late = late;
	/* Of one that never was, as if a round were due now: trying counts for the budget too. */
	if (!late)
		wss->armed_ns = end_ns;
	else if (!wss->armed_ns)
		wss->armed_ns = end_ns - min(end_ns - 1, pf_wss_period_ns());
	WRITE_ONCE(wss->total_ns, wss->total_ns + used_ns);
	trace_pagefold_wss(vm->pid, &round, used_ns);
}

/* Go round the VMs once. Returns how long it is until one is due. */
static u64 pf_wss_go_round(struct pf_wss_thread *thread)
{
	u64 wait_ns = PF_WSS_REST_MAX_NS;
	struct pf_vm *vm;
	u32 index = 0;

	while (!kthread_should_stop() && (vm = pf_vm_next(index))) {
		struct pf_wss *wss = &vm->wss;
		u64 due_ns, now_ns = ktime_get_ns();

		index = vm->index;
		if (!wss->armed_ns || wss->armed_ns + pf_wss_rest(wss) <= now_ns)
			pf_wss_turn(thread, vm);
		due_ns = wss->armed_ns + pf_wss_rest(wss);
		pf_vm_put(vm);
		wait_ns = min(wait_ns, max(due_ns, now_ns) - now_ns);
	}
	return max_t(u64, wait_ns, PF_WSS_TICK_NS);
}

/* While sampling is off, rounds that were begun would only get longer: forget them. */
static void pf_wss_forget(void)
{
	struct pf_vm *vm;
	u32 index = 0;

	while ((vm = pf_vm_next(index))) {
		index = vm->index;
		vm->wss.begun = false;
		vm->wss.armed_ns = 0;
		pf_vm_put(vm);
	}
}

static bool pf_wss_called(int kicks)
{
	return kthread_should_stop() || atomic_read(&pf_wss_kicks) != kicks;
}

static int pf_wss_run(void *data)
{
	struct pf_wss_thread *thread = data;

	set_freezable();
	set_user_nice(current, PF_WSS_NICE);
	while (!kthread_should_stop()) {
		int kicks = atomic_read(&pf_wss_kicks);

		if (READ_ONCE(pf_wss_knobs.period_ms)) {
			u64 wait_ns = pf_wss_go_round(thread);

			wait_event_freezable_timeout(pf_wss_wait, pf_wss_called(kicks),
						     nsecs_to_jiffies64(wait_ns) + 1);
		} else {
			pf_wss_forget();
			wait_event_freezable(pf_wss_wait, pf_wss_called(kicks));
		}
		try_to_freeze();
	}
	return 0;
}

/**
 * pf_wss_kick() - have the thread look at the VMs and at the knobs anew
 */
void pf_wss_kick(void)
{
	atomic_inc(&pf_wss_kicks);
	wake_up_all(&pf_wss_wait);
}

/**
 * pf_wss_free() - forget a VM's samples
 * @vm: a VM that nobody can find any more
 */
void pf_wss_free(struct pf_vm *vm)
{
	atomic64_sub(pf_wss_taken(&vm->wss), &pf_wss_room_bytes);
	kvfree(vm->wss.sample);
}

/**
 * pf_wss_bytes() - what sampling costs in memory
 */
size_t pf_wss_bytes(void)
{
	return pf_table_taken(sizeof(*pf_wss_thread)) + atomic64_read(&pf_wss_room_bytes);
}

/**
 * pf_wss_start() - begin to sample
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int pf_wss_start(void)
{
	struct pf_wss_thread *thread = vzalloc(sizeof(*thread));

	if (!thread)
		return -ENOMEM;
	thread->task = kthread_run(pf_wss_run, thread, "pagefold/wss");
	if (IS_ERR(thread->task)) {
		int err = PTR_ERR(thread->task);

		vfree(thread);
		return err;
	}
	pf_wss_thread = thread;
	return 0;
}

/**
 * pf_wss_stop() - stop to sample
 *
 * When this returns the thread has ended and holds no VM.
 *
 * Context: sleeps for no longer than a sample takes.
 */
void pf_wss_stop(void)
{
	kthread_stop(pf_wss_thread->task);
	vfree(pf_wss_thread);
	pf_wss_thread = NULL;
}
