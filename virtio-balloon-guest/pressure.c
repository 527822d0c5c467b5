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
 * All but the first are also what a group of processes does that has come to its own limit, however
 * much the guest has free: they only count while the guest has not much more free than what it
 * always keeps so. Free, and not available: pages of files are available, and who reads more of
 * them than there is room for waits for memory all the time. Whoever reclaims by himself within a
 * group does not count as a stall in the kernel's books.
 *
 * Their rates are looked at ten times a second while the balloon grows or little memory is left,
 * and otherwise once a second, and then only while there is something that could be given back. In
 * a second a program can use more than the headroom, of which half is meant to be left when memory
 * is given back: the OOM killer would always be first. A look after a longer time cannot tell when
 * things happened: if they are few enough for one second, all is well; else it is only the
 * beginning of a look, and the balloon grows when a tick later there is no pressure.
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

/* Looked at while growing or with little more than the headroom left, and with much more. */
#define PB_TICK		(PB_TICK_MS * HZ / 1000)
#define PB_WATCH	HZ
/* A look as late as this is not of now; the watch may be late, but not so late. */
#define PB_STALE	(3 * HZ)
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
	/* Or a migration, which hints all that is free, would drain the balloon round by round. */
	memory->soon = (u64)(pb_hint_pages(b) + READ_ONCE(b->lent)) << PAGE_SHIFT;
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

/* Pages that are free in the zones from @first up to before @end, beyond what is always kept so. */
static unsigned long pb_zones_free(int first, int end)
{
	unsigned long nr = 0, free, high;
	struct zone *zone;
	int node, i;

	for_each_online_node(node)
		for (i = first; i < end; i++) {
			zone = &NODE_DATA(node)->node_zones[i];
			free = zone_page_state(zone, NR_FREE_PAGES);
			high = high_wmark_pages(zone);
			nr += free - min(free, high);
		}
	return nr;
}

/* Is so little free that the guest as a whole may be what waits for memory? */
static bool pb_pressure_is_tight(struct pb_balloon *b)
{
	struct pb_memory memory;

	pb_memory_read(b, &memory);
	return pb_zones_free(0, MAX_NR_ZONES) + (memory.soon >> PAGE_SHIFT) <
	       pb_floor_headroom(memory.total) >> PAGE_SHIFT;
}

/* Is the guest short of memory? Looks again when the last look is a tick old. */
static enum pb_look pb_pressure_look(struct pb_balloon *b)
{
	unsigned long ticks, stalls, swapins, refaults, majors;
	struct pb_rates now;
	enum pb_look look;
	bool stale;

	mutex_lock(&b->look_lock);
	ticks = jiffies - b->rates.when;
	if (ticks < PB_TICK)
		goto unlock;
	stale = ticks > PB_STALE;
	if (stale)
		ticks = HZ;
	pb_rates_read(&now);
	stalls = pb_rate(now.stalls, b->rates.stalls, ticks);
	swapins = pb_rate(now.swapins, b->rates.swapins, ticks);
	refaults = pb_rate(now.refaults, b->rates.refaults, ticks);
	majors = pb_rate(now.majors, b->rates.majors, ticks);
	b->rates = now;
	b->look = PB_LOOK_QUIET;
	if (stalls > PB_STALLS_MAX ||
	    ((swapins > PB_SWAPINS_MAX || refaults > PB_REFAULTS_MAX || majors > PB_MAJORS_MAX) &&
	     pb_pressure_is_tight(b)))
		b->look = stale ? PB_LOOK_BEGUN : PB_LOOK_PRESSURE;
	if (b->look == PB_LOOK_PRESSURE) {
		pb_count(b, PB_COUNT_BRAKE_EVENTS, 1);
		trace_pagefold_balloon_brake(stalls, swapins, refaults, majors);
	}

unlock:
	look = b->look;
	mutex_unlock(&b->look_lock);
	return look;
}

static void pb_pressure_be_wary(struct pb_balloon *b, unsigned long how_long)
{
	unsigned long until = jiffies + how_long;

	if (time_after(until, READ_ONCE(b->wary_until)))
		WRITE_ONCE(b->wary_until, until);
}

/**
 * pb_pressure_spare() - how much more the guest can spare, by sizes alone
 * @b: the balloon
 *
 * Asked again once the queue is ours: whoever had it may have waited long for the device, and the
 * guest has used its memory meanwhile.
 *
 * Context: any.
 * Return: pages.
 */
unsigned long pb_pressure_spare(struct pb_balloon *b)
{
	struct pb_memory memory;

	pb_memory_read(b, &memory);
	return pb_floor_room(&memory, time_before(jiffies, READ_ONCE(b->wary_until))) >> PAGE_SHIFT;
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
	unsigned long room;
	bool wary;

	switch (pb_pressure_look(b)) {
	case PB_LOOK_PRESSURE:
		pb_pressure_be_wary(b, PB_WARY);
		fallthrough;
	case PB_LOOK_BEGUN:
		*why = PB_STOP_PRESSURE;
		return 0;
	case PB_LOOK_QUIET:
		break;
	}
	room = pb_pressure_spare(b);
	if (room)
		return room;
	wary = time_before(jiffies, READ_ONCE(b->wary_until));
	if (wary && time_before(jiffies, b->oom_last + PB_WARY_OOM) && b->oom_pages)
		*why = PB_STOP_OOM;
	else
		*why = wary ? PB_STOP_PRESSURE : PB_STOP_FLOOR;
	return 0;
}

/* Are there zones that the kernel does not allocate from for itself? */
static bool pb_has_movable(void)
{
	int node, i;

	for_each_online_node(node)
		for (i = ZONE_MOVABLE; i < MAX_NR_ZONES; i++)
			if (managed_zone(&NODE_DATA(node)->node_zones[i]))
				return true;
	return false;
}

/**
 * pb_pressure_blocks() - how much may be taken in blocks
 * @b: the balloon
 *
 * Blocks never come from movable zones. Where a guest has those, most of what it could spare may be
 * in them, and the kernel would be left with nothing that it can use: page tables are memory too.
 * Single pages come from there first.
 *
 * Return: pages.
 */
unsigned long pb_pressure_blocks(struct pb_balloon *b)
{
	struct pb_memory memory;
	unsigned long free, keep;

	if (!pb_has_movable())
		return ULONG_MAX;
	free = pb_zones_free(0, ZONE_MOVABLE);
	pb_memory_read(b, &memory);
	keep = pb_floor_headroom(memory.total) >> PAGE_SHIFT;
	return free - min(free, keep);
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

static void pb_pressure_watch_in(struct pb_balloon *b, unsigned long ticks)
{
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	if (b->stop || !b->may_give || !READ_ONCE(b->held))
		goto unlock;
	/* Sooner if need be, but never later: batches follow each other faster than ticks. */
	if (!queue_delayed_work(b->wq, &b->watch, ticks) &&
	    time_after(READ_ONCE(b->watch.timer.expires), jiffies + ticks))
		mod_delayed_work(b->wq, &b->watch, ticks);

unlock:
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

static void pb_pressure_watch_work(struct work_struct *work)
{
	struct pb_balloon *b = container_of(to_delayed_work(work), struct pb_balloon, watch);
	bool braked = pb_pressure_look(b) == PB_LOOK_PRESSURE;
	struct pb_memory memory;
	unsigned long given = 0;
	u64 headroom, lack, available;

	pb_memory_read(b, &memory);
	headroom = pb_floor_headroom(memory.total);
	lack = pb_floor_lack(&memory);
	available = memory.available + memory.soon;
	/* Waiting for memory already: do not wait for the last half of the headroom to go. */
	if (!lack && braked && available < headroom)
		lack = min(2 * headroom - available, memory.held);
	if (lack >> PAGE_SHIFT) {
		pb_pressure_be_wary(b, PB_WARY);
		given = pb_give_back(b, lack >> PAGE_SHIFT, PB_COUNT_DEFLATE_PRESSURE);
		WRITE_ONCE(b->why, PB_STOP_PRESSURE);
		if (given)
			dev_info_ratelimited(&b->vdev->dev,
					     "gave %lu MiB back: the guest was short of memory\n",
					     given >> (20 - PAGE_SHIFT));
	}
	/* Where nothing can be given there is no hurry either. */
	pb_pressure_watch_in(b, memory.available < 4 * headroom && (given || !lack) ?
			     PB_TICK : PB_WATCH);
}

/**
 * pb_pressure_watch() - watch as long as there is something that could be given back
 * @b: the balloon
 *
 * Context: any.
 */
void pb_pressure_watch(struct pb_balloon *b)
{
	pb_pressure_watch_in(b, PB_TICK);
}

static int pb_pressure_oom(struct notifier_block *nb, unsigned long unused, void *freed)
{
	struct pb_balloon *b = container_of(nb, struct pb_balloon, oom_nb);
	struct pb_memory memory;
	unsigned long want, given;

	if (!READ_ONCE(b->held) && list_empty(&b->prepared))
		return NOTIFY_OK;
	if (time_after(jiffies, b->oom_last + PB_OOM_AGAIN))
		b->oom_pages = 0;
	pb_memory_read(b, &memory);
	/* It is too late for what comes soon. */
	memory.soon = 0;
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

	switch (action) {
	case MEM_GOING_OFFLINE:
		pb_blocks_offline(b, range->start_pfn, range->nr_pages);
		break;
	case MEM_CANCEL_OFFLINE:
	case MEM_OFFLINE:
	case MEM_ONLINE:
		/* The host is to know the size, and may have it back. */
		pb_resize_kick(b);
		break;
	}
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
