// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest can spare: a floor, and a brake.
 *
 * The floor knows sizes: it leaves the guest what it uses and some more. The brake knows motion:
 * when the guest begins to wait for memory, whatever the sizes say, inflation stops. What the
 * brake looks at are counters the kernel has anyway:
 *   allocstall		an allocation reclaimed by itself. The balloon never does, so these are the
 *			guest's own
 *   pswpin		swapped pages are wanted back
 *   workingset_refault	so are pages of files that were dropped a moment ago
 *   pgmajfault		faults that wait for a disk; starting programs does that too
 * Their rates are looked at ten times a second while the balloon grows, and otherwise once a
 * second, and then only while there is something that could be given back.
 *
 * Giving back what the host wants is only allowed when it has offered
 * VIRTIO_BALLOON_F_DEFLATE_ON_OOM (conformance C6, C7), or when the administrator of the guest
 * insists.
 */
#include <linux/memory.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/suspend.h>

#include "balloon.h"
#include "floor.h"
#include "trace.h"

/* Looked at while growing, and while watching. */
#define PB_TICK		(HZ / 10)
#define PB_WATCH	HZ
/* A second above these is pressure. */
#define PB_STALLS_MAX	10
#define PB_SWAPINS_MAX	256
#define PB_REFAULTS_MAX	1024
#define PB_MAJORS_MAX	500
/* How long the guest is left more than the floor, after pressure and after an OOM. */
#define PB_WARY		(5 * HZ)
#define PB_WARY_OOM	(60 * HZ)
/* The first OOM gives this much back, each one within PB_OOM_AGAIN twice as much as the last. */
#define PB_OOM_PAGES	(SZ_16M >> PAGE_SHIFT)
#define PB_OOM_AGAIN	(10 * HZ)
/* After the core's own, before the killer. */
#define PB_OOM_PRIORITY	80

static bool give_back;
module_param(give_back, bool, 0444);
MODULE_PARM_DESC(give_back,
		 "give back under pressure even where the host did not offer deflate-on-oom (N)");

static void pb_memory_read(struct pb_balloon *b, struct pb_memory *memory)
{
	u64 held = (u64)READ_ONCE(b->held) << PAGE_SHIFT;
	long available = si_mem_available();

	memory->held = held;
	memory->total = ((u64)totalram_pages() << PAGE_SHIFT) + (b->adjust ? held : 0);
	memory->available = available > 0 ? (u64)available << PAGE_SHIFT : 0;
	memory->min = READ_ONCE(b->min_bytes);
}

static void pb_rates_read(struct pb_rates *rates)
{
	unsigned long events[NR_VM_EVENT_ITEMS] = {};
	int zone;

#ifdef CONFIG_VM_EVENT_COUNTERS
	all_vm_events(events);
#endif
	rates->when = jiffies;
	rates->stalls = 0;
	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		rates->stalls += events[ALLOCSTALL_NORMAL - ZONE_NORMAL + zone];
	rates->swapins = events[PSWPIN];
	rates->refaults = global_node_page_state(WORKINGSET_REFAULT_ANON) +
			  global_node_page_state(WORKINGSET_REFAULT_FILE);
	rates->majors = events[PGMAJFAULT];
}

/* Counters of CPUs are summed up without a lock: one may seem to have gone back a little. */
static unsigned long pb_rate(unsigned long now, unsigned long then, unsigned long ticks)
{
	return (long)(now - then) > 0 ? mult_frac(now - then, (unsigned long)HZ, ticks) : 0;
}

/* Is the guest short of memory? Looks again when the last look is a tick old. */
static bool pb_pressure_look(struct pb_balloon *b)
{
	unsigned long ticks, stalls, swapins, refaults, majors;
	struct pb_rates now;
	bool braked;

	mutex_lock(&b->look_lock);
	ticks = jiffies - b->rates.when;
	if (ticks < PB_TICK)
		goto unlock;
	pb_rates_read(&now);
	stalls = pb_rate(now.stalls, b->rates.stalls, ticks);
	swapins = pb_rate(now.swapins, b->rates.swapins, ticks);
	refaults = pb_rate(now.refaults, b->rates.refaults, ticks);
	majors = pb_rate(now.majors, b->rates.majors, ticks);
	b->rates = now;
	b->braked = stalls > PB_STALLS_MAX || swapins > PB_SWAPINS_MAX ||
		    refaults > PB_REFAULTS_MAX || majors > PB_MAJORS_MAX;
	if (b->braked) {
		pb_count(b, PB_COUNT_BRAKE_EVENTS, 1);
		trace_pagefold_balloon_brake(stalls, swapins, refaults, majors);
	}

unlock:
	braked = b->braked;
	mutex_unlock(&b->look_lock);
	return braked;
}

static void pb_pressure_be_wary(struct pb_balloon *b, unsigned long how_long)
{
	unsigned long until = jiffies + how_long;

	if (time_after(until, READ_ONCE(b->wary_until)))
		WRITE_ONCE(b->wary_until, until);
}

/**
 * pb_pressure_room() - how much more the guest can spare
 * @b: the balloon
 * @why: set when that is nothing
 *
 * Context: may sleep.
 * Return: pages.
 */
unsigned long pb_pressure_room(struct pb_balloon *b, enum pb_stop *why)
{
	struct pb_memory memory;
	unsigned long room;
	bool wary;

	if (pb_pressure_look(b)) {
		pb_pressure_be_wary(b, PB_WARY);
		*why = PB_STOP_PRESSURE;
		return 0;
	}
	wary = time_before(jiffies, READ_ONCE(b->wary_until));
	pb_memory_read(b, &memory);
	room = pb_floor_room(&memory, wary) >> PAGE_SHIFT;
	if (room)
		return room;
	if (wary && time_before(jiffies, b->oom_last + PB_WARY_OOM) && b->oom_pages)
		*why = PB_STOP_OOM;
	else
		*why = wary ? PB_STOP_PRESSURE : PB_STOP_FLOOR;
	return 0;
}

/**
 * pb_pressure_floor() - what the guest keeps at this moment
 * @b: the balloon
 *
 * Return: bytes.
 */
u64 pb_pressure_floor(struct pb_balloon *b)
{
	struct pb_memory memory;

	pb_memory_read(b, &memory);
	return pb_floor(&memory);
}

static void pb_pressure_watch_work(struct work_struct *work)
{
	struct pb_balloon *b = container_of(to_delayed_work(work), struct pb_balloon, watch);
	bool braked = pb_pressure_look(b);
	struct pb_memory memory;
	unsigned long given;
	u64 headroom, lack;

	pb_memory_read(b, &memory);
	headroom = pb_floor_headroom(memory.total);
	lack = pb_floor_lack(&memory);
	/* Waiting for memory already: do not wait for the last half of the headroom to go. */
	if (!lack && braked && memory.available < headroom)
		lack = min(2 * headroom - memory.available, memory.held);
	if (lack >> PAGE_SHIFT) {
		pb_pressure_be_wary(b, PB_WARY);
		given = pb_give_back(b, lack >> PAGE_SHIFT, PB_COUNT_DEFLATE_PRESSURE);
		WRITE_ONCE(b->why, PB_STOP_PRESSURE);
		dev_info_ratelimited(&b->vdev->dev,
				     "gave %lu MiB back: the guest was short of memory\n",
				     given >> (20 - PAGE_SHIFT));
	}
	pb_pressure_watch(b);
}

/**
 * pb_pressure_watch() - watch as long as there is something that could be given back
 * @b: the balloon
 *
 * Context: any.
 */
void pb_pressure_watch(struct pb_balloon *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	if (!b->stop && b->may_give && READ_ONCE(b->held))
		queue_delayed_work(b->wq, &b->watch, PB_WATCH);
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

static int pb_pressure_oom(struct notifier_block *nb, unsigned long unused, void *freed)
{
	struct pb_balloon *b = container_of(nb, struct pb_balloon, oom_nb);
	struct pb_memory memory;
	unsigned long want, given;

	if (!READ_ONCE(b->held))
		return NOTIFY_OK;
	if (time_after(jiffies, b->oom_last + PB_OOM_AGAIN))
		b->oom_pages = 0;
	pb_memory_read(b, &memory);
	want = max3(b->oom_pages * 2, (unsigned long)(pb_floor_lack(&memory) >> PAGE_SHIFT),
		    (unsigned long)PB_OOM_PAGES);
	pb_pressure_be_wary(b, PB_WARY_OOM);
	given = pb_give_back(b, want, PB_COUNT_DEFLATE_OOM);
	b->oom_last = jiffies;
	b->oom_pages = want;
	pb_count(b, PB_COUNT_OOM_EVENTS, 1);
	WRITE_ONCE(b->why, PB_STOP_OOM);
	*(unsigned long *)freed += given;
	dev_info_ratelimited(&b->vdev->dev, "gave %lu MiB back: the guest was out of memory\n",
			     given >> (20 - PAGE_SHIFT));
	return NOTIFY_OK;
}

static int pb_pressure_offline(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pb_balloon *b = container_of(nb, struct pb_balloon, offline_nb);
	struct memory_notify *range = data;

	if (action == MEM_GOING_OFFLINE)
		pb_blocks_offline(b, range->start_pfn, range->nr_pages);
	else if (action == MEM_OFFLINE || action == MEM_ONLINE)
		pb_resize_kick(b);
	return NOTIFY_OK;
}

static int pb_pressure_sleep(struct notifier_block *nb, unsigned long action, void *unused)
{
	struct pb_balloon *b = container_of(nb, struct pb_balloon, pm_nb);

	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		WRITE_ONCE(b->paused, true);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		WRITE_ONCE(b->paused, false);
		pb_resize_kick(b);
		break;
	}
	return NOTIFY_OK;
}

/**
 * pb_pressure_init() - know what the guest can spare
 * @b: the balloon
 *
 * Return: 0 or an error.
 */
int pb_pressure_init(struct pb_balloon *b)
{
	int err;

	b->may_give = give_back || virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	mutex_init(&b->look_lock);
	pb_rates_read(&b->rates);
	b->wary_until = jiffies;
	INIT_DELAYED_WORK(&b->watch, pb_pressure_watch_work);
	b->oom_nb.notifier_call = pb_pressure_oom;
	b->oom_nb.priority = PB_OOM_PRIORITY;
	b->offline_nb.notifier_call = pb_pressure_offline;
	b->pm_nb.notifier_call = pb_pressure_sleep;
	err = register_pm_notifier(&b->pm_nb);
	if (err)
		return err;
	err = register_memory_notifier(&b->offline_nb);
	if (err)
		goto unregister_pm;
	if (b->may_give)
		err = register_oom_notifier(&b->oom_nb);
	if (err)
		goto unregister_memory;
	return 0;

unregister_memory:
	unregister_memory_notifier(&b->offline_nb);
unregister_pm:
	unregister_pm_notifier(&b->pm_nb);
	return err;
}

/**
 * pb_pressure_stop() - nothing is given back any more
 * @b: the balloon, told to stop
 */
void pb_pressure_stop(struct pb_balloon *b)
{
	cancel_delayed_work_sync(&b->watch);
}

/**
 * pb_pressure_exit() - nobody calls any more
 * @b: the balloon
 */
void pb_pressure_exit(struct pb_balloon *b)
{
	if (b->may_give)
		unregister_oom_notifier(&b->oom_nb);
	unregister_memory_notifier(&b->offline_nb);
	unregister_pm_notifier(&b->pm_nb);
}
