// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page reporting: the host hears of free memory that is not in the balloon.
 *
 * The core of the kernel takes free blocks off its lists, has them reported, and puts them back.
 * The queue is shared with the blocks of the balloon, see block.c; whoever has claimed it waits
 * for the acknowledgment before the next may send.
 */
#include "balloon.h"
#include "trace.h"

/* Caller has claimed the queue. */
static int pb_report_send(struct pb_balloon *b, struct scatterlist *sg, unsigned int nr)
{
	int err = pb_queue_wait(b, &b->report, PB_A_SECOND);

	if (!err)
		err = pb_queue_send(b, &b->report, sg, nr, false);
	if (err || !pb_queue_wait(b, &b->report, PB_A_SECOND))
		return err;
	/* With so slow a device the guest lacks them. */
	WRITE_ONCE(b->lent, 0);
	/* The pages go back to the free lists after this, so not before the device is done. */
	return pb_queue_wait(b, &b->report, PB_UNTIL_RESET);
}

/*
 * What could not be reported is looked for again after so long; the core waits two seconds more.
 * Each time all free memory is walked, and a device that has been busy for a minute may be so for
 * long.
 */
#define PB_REPORT_AGAIN_MIN_MS	2000
#define PB_REPORT_AGAIN_MAX_MS	128000

static void pb_report_later(struct pb_balloon *b)
{
	unsigned long flags;

	/* Nothing is ever reported again. */
	if (pb_queue_is_stuck(&b->report))
		return;
	spin_lock_irqsave(&b->stop_lock, flags);
	if (!b->stop && !delayed_work_pending(&b->pr_again))
		queue_delayed_work(b->patient_wq, &b->pr_again,
				   msecs_to_jiffies(pb_backoff_next(&b->pr_backoff)));
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

static void pb_report_went(struct pb_balloon *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	pb_backoff_reset(&b->pr_backoff);
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

/* Who waits for the queue has free memory in hand, so not for long: it is reported another time. */
static int pb_report_free(struct page_reporting_dev_info *pr, struct scatterlist *sg,
			  unsigned int nr)
{
	struct pb_balloon *b = container_of(pr, struct pb_balloon, pr);
	unsigned long pages = 0;
	unsigned int i;
	int err = -EBUSY;

	if (READ_ONCE(b->stop))
		return -ESHUTDOWN;
	for (i = 0; i < nr; i++)
		pages += sg[i].length >> PAGE_SHIFT;
	WRITE_ONCE(b->lent, pages);
	if (pb_queue_claim(b, &b->report, PB_A_SECOND)) {
		err = pb_report_send(b, sg, nr);
		pb_queue_release(b, &b->report);
	}
	WRITE_ONCE(b->lent, 0);
	pb_count(b, PB_COUNT_REPORT, err ? 0 : pages);
	if (!err)
		pb_report_went(b);
	else if (err == -EBUSY || err == -ETIMEDOUT)
		pb_report_later(b);
	return err;
}

static void pb_report_register(struct pb_balloon *b)
{
	int err = page_reporting_register(&b->pr);

	if (err)
		dev_notice(&b->vdev->dev, "free pages are not reported (error %d)\n", err);
	b->pr_registered = !err;
}

/*
 * The core looks for free pages when large ones are freed, or somebody registers. After an error it
 * would wait for the next that is freed, while all that it could not report stays the guest's.
 *
 * Unregistering waits for a report that is under way, with a lock that every other device needs to
 * come or go. So not while one may be with the device, which has no limit; and who wants to send
 * one meanwhile finds the queue claimed, and gives up after a second.
 */
static void pb_report_again(struct work_struct *work)
{
	struct pb_balloon *b = container_of(to_delayed_work(work), struct pb_balloon, pr_again);

	if (!pb_queue_claim(b, &b->report, PB_A_SECOND)) {
		pb_report_later(b);
		return;
	}
	page_reporting_unregister(&b->pr);
	pb_report_register(b);
	pb_queue_release(b, &b->report);
}

/**
 * pb_report_init() - be able to report free pages
 * @b: the balloon
 */
void pb_report_init(struct pb_balloon *b)
{
	INIT_DELAYED_WORK(&b->pr_again, pb_report_again);
	b->pr_backoff.min_ms = PB_REPORT_AGAIN_MIN_MS;
	b->pr_backoff.max_ms = PB_REPORT_AGAIN_MAX_MS;
}

/**
 * pb_report_start() - have free pages reported
 * @b: the balloon
 *
 * One device of a system can do this; if another does, or the queue is too short for what the core
 * reports at once, the balloon works without.
 */
void pb_report_start(struct pb_balloon *b)
{
	unsigned int entries;

	if (!virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_REPORTING))
		return;
	entries = min_t(unsigned int, virtqueue_get_vring_size(b->report.vq),
			PAGE_REPORTING_CAPACITY);
	if (entries < PB_REPORTING_MIN) {
		dev_notice(&b->vdev->dev, "free pages are not reported (%u entries of %u)\n",
			   entries, PAGE_REPORTING_CAPACITY);
		return;
	}
	pb_reporting_set_capacity(&b->pr, entries);
	b->pr.report = pb_report_free;
	/* Of the size of pageblocks: smaller ones would take the host's huge pages apart. */
	b->pr.order = PAGE_REPORTING_ORDER_UNSPECIFIED;
	pb_report_register(b);
}

/**
 * pb_report_stop() - have free pages reported no longer
 * @b: the balloon, its device reset: nobody waits for it any more
 */
void pb_report_stop(struct pb_balloon *b)
{
	cancel_delayed_work_sync(&b->pr_again);
	if (b->pr_registered)
		page_reporting_unregister(&b->pr);
	b->pr_registered = false;
}
