// SPDX-License-Identifier: GPL-2.0-only
/*
 * pagefold_balloon.ko: gives a guest's memory to its host and takes it back, by virtio's balloon.
 *
 * DOC: Overview
 *
 * A balloon is a driver that allocates memory of its guest, so that nothing else uses it, and tells
 * the host which pages it has. What makes this one different:
 *
 *   block.c	large blocks go through the queue for free page reports, whole. See there why
 *   inflate.c	4 KiB pages, for what is left, and for devices that do not take reports
 *   resize.c	one batch at a time towards the target
 *   pressure.c	when not to, and when to give back
 *   queue.c	the device is not trusted to answer
 *   stats.c, hint.c, report.c	the other services of the device
 *   floor.c, backoff.c	the arithmetic, pure
 *
 * What of the specification is kept where stands in Documentation/PROTOCOL.rst.
 *
 * DOC: Locks
 *
 *   claim of inflate, report, deflate	one buffer each with the device, in this order
 *     look_lock, config_lock			mutexes, nothing within
 *       lock, hint_lock, stop_lock		spinlocks, nothing within
 *       nice_lock				a spinlock, within it the scheduler's
 *
 * The lock of the core's list of pages (balloon_dev_info) is taken within a claim and holds
 * nothing.
 *
 * DOC: The end
 *
 * However a device goes, pb_halt() does the same: nobody starts anything new; who waits is told to
 * stop; what can be deflated is; the device is reset, from when on it has nothing; everything is
 * freed. No step waits for the device for more than a second or so.
 */
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/virtio_ring.h>

#include "balloon.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static unsigned long long min_bytes;
module_param(min_bytes, ullong, 0444);
MODULE_PARM_DESC(min_bytes, "what a guest keeps at least, whatever the host wants (0)");

/* Refused at once where it is absurd, for all devices. */
static int pfns_max_set(const char *value, const struct kernel_param *param)
{
	return param_set_uint_minmax(value, param, PB_PFNS_MIN, PB_PFNS_MAX);
}

static const struct kernel_param_ops pfns_max_ops = {
	.set = pfns_max_set,
	.get = param_get_uint,
};

static unsigned int pfns_max = PB_PFNS_MAX;
module_param_cb(pfns_max, &pfns_max_ops, &pfns_max, 0444);
MODULE_PARM_DESC(pfns_max, "PFNs in one buffer, 256 to 8192, for devices that take few (8192)");

enum {
	PB_VQ_INFLATE,
	PB_VQ_DEFLATE,
	PB_VQ_STATS,
	PB_VQ_HINT,
	PB_VQ_REPORT,
	PB_VQ_NR
};

static_assert(PB_VQ_NR <= PB_QUEUES_MAX);

static void pb_queue_set(struct pb_queue *queue, const char *name, struct virtqueue *vq)
{
	*queue = (struct pb_queue){ .name = name, .vq = vq };
}

/*
 * Find the queues. By name: their numbers depend on which of them a device has, and devices and the
 * specification do not agree how.
 */
static int pb_find_queues(struct pb_balloon *b)
{
	struct virtqueue_info info[PB_VQ_NR] = {
		[PB_VQ_INFLATE] = { .name = "inflate", .callback = pb_queue_ack },
		[PB_VQ_DEFLATE] = { .name = "deflate", .callback = pb_queue_ack },
	};
	struct virtqueue *vqs[PB_VQ_NR] = {};
	int err;

	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_STATS_VQ)) {
		info[PB_VQ_STATS].name = "stats";
		info[PB_VQ_STATS].callback = pb_stats_request;
	}
	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT)) {
		info[PB_VQ_HINT].name = "free_page_vq";
		info[PB_VQ_HINT].callback = pb_queue_ack;
	}
	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_REPORTING)) {
		info[PB_VQ_REPORT].name = "reporting_vq";
		info[PB_VQ_REPORT].callback = pb_queue_ack;
	}
	err = pb_find_vqs(b->vdev, PB_VQ_NR, vqs, info);
	if (err)
		return err;
	pb_queue_set(&b->inflate, "inflate", vqs[PB_VQ_INFLATE]);
	pb_queue_set(&b->deflate, "deflate", vqs[PB_VQ_DEFLATE]);
	pb_queue_set(&b->stats, "stats", info[PB_VQ_STATS].name ? vqs[PB_VQ_STATS] : NULL);
	pb_queue_set(&b->hint, "hinting", info[PB_VQ_HINT].name ? vqs[PB_VQ_HINT] : NULL);
	pb_queue_set(&b->report, "reporting", info[PB_VQ_REPORT].name ? vqs[PB_VQ_REPORT] : NULL);
	/* A number, a block and STOP are with the device at once. */
	if (b->hint.vq && virtqueue_get_vring_size(b->hint.vq) < 3) {
		b->vdev->config->del_vqs(b->vdev);
		return -ENOSPC;
	}
	return 0;
}

/*
 * What free pages of this guest contain, for the device. Must be said before the device is ready.
 * A device that discards a page gives back zeroes: where free pages hold something else it must
 * not, and QEMU then ignores reports and still acknowledges them. So blocks are not reported
 * then.
 */
static void pb_negotiate(struct pb_balloon *b)
{
	u32 poison_val = 0;

	b->must_tell = virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_MUST_TELL_HOST);
	b->adjust = !virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_PAGE_POISON)) {
		/* All bytes are the same, so their order does not matter. */
		if (!want_init_on_free())
			memset(&poison_val, PAGE_POISON, sizeof(poison_val));
		virtio_cwrite_le(b->vdev, struct virtio_balloon_config, poison_val, &poison_val);
	}
	b->reporting = b->report.vq && !poison_val;
	pb_info_set_adjust(&b->info, b->adjust);
}

static void pb_changed(struct virtio_device *vdev)
{
	struct pb_balloon *b = vdev->priv;

	pb_resize_kick(b);
	pb_hint_kick(b);
}

/* Nobody queues work from here on, and who waits is told. */
static void pb_stop(struct pb_balloon *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	b->stop = true;
	spin_unlock_irqrestore(&b->stop_lock, flags);
	wake_up_all(&b->wait);
}

/* The device has nothing from here on. */
static void pb_reset(struct pb_balloon *b)
{
	virtio_reset_device(b->vdev);
	WRITE_ONCE(b->reset, true);
	wake_up_all(&b->wait);
}

/* Start with a device that is reset and whose features are known. */
static int pb_launch(struct pb_balloon *b)
{
	unsigned long flags;
	int err;

	err = pb_find_queues(b);
	if (err)
		return err;
	pb_negotiate(b);
	err = pb_stats_start(b);
	if (err)
		goto del_vqs;
	b->hint_out = 0;
	b->hint_late = false;
	b->hint_active = VIRTIO_BALLOON_CMD_ID_STOP;
	WRITE_ONCE(b->why, PB_STOP_NONE);
	WRITE_ONCE(b->reset, false);
	spin_lock_irqsave(&b->stop_lock, flags);
	b->stop = false;
	spin_unlock_irqrestore(&b->stop_lock, flags);
	virtio_device_ready(b->vdev);
	if (b->stats.vq)
		virtqueue_kick(b->stats.vq);
	pb_report_start(b);
	err = pb_pressure_init(b);
	if (err)
		goto stop;
	b->launched = true;
	pb_update_actual(b);
	pb_changed(b->vdev);
	return 0;

stop:
	pb_stop(b);
	pb_reset(b);
	/* The device may have asked for statistics already. */
	cancel_work_sync(&b->stats_work);
	cancel_delayed_work_sync(&b->resize);
	cancel_work_sync(&b->hurry);
	pb_report_stop(b);
del_vqs:
	b->vdev->config->del_vqs(b->vdev);
	return err;
}

/* Pages that went by PFN are announced, as long as the device answers. */
static void pb_halt_deflate(struct pb_balloon *b)
{
	unsigned long got;

	do {
		got = pb_pages_deflate(b, PB_PFNS_MAX, PB_A_SECOND);
		if (!got)
			got = pb_blocks_deflate(b, PB_WAY_INFLATE, PB_PFNS_MAX, PB_A_SECOND);
		pb_count(b, PB_COUNT_DEFLATE_RESET, got);
		cond_resched();
	} while (got);
}

/* Nobody uses a queue any more. */
static void pb_halt_queue(struct pb_balloon *b, struct pb_queue *queue)
{
	while (!pb_queue_try(queue))
		schedule_timeout_idle(1);
}

/* Give every page back, whatever the device does. */
static void pb_halt(struct pb_balloon *b)
{
	u32 actual = 0;

	/* Nothing is left of a device that did not come back from sleep. */
	if (!b->launched)
		return;
	b->launched = false;
	pb_stop(b);
	pb_resize_hurry(b);
	pb_pressure_exit(b);
	pb_pressure_stop(b);
	cancel_delayed_work_sync(&b->resize);
	cancel_work_sync(&b->hurry);
	cancel_work_sync(&b->hint_work);
	cancel_work_sync(&b->stats_work);
	cancel_work_sync(&b->settle);
	pb_halt_deflate(b);
	virtio_cwrite_le(b->vdev, struct virtio_balloon_config, actual, &actual);
	pb_reset(b);
	pb_report_stop(b);
	pb_hint_free_all(b);
	pb_pages_free_all(b);
	pb_blocks_free_all(b);
	pb_halt_queue(b, &b->inflate);
	pb_halt_queue(b, &b->deflate);
	b->vdev->config->del_vqs(b->vdev);
}

static struct pb_balloon *pb_create(struct virtio_device *vdev)
{
	struct pb_balloon *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return NULL;
	b->vdev = vdev;
	b->min_bytes = min_bytes;
	b->pfns_max = pfns_max;
	b->stop = true;
	b->reset = true;
	init_waitqueue_head(&b->wait);
	spin_lock_init(&b->stop_lock);
	pb_blocks_init(b);
	pb_resize_init(b);
	pb_stats_init(b);
	pb_report_init(b);
	return b;
}

/*
 * Unbound: clearing and freeing memory should not hold up the CPU of an interrupt. What gives
 * memory back must not wait for memory to start a thread. Nor may it wait for others in the one
 * thread that is there for that need: a resize, hints and reports may wait for the device without
 * end. A resize also gives memory back, so it has such a thread of its own.
 */
static bool pb_create_workqueues(struct pb_balloon *b)
{
	b->wq = alloc_workqueue("pagefold_balloon", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!b->wq)
		return false;
	b->resize_wq = alloc_workqueue("pagefold_balloon_resize", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!b->resize_wq)
		goto destroy_wq;
	b->patient_wq = alloc_workqueue("pagefold_balloon_patient", WQ_UNBOUND, 0);
	if (b->patient_wq)
		return true;
	destroy_workqueue(b->resize_wq);
destroy_wq:
	destroy_workqueue(b->wq);
	return false;
}

static void pb_destroy_workqueues(struct pb_balloon *b)
{
	destroy_workqueue(b->patient_wq);
	destroy_workqueue(b->resize_wq);
	destroy_workqueue(b->wq);
}

static int pb_probe(struct virtio_device *vdev)
{
	struct pb_balloon *b;
	int err = -ENOMEM;

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "the device has no configuration\n");
		return -EINVAL;
	}
	b = pb_create(vdev);
	if (!b)
		return -ENOMEM;
	vdev->priv = b;
	if (!pb_create_workqueues(b))
		goto free;
	err = pb_pages_init(b);
	if (err)
		goto destroy_workqueues;
	err = pb_hint_init(b);
	if (err)
		goto exit_pages;
	err = pb_launch(b);
	if (err)
		goto exit_hint;
	dev_info(&vdev->dev, "memory goes to the host by %s\n",
		 b->reporting ? "blocks (free page reports)" : "PFNs (the inflate queue)");
	return 0;

exit_hint:
	pb_hint_exit(b);
exit_pages:
	pb_pages_exit(b);
destroy_workqueues:
	pb_destroy_workqueues(b);
free:
	kfree(b);
	return err;
}

static void pb_remove(struct virtio_device *vdev)
{
	struct pb_balloon *b = vdev->priv;

	pb_hint_exit(b);
	pb_halt(b);
	pb_pages_exit(b);
	pb_destroy_workqueues(b);
	kfree(b);
}

static int __maybe_unused pb_freeze(struct virtio_device *vdev)
{
	pb_halt(vdev->priv);
	return 0;
}

static int __maybe_unused pb_restore(struct virtio_device *vdev)
{
	return pb_launch(vdev->priv);
}

static int pb_validate(struct virtio_device *vdev)
{
	/*
	 * The device must know what free pages contain, or it must not discard them. Where they
	 * contain nothing in particular, there is nothing to know.
	 */
	if (!want_init_on_free() && !page_poisoning_enabled_static())
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
	/* Adding a buffer then never allocates, which matters when memory is what is short. */
	__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	/* PFNs are the guest's own addresses: a device behind an IOMMU could not use them. */
	__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

static const struct virtio_device_id pb_ids[] = {
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static const unsigned int pb_features[] = {
	VIRTIO_BALLOON_F_MUST_TELL_HOST,
	VIRTIO_BALLOON_F_STATS_VQ,
	VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
	VIRTIO_BALLOON_F_FREE_PAGE_HINT,
	VIRTIO_BALLOON_F_PAGE_POISON,
	VIRTIO_BALLOON_F_REPORTING,
};

static struct virtio_driver pb_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.driver.dev_groups = pb_groups,
	.id_table = pb_ids,
	.feature_table = pb_features,
	.feature_table_size = ARRAY_SIZE(pb_features),
	.validate = pb_validate,
	.probe = pb_probe,
	.remove = pb_remove,
	.config_changed = pb_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = pb_freeze,
	.restore = pb_restore,
#endif
};

module_virtio_driver(pb_driver);
MODULE_DEVICE_TABLE(virtio, pb_ids);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Virtio balloon by large blocks, which knows what its guest needs");
