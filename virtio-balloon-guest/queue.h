/* SPDX-License-Identifier: GPL-2.0-only */
/* A queue of the device with one buffer at a time on it, or a few. */
#ifndef PB_QUEUE_H
#define PB_QUEUE_H

#include <linux/types.h>

struct pb_balloon;
struct scatterlist;
struct virtqueue;

/* Buffers that may be with the device at once, where nobody waits for each of them. */
#define PB_QUEUE_DEPTH 4

/**
 * struct pb_queue - a queue
 * @vq: of the device, NULL when it has none
 * @name: how it is called in messages
 * @flags: bit PB_QUEUE_CLAIMED: somebody uses it
 * @pending: buffers that are with the device; of who has claimed the queue
 * @out: which those are, a bit each
 * @sent: jiffies when the device was given the last one
 * @token: what tells them apart when they come back
 */
struct pb_queue {
	struct virtqueue *vq;
	const char *name;
	unsigned long flags;
	unsigned int pending;
	unsigned long out;
	unsigned long sent;
	char token[PB_QUEUE_DEPTH];
};

#define PB_QUEUE_CLAIMED 0

/* How much patience there is with the device. */
enum pb_patience {
	PB_UNTIL_STOP,		/* until the device is removed, then one second more */
	PB_UNTIL_RESET,		/* whatever happens, until the device can have nothing any more */
	PB_A_SECOND,
};

void pb_queue_ack(struct virtqueue *vq);
bool pb_queue_try(struct pb_queue *queue);
bool pb_queue_claim(struct pb_balloon *b, struct pb_queue *queue, enum pb_patience patience);
void pb_queue_release(struct pb_balloon *b, struct pb_queue *queue);
void pb_queue_unclaim(struct pb_balloon *b, struct pb_queue *queue);
int pb_queue_send(struct pb_balloon *b, struct pb_queue *queue, struct scatterlist *sg,
		  unsigned int nr, bool out);
void pb_queue_late(struct pb_balloon *b, struct pb_queue *queue, unsigned long since,
		   unsigned long *said);
int pb_queue_wait(struct pb_balloon *b, struct pb_queue *queue, enum pb_patience patience);
int pb_queue_wait_below(struct pb_balloon *b, struct pb_queue *queue, unsigned int pending,
			enum pb_patience patience);
bool pb_queue_wait_briefly(struct pb_balloon *b, struct pb_queue *queue);
bool pb_queue_is_idle(struct pb_queue *queue);
unsigned int pb_queue_next(struct pb_queue *queue);
bool pb_queue_is_stuck(struct pb_queue *queue);

#endif /* PB_QUEUE_H */
