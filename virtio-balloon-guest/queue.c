// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue of the device with one buffer at a time on it, or a few, and nobody trusted.
 *
 * Memory that the device has is the device's until it says so: a page that is used too early is
 * discarded under whoever uses it. So whoever sends something waits for the acknowledgment, and
 * while none comes, the memory belongs to nobody. The device may never acknowledge, may do so
 * twice, may break or vanish: each ends in waiting for the removal of the device, whose reset is
 * the one thing that takes all memory from it.
 *
 * Waiting is idle and can be ended, so a queue is claimed by a bit instead of a mutex: who waits
 * for a queue can be told to stop as well as who waits for the device.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>
#include <linux/scatterlist.h>

#include "balloon.h"
#include "trace.h"

#define PB_LATE_SECONDS 30
/* A device that has had a buffer for longer is busy. */
#define PB_BRIEFLY	(HZ / 20)

/**
 * pb_queue_ack() - the device has returned a buffer
 * @vq: of which queue
 *
 * Context: interrupt.
 */
void pb_queue_ack(struct virtqueue *vq)
{
	struct pb_balloon *b = vq->vdev->priv;

	wake_up_all(&b->wait);
	if (vq == b->deflate.vq)
		pb_limbo_kick(b);
}

/* Is it time to go, for one with this much patience who waits since @since? */
static bool pb_queue_give_up(struct pb_balloon *b, enum pb_patience patience, unsigned long since)
{
	if (READ_ONCE(b->reset))
		return true;
	switch (patience) {
	case PB_UNTIL_RESET:
		return false;
	case PB_UNTIL_STOP:
		if (!READ_ONCE(b->stop))
			return false;
		fallthrough;
	default:
		return time_after(jiffies, since + HZ);
	}
}

/**
 * pb_queue_try() - have a queue for oneself, if nobody has it
 * @queue: which
 *
 * Return: whether it is ours now; pb_queue_release() gives it away.
 */
bool pb_queue_try(struct pb_queue *queue)
{
	return !test_and_set_bit_lock(PB_QUEUE_CLAIMED, &queue->flags);
}

/**
 * pb_queue_claim() - have a queue for oneself
 * @b: the balloon
 * @queue: which of its queues
 * @patience: how long to wait for it
 *
 * Nobody waits for a broken queue: who has it may have to keep it until the reset.
 *
 * Context: may sleep.
 * Return: whether it is ours now; pb_queue_release() gives it away.
 */
bool pb_queue_claim(struct pb_balloon *b, struct pb_queue *queue, enum pb_patience patience)
{
	unsigned long since = jiffies;

	while (!virtqueue_is_broken(queue->vq)) {
		if (wait_event_idle_timeout(b->wait, pb_queue_try(queue), HZ / 4))
			return true;
		if (pb_queue_give_up(b, patience, since))
			return false;
	}
	return false;
}

/**
 * pb_queue_unclaim() - pb_queue_release() for who has just seen to what is leaving
 * @b: the balloon
 * @queue: that was claimed
 */
void pb_queue_unclaim(struct pb_balloon *b, struct pb_queue *queue)
{
	clear_bit_unlock(PB_QUEUE_CLAIMED, &queue->flags);
	/* Between the bit and a look whether anybody waits for it. */
	smp_mb__after_atomic();
	wake_up_all(&b->wait);
}

/**
 * pb_queue_release() - let others have a queue
 * @b: the balloon
 * @queue: that was claimed
 */
void pb_queue_release(struct pb_balloon *b, struct pb_queue *queue)
{
	pb_queue_unclaim(b, queue);
	/* Who came to see what has left the balloon did not wait for the queue. */
	if (queue == &b->deflate)
		pb_limbo_kick(b);
}

/* Take back what the device has acknowledged; the ring takes care that each comes back once. */
static unsigned int pb_queue_drain(struct pb_queue *queue)
{
	unsigned int len;
	char *token;

	while ((token = virtqueue_get_buf(queue->vq, &len))) {
		__clear_bit(token - queue->token, &queue->out);
		queue->pending--;
	}
	return queue->pending;
}

/**
 * pb_queue_is_idle() - has the device nothing of a queue?
 * @queue: claimed
 */
bool pb_queue_is_idle(struct pb_queue *queue)
{
	return !pb_queue_drain(queue);
}

/**
 * pb_queue_next() - which buffer the next one on a queue will be
 * @queue: claimed, fewer than PB_QUEUE_DEPTH on it
 *
 * Return: a number below PB_QUEUE_DEPTH, which is no buffer's that the device has.
 */
unsigned int pb_queue_next(struct pb_queue *queue)
{
	return ffz(queue->out);
}

static int pb_queue_broken(struct pb_balloon *b, struct pb_queue *queue)
{
	dev_err_ratelimited(&b->vdev->dev, "the device is broken (%s queue), what it has stays with it\n",
			    queue->name);
	return -EIO;
}

/**
 * pb_queue_is_stuck() - is there no hope for a queue but the removal of the device?
 * @queue: claimed or not
 */
bool pb_queue_is_stuck(struct pb_queue *queue)
{
	return virtqueue_is_broken(queue->vq);
}

/**
 * pb_queue_late() - say it when the device lets somebody wait for long
 * @b: the balloon
 * @queue: which
 * @since: jiffies when the waiting began
 * @said: jiffies when that was said last, @since at first
 */
void pb_queue_late(struct pb_balloon *b, struct pb_queue *queue, unsigned long since,
		   unsigned long *said)
{
	if (!time_after(jiffies, *said + PB_LATE_SECONDS * HZ))
		return;
	*said = jiffies;
	pb_count(b, PB_COUNT_ACK_LATE, 1);
	trace_pagefold_balloon_late(queue->name, (jiffies - since) / HZ);
	dev_warn(&b->vdev->dev, "the device has not acknowledged a buffer of its %s queue for %lu s\n",
		 queue->name, (jiffies - since) / HZ);
	WRITE_ONCE(b->why, PB_STOP_DEVICE);
}

/**
 * pb_queue_wait_below() - wait until the device has fewer buffers of a queue
 * @b: the balloon
 * @queue: claimed
 * @pending: fewer than this many, at least 1
 * @patience: how long to wait
 *
 * Context: may sleep.
 * Return: 0 when that is so; -EIO if the device is broken, -ETIMEDOUT at the end of the patience,
 * -ESHUTDOWN after a reset. With PB_UNTIL_RESET only 0 and -ESHUTDOWN.
 */
int pb_queue_wait_below(struct pb_balloon *b, struct pb_queue *queue, unsigned int pending,
			enum pb_patience patience)
{
	unsigned long since = jiffies, said = since;

	pending = min(pending, virtqueue_get_vring_size(queue->vq));
	if (queue->pending < pending)
		return 0;
	/* In slices, for a device that breaks wakes nobody. */
	while (!wait_event_idle_timeout(b->wait, READ_ONCE(b->reset) ||
					pb_queue_drain(queue) < pending, HZ / 4)) {
		if (virtqueue_is_broken(queue->vq) && patience != PB_UNTIL_RESET)
			return pb_queue_broken(b, queue);
		if (pb_queue_give_up(b, patience, since))
			return READ_ONCE(b->reset) ? -ESHUTDOWN : -ETIMEDOUT;
		pb_queue_late(b, queue, since, &said);
	}
	/* It speaks again. Where things stand now, resizing knows. */
	if (said != since && cmpxchg(&b->why, PB_STOP_DEVICE, PB_STOP_NONE) == PB_STOP_DEVICE)
		pb_resize_kick(b);
	return READ_ONCE(b->reset) ? -ESHUTDOWN : 0;
}

/**
 * pb_queue_wait() - wait until the device acknowledges all that was sent
 * @b: the balloon
 * @queue: claimed
 * @patience: how long to wait
 *
 * Context: may sleep.
 * Return: 0 when nothing is with the device; else as pb_queue_wait_below().
 */
int pb_queue_wait(struct pb_balloon *b, struct pb_queue *queue, enum pb_patience patience)
{
	return pb_queue_wait_below(b, queue, 1, patience);
}

/**
 * pb_queue_wait_briefly() - wait until the device acknowledges all, for one who holds up others
 * @b: the balloon
 * @queue: claimed
 *
 * From when the device got the last buffer: nobody else waits for one that was waited for in vain.
 *
 * Context: may sleep.
 * Return: whether nothing is with the device.
 */
bool pb_queue_wait_briefly(struct pb_balloon *b, struct pb_queue *queue)
{
	long left = queue->sent + PB_BRIEFLY - jiffies;

	if (!pb_queue_is_idle(queue) && left > 0)
		wait_event_idle_timeout(b->wait, READ_ONCE(b->reset) || pb_queue_is_idle(queue),
					left);
	return pb_queue_is_idle(queue);
}

/**
 * pb_queue_send() - put a buffer on a queue and tell the device
 * @b: the balloon
 * @queue: claimed, fewer than PB_QUEUE_DEPTH on it
 * @sg: the buffer, that of pb_queue_next() where there are several
 * @nr: entries of it
 * @out: the device reads it; otherwise it may write to it
 *
 * Context: may sleep.
 * Return: 0 when the device has it: wait for it; another when it has not.
 */
int pb_queue_send(struct pb_balloon *b, struct pb_queue *queue, struct scatterlist *sg,
		  unsigned int nr, bool out)
{
	unsigned int next;
	int err;

	if (READ_ONCE(b->reset))
		return -ESHUTDOWN;
	/* Before others come back: the sender has filled the buffer that was next. */
	next = pb_queue_next(queue);
	/*
	 * An acknowledgment too many must not be taken for that of what is sent now. Looking makes
	 * the ring break.
	 */
	pb_queue_drain(queue);
	if (virtqueue_is_broken(queue->vq))
		return pb_queue_broken(b, queue);
	if (out)
		err = virtqueue_add_outbuf(queue->vq, sg, nr, &queue->token[next],
					   GFP_NOWAIT | __GFP_NOWARN);
	else
		err = virtqueue_add_inbuf(queue->vq, sg, nr, &queue->token[next],
					  GFP_NOWAIT | __GFP_NOWARN);
	if (err)
		return err;
	/* From here on the device may look, told or not. */
	__set_bit(next, &queue->out);
	queue->pending++;
	queue->sent = jiffies;
	virtqueue_kick(queue->vq);
	pb_count(b, PB_COUNT_KICKS, 1);
	return 0;
}
