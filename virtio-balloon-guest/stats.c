// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics: a queue that works in reverse. The device keeps one buffer and returns it when it
 * wants new figures; it is filled and handed back.
 *
 * The same tags are sent every time. What this kernel does not count is left out, not made up.
 */
#include "balloon.h"

struct pb_stats_fill {
	struct pb_balloon *b;
	unsigned int used;
};

static void pb_stats_put(struct pb_stats_fill *fill, u16 tag, u64 value)
{
	struct virtio_balloon_stat *stat = &fill->b->stats_buf[fill->used++];

	stat->tag = cpu_to_virtio16(fill->b->vdev, tag);
	stat->val = cpu_to_virtio64(fill->b->vdev, value);
}

static void pb_stats_put_events(struct pb_stats_fill *fill)
{
#ifdef CONFIG_VM_EVENT_COUNTERS
	unsigned long events[NR_VM_EVENT_ITEMS], stalls = 0;
	int zone;

	all_vm_events(events);
	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		stalls += events[ALLOCSTALL_NORMAL - ZONE_NORMAL + zone];
	pb_stats_put(fill, VIRTIO_BALLOON_S_SWAP_IN, (u64)events[PSWPIN] << PAGE_SHIFT);
	pb_stats_put(fill, VIRTIO_BALLOON_S_SWAP_OUT, (u64)events[PSWPOUT] << PAGE_SHIFT);
	pb_stats_put(fill, VIRTIO_BALLOON_S_MAJFLT, events[PGMAJFAULT]);
	pb_stats_put(fill, VIRTIO_BALLOON_S_MINFLT, events[PGFAULT]);
#ifdef CONFIG_HUGETLB_PAGE
	pb_stats_put(fill, VIRTIO_BALLOON_S_HTLB_PGALLOC, events[HTLB_BUDDY_PGALLOC]);
	pb_stats_put(fill, VIRTIO_BALLOON_S_HTLB_PGFAIL, events[HTLB_BUDDY_PGALLOC_FAIL]);
#endif
	pb_stats_put(fill, VIRTIO_BALLOON_S_OOM_KILL, events[OOM_KILL]);
	pb_stats_put(fill, VIRTIO_BALLOON_S_ALLOC_STALL, stalls);
	pb_stats_put(fill, VIRTIO_BALLOON_S_ASYNC_SCAN,
		     (u64)pb_reclaimed(events, PGSCAN_KSWAPD) << PAGE_SHIFT);
	pb_stats_put(fill, VIRTIO_BALLOON_S_DIRECT_SCAN,
		     (u64)pb_reclaimed(events, PGSCAN_DIRECT) << PAGE_SHIFT);
	pb_stats_put(fill, VIRTIO_BALLOON_S_ASYNC_RECLAIM,
		     (u64)pb_reclaimed(events, PGSTEAL_KSWAPD) << PAGE_SHIFT);
	pb_stats_put(fill, VIRTIO_BALLOON_S_DIRECT_RECLAIM,
		     (u64)pb_reclaimed(events, PGSTEAL_DIRECT) << PAGE_SHIFT);
#endif
}

/* Fill the buffer, which the device does not have. Returns its length. */
static unsigned int pb_stats_fill(struct pb_balloon *b)
{
	struct pb_stats_fill fill = { .b = b };
	struct sysinfo info;

	si_meminfo(&info);
	pb_stats_put_events(&fill);
	pb_stats_put(&fill, VIRTIO_BALLOON_S_MEMFREE, (u64)info.freeram << PAGE_SHIFT);
	pb_stats_put(&fill, VIRTIO_BALLOON_S_MEMTOT, (u64)info.totalram << PAGE_SHIFT);
	pb_stats_put(&fill, VIRTIO_BALLOON_S_AVAIL, (u64)si_mem_available() << PAGE_SHIFT);
	pb_stats_put(&fill, VIRTIO_BALLOON_S_CACHES,
		     (u64)global_node_page_state(NR_FILE_PAGES) << PAGE_SHIFT);
	return fill.used * sizeof(b->stats_buf[0]);
}

static int pb_stats_add(struct pb_balloon *b)
{
	struct scatterlist sg;

	sg_init_one(&sg, b->stats_buf, pb_stats_fill(b));
	return virtqueue_add_outbuf(b->stats.vq, &sg, 1, b, GFP_KERNEL);
}

static void pb_stats_work(struct work_struct *work)
{
	struct pb_balloon *b = container_of(work, struct pb_balloon, stats_work);
	unsigned int len;

	/* Only a buffer that came back may be touched; a request without one is none. */
	if (!virtqueue_get_buf(b->stats.vq, &len))
		return;
	if (pb_stats_add(b))
		dev_err_ratelimited(&b->vdev->dev, "the statistics queue takes no buffer\n");
	else
		virtqueue_kick(b->stats.vq);
}

/**
 * pb_stats_request() - the device has returned the buffer
 * @vq: the statistics queue
 *
 * Context: interrupt.
 */
void pb_stats_request(struct virtqueue *vq)
{
	struct pb_balloon *b = vq->vdev->priv;
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	if (!b->stop)
		queue_work(b->wq, &b->stats_work);
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

/**
 * pb_stats_start() - put the first buffer on the queue
 * @b: the balloon, its device about to be ready
 *
 * Return: 0 or an error.
 */
int pb_stats_start(struct pb_balloon *b)
{
	return b->stats.vq ? pb_stats_add(b) : 0;
}

/**
 * pb_stats_init() - be able to tell statistics
 * @b: the balloon
 */
void pb_stats_init(struct pb_balloon *b)
{
	INIT_WORK(&b->stats_work, pb_stats_work);
}
