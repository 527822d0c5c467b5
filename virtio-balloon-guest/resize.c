// SPDX-License-Identifier: GPL-2.0-only
/*
 * Towards the target, batch by batch.
 *
 * Before each batch everything is asked anew: what the host wants, what the guest can spare. So a
 * new target takes effect within a batch, which is milliseconds, and so does pressure. When there
 * is nothing to do until something changes, the work ends; when the target cannot be reached, it
 * comes again after a while that doubles.
 */
#include <linux/sched.h>

#include "balloon.h"
#include "trace.h"

/* Getting fewer single pages than this, if more are wanted, is no progress. */
#define PB_PROGRESS_PAGES	(SZ_1M >> PAGE_SHIFT)
/* How long the host's idea of the size may be behind. Each word to it costs a guest an exit. */
#define PB_ACTUAL_TICKS		(HZ / 50)
/*
 * Where the allocator clears what is taken, growing is work for a CPU, a tenth of a second and more
 * for a GiB. A program that wants the same CPU gets thirty times as much of it. Only in a guest
 * without an idle CPU does that take longer, seconds for a GiB.
 */
#define PB_NICE			15
/* Above this delay a target counts as unreachable, and is worth a line in the log. */
#define PB_SAY_MS		1000

static const char * const pb_stop_words[PB_STOP_NR] = {
	[PB_STOP_FLOOR] = "the guest needs the rest",
	[PB_STOP_PRESSURE] = "the guest is short of memory",
	[PB_STOP_NO_MEMORY] = "no free memory",
	[PB_STOP_OOM] = "the guest was out of memory",
};

/**
 * pb_update_actual() - let the host know the size
 * @b: the balloon
 *
 * Context: may sleep.
 */
void pb_update_actual(struct pb_balloon *b)
{
	u32 actual;

	mutex_lock(&b->config_lock);
	actual = READ_ONCE(b->held) * PB_UNITS;
	/* One store of four bytes; little-endian even where legacy devices are not. */
	if (!READ_ONCE(b->reset))
		virtio_cwrite_le(b->vdev, struct virtio_balloon_config, actual, &actual);
	mutex_unlock(&b->config_lock);
}

/**
 * pb_resize_kick() - look at the target soon
 * @b: the balloon
 *
 * Context: any.
 */
void pb_resize_kick(struct pb_balloon *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	WRITE_ONCE(b->changed, true);
	if (!b->stop) {
		mod_delayed_work(b->resize_wq, &b->resize, 0);
		/* Where it runs, this waits for its batch. Priorities are not for interrupts. */
		queue_work(b->wq, &b->hurry);
	}
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

static void pb_resize_later(struct pb_balloon *b, unsigned int ms)
{
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	if (!b->stop)
		queue_delayed_work(b->resize_wq, &b->resize, msecs_to_jiffies(ms));
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

/**
 * pb_resize_hurry() - let others no longer go before a resize that is under way
 * @b: the balloon
 *
 * Who needs memory may have to wait for a queue, and so for what is being cleared to be whole. So
 * does a new target, and the end.
 *
 * Context: not an interrupt.
 */
void pb_resize_hurry(struct pb_balloon *b)
{
	spin_lock(&b->nice_lock);
	if (b->nicer)
		set_user_nice(b->nicer, 0);
	spin_unlock(&b->nice_lock);
}

static void pb_resize_hurry_work(struct work_struct *work)
{
	struct pb_balloon *b = container_of(work, struct pb_balloon, hurry);

	spin_lock(&b->nice_lock);
	/* Unless it has looked at what is new since then, and goes on as nice as it should. */
	if (b->nicer && READ_ONCE(b->changed))
		set_user_nice(b->nicer, 0);
	spin_unlock(&b->nice_lock);
}

/**
 * pb_give_back() - return pages to the guest although the host wants them
 * @b: the balloon
 * @nr: how many
 * @cause: what for
 *
 * What the device is only to have next comes first: it is held by nobody. Then blocks that were
 * reported: they need no word to the device, which may be slow.
 *
 * Context: may sleep, but not for long. Also from the OOM notifier.
 * Return: how many came back.
 */
unsigned long pb_give_back(struct pb_balloon *b, unsigned long nr, enum pb_count cause)
{
	unsigned long prepared = pb_blocks_unprepare(b), given = prepared, got;

	pb_resize_hurry(b);
	while (given < nr) {
		got = pb_blocks_deflate(b, PB_WAY_REPORT, nr - given, PB_A_SECOND);
		if (!got)
			got = pb_blocks_deflate(b, PB_WAY_INFLATE, nr - given, PB_A_SECOND);
		if (!got)
			got = pb_pages_deflate(b, nr - given, PB_A_SECOND);
		if (!got)
			break;
		given += got;
	}
	pb_count(b, cause, given - prepared);
	trace_pagefold_balloon_give_back(given, b->held);
	pb_update_actual(b);
	pb_resize_later(b, PB_SAY_MS);
	return given;
}

/* Pages before blocks: they came last, and whole blocks are worth more to both sides. */
static unsigned long pb_resize_down(struct pb_balloon *b, unsigned long nr)
{
	unsigned long got = pb_pages_deflate(b, nr, PB_UNTIL_STOP);

	if (!got)
		got = pb_blocks_deflate(b, PB_WAY_INFLATE, nr, PB_UNTIL_STOP);
	if (!got)
		got = pb_blocks_deflate(b, PB_WAY_REPORT, nr, PB_UNTIL_STOP);
	pb_count(b, PB_COUNT_DEFLATE_TARGET, got);
	if (got)
		trace_pagefold_balloon_deflate(got, b->held);
	return got;
}

static bool pb_resize_device_fails(struct pb_balloon *b)
{
	/* Without reports memory goes page by page. */
	return pb_queue_is_stuck(&b->inflate) || pb_queue_is_stuck(&b->deflate);
}

static unsigned long pb_resize_up(struct pb_balloon *b, unsigned long nr, enum pb_stop *why)
{
	unsigned long room = pb_pressure_room(b, why), got;

	nr = min(nr, room);
	if (!nr)
		return 0;
	got = pb_blocks_inflate(b, nr);
	if (got) {
		pb_backoff_reset(&b->backoff);
		trace_pagefold_balloon_inflate(got, b->held);
		return got;
	}
	got = pb_pages_inflate(b, nr);
	if (got)
		trace_pagefold_balloon_inflate(got, b->held);
	if (got >= min_t(unsigned long, nr, PB_PROGRESS_PAGES)) {
		pb_backoff_reset(&b->backoff);
		return got;
	}
	/* Unless the guest has used it while the queue was waited for. */
	if (pb_pressure_room(b, why)) {
		pb_count(b, PB_COUNT_ALLOC_FAILURES, 1);
		*why = PB_STOP_NO_MEMORY;
	}
	return got;
}

static void pb_resize_read_target(struct pb_balloon *b)
{
	unsigned long target;
	u32 units;

	WRITE_ONCE(b->changed, false);
	/* First forget that it changed, so that a change after this is not forgotten. */
	smp_mb();
	virtio_cread_le(b->vdev, struct virtio_balloon_config, num_pages, &units);
	/* Up to a page of the guest, or a target within a page would never be met. */
	target = DIV_ROUND_UP_ULL(units, PB_UNITS);
	if (target == b->target)
		return;
	WRITE_ONCE(b->target, target);
	b->said = false;
	pb_backoff_reset(&b->backoff);
	trace_pagefold_balloon_target(target, b->held);
}

static void pb_resize_say(struct pb_balloon *b, enum pb_stop why)
{
	if (b->said || b->backoff.delay_ms < PB_SAY_MS || !pb_stop_words[why])
		return;
	b->said = true;
	dev_info_ratelimited(&b->vdev->dev, "stopped at %lu MiB of %lu MiB: %s\n",
			     b->held >> (20 - PAGE_SHIFT), b->target >> (20 - PAGE_SHIFT),
			     pb_stop_words[why]);
}

static void pb_resize_rest(struct pb_balloon *b, enum pb_stop why)
{
	unsigned int delay = 0;

	WRITE_ONCE(b->achieved, b->held);
	switch (why) {
	case PB_STOP_REACHED:
	case PB_STOP_DEVICE:
	case PB_STOP_SUSPEND:
		pb_backoff_reset(&b->backoff);
		break;
	case PB_STOP_PRESSURE:
		/* What has only begun is no failure yet. */
		if (READ_ONCE(b->look) == PB_LOOK_BEGUN) {
			delay = PB_TICK_MS;
			pb_resize_later(b, delay);
			break;
		}
		fallthrough;
	default:
		delay = pb_backoff_next(&b->backoff);
		pb_count(b, PB_COUNT_RETRIES, 1);
		pb_resize_say(b, why);
		pb_resize_later(b, delay);
	}
	WRITE_ONCE(b->why, why);
	trace_pagefold_balloon_stop(why, b->held, delay);
	pb_pressure_watch(b);
}

/*
 * Let others go first, or no longer. Not for a batch alone: what has been owed to others is
 * forgotten with the niceness.
 */
static void pb_resize_be_nice(struct pb_balloon *b, int nice, bool others_first)
{
	spin_lock(&b->nice_lock);
	/* Unless who waits for this has been here to have it hurry. */
	if (others_first && (READ_ONCE(b->changed) || READ_ONCE(b->stop)))
		goto unlock;
	b->nicer = others_first ? current : NULL;
	if (task_nice(current) != nice)
		set_user_nice(current, nice);

unlock:
	spin_unlock(&b->nice_lock);
}

static void pb_resize_work(struct work_struct *work)
{
	struct pb_balloon *b = container_of(to_delayed_work(work), struct pb_balloon, resize);
	int nice = task_nice(current);
	enum pb_stop why = PB_STOP_NONE;
	unsigned long held, got, told = jiffies;

	do {
		pb_resize_read_target(b);
		held = READ_ONCE(b->held);
		if (READ_ONCE(b->paused)) {
			why = PB_STOP_SUSPEND;
			break;
		}
		if (held == b->target) {
			why = PB_STOP_REACHED;
			break;
		}
		if (held > b->target) {
			WRITE_ONCE(b->why, PB_STOP_NONE);
			pb_resize_be_nice(b, nice, false);
			got = pb_resize_down(b, held - b->target);
		} else {
			if (want_init_on_alloc(0) && nice < PB_NICE)
				pb_resize_be_nice(b, PB_NICE, true);
			got = pb_resize_up(b, b->target - held, &why);
		}
		if (time_after(jiffies, told + PB_ACTUAL_TICKS)) {
			pb_update_actual(b);
			told = jiffies;
		}
		if (got && why == PB_STOP_NONE)
			WRITE_ONCE(b->why, PB_STOP_NONE);
		/* Not only at rest: the next batch may wait for the device for ever. */
		if (got)
			pb_pressure_watch(b);
		if (!got && pb_resize_device_fails(b))
			why = PB_STOP_DEVICE;
		cond_resched();
	} while (got && why == PB_STOP_NONE && !READ_ONCE(b->stop));
	/* The thread is not ours. */
	pb_resize_be_nice(b, nice, false);
	pb_update_actual(b);
	if (!READ_ONCE(b->stop))
		pb_resize_rest(b, why);
}

/**
 * pb_resize_init() - be able to resize
 * @b: the balloon
 */
void pb_resize_init(struct pb_balloon *b)
{
	INIT_DELAYED_WORK(&b->resize, pb_resize_work);
	INIT_WORK(&b->hurry, pb_resize_hurry_work);
	b->backoff.min_ms = PB_BACKOFF_MIN_MS;
	b->backoff.max_ms = PB_BACKOFF_MAX_MS;
	mutex_init(&b->config_lock);
	spin_lock_init(&b->nice_lock);
}
