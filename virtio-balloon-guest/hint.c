// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hinting: what a migration need not copy.
 *
 * The host asks by a number in the configuration. The answer on the queue is that number, then
 * free blocks, then STOP. The blocks are kept until the host is DONE, or until the guest wants
 * them back: a page that is written to again is copied as if it had never been hinted.
 *
 * But not if it was written to before the host has read the hint. The specification lets a driver
 * take it back then, and QEMU forgets all that was written until it reads. So the guest gets none
 * that the device has not returned; those are the newest, for it reads in order.
 */
#include "balloon.h"

#define PB_HINT_GFP	((GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC) & \
			 ~__GFP_RECLAIM)
/* Of 4 MiB, or the largest there are: some kernels have blocks of which few are all memory. */
#define PB_HINT_ORDER	(MAX_PAGE_ORDER < 22 - PAGE_SHIFT ? MAX_PAGE_ORDER : 22 - PAGE_SHIFT)
#define PB_HINT_PAGES	BIT(PB_HINT_ORDER)
/* Blocks that the device may have at once, all that a silent one can keep from the guest. */
#define PB_HINT_DEPTH	16U

static u32 pb_hint_read_id(struct pb_balloon *b)
{
	u32 id;

	WRITE_ONCE(b->hint_changed, false);
	/* First forget that it changed, so that a change after this is not forgotten. */
	smp_mb();
	virtio_cread_le(b->vdev, struct virtio_balloon_config, free_page_hint_cmd_id, &id);
	return id;
}

static bool pb_hint_interrupted(struct pb_balloon *b)
{
	return READ_ONCE(b->stop) || READ_ONCE(b->hint_changed) ||
	       virtqueue_is_broken(b->hint.vq);
}

static u32 pb_hint_read_units(struct pb_balloon *b)
{
	u32 units;

	virtio_cread_le(b->vdev, struct virtio_balloon_config, num_pages, &units);
	return units;
}

/* Does the host still want this answer? What else has changed does not end it: it is given once. */
static bool pb_hint_wanted(struct pb_balloon *b, u32 id)
{
	u32 now, units;

	if (READ_ONCE(b->stop) || virtqueue_is_broken(b->hint.vq))
		return false;
	if (!READ_ONCE(b->hint_changed))
		return true;
	now = pb_hint_read_id(b);
	units = pb_hint_read_units(b);
	/* QEMU shows STOP while it reads an answer, too: what comes with another size is none. */
	if (now == id || (now == VIRTIO_BALLOON_CMD_ID_STOP && units != b->hint_units)) {
		b->hint_units = units;
		return true;
	}
	/* The next number is still to be answered. */
	WRITE_ONCE(b->hint_changed, true);
	return false;
}

/* Take back what the device has read. Returns whether it has at most @left buffers still. */
static bool pb_hint_drain(struct pb_balloon *b, unsigned int left)
{
	unsigned int len;

	while (virtqueue_get_buf(b->hint.vq, &len))
		WRITE_ONCE(b->hint_out, b->hint_out - 1);
	return b->hint_out <= left;
}

/* Wait a second for the device to have at most @left buffers. False: neither that nor news. */
static bool pb_hint_wait(struct pb_balloon *b, unsigned int left)
{
	bool ended = wait_event_idle_timeout(b->wait, pb_hint_drain(b, left) ||
					     pb_hint_interrupted(b), HZ);

	/* What a silent device has does not come soon. */
	WRITE_ONCE(b->hint_late, !pb_hint_drain(b, left) &&
		   (!ended || virtqueue_is_broken(b->hint.vq)));
	return ended;
}

static int pb_hint_command(struct pb_balloon *b, unsigned int which, u32 id)
{
	struct scatterlist sg;
	int err;

	b->hint_cmd[which] = cpu_to_virtio32(b->vdev, id);
	sg_init_one(&sg, &b->hint_cmd[which], sizeof(b->hint_cmd[which]));
	err = virtqueue_add_outbuf(b->hint.vq, &sg, 1, b, GFP_KERNEL);
	if (err)
		return err;
	WRITE_ONCE(b->hint_out, b->hint_out + 1);
	virtqueue_kick(b->hint.vq);
	return 0;
}

static int pb_hint_block(struct pb_balloon *b)
{
	struct page *page = alloc_pages(PB_HINT_GFP, PB_HINT_ORDER);
	struct scatterlist sg;
	int err;

	if (!page)
		return -ENOMEM;
	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, PAGE_SIZE << PB_HINT_ORDER, 0);
	err = virtqueue_add_inbuf(b->hint.vq, &sg, 1, b, GFP_KERNEL);
	if (err) {
		__free_pages(page, PB_HINT_ORDER);
		return err;
	}
	WRITE_ONCE(b->hint_out, b->hint_out + 1);
	virtqueue_kick(b->hint.vq);
	spin_lock(&b->hint_lock);
	list_add_tail(&page->lru, &b->hint_blocks);
	b->hint_nr++;
	spin_unlock(&b->hint_lock);
	pb_count(b, PB_COUNT_HINT, PB_HINT_PAGES);
	return 0;
}

/* Take blocks back, or only those that the device has returned. */
static unsigned long pb_hint_free(struct pb_balloon *b, unsigned long blocks, bool returned)
{
	struct page *page;
	unsigned long nr;

	for (nr = 0; nr < blocks; nr++) {
		spin_lock(&b->hint_lock);
		page = NULL;
		/* A block is in the list after it is counted as with the device. */
		if (b->hint_nr > (returned ? READ_ONCE(b->hint_out) : 0)) {
			page = list_first_entry(&b->hint_blocks, struct page, lru);
			list_del(&page->lru);
			b->hint_nr--;
		}
		spin_unlock(&b->hint_lock);
		if (!page)
			break;
		__free_pages(page, PB_HINT_ORDER);
		/* With init_on_free it is cleared now, and it may be all memory. */
		cond_resched();
	}
	return nr;
}

/**
 * pb_hint_free_all() - give every hinted block back
 * @b: the balloon
 */
void pb_hint_free_all(struct pb_balloon *b)
{
	if (b->hint.vq)
		pb_hint_free(b, ULONG_MAX, false);
}

/* One answer: the number, blocks while there are any, STOP. An entry is kept for STOP. */
static void pb_hint_answer(struct pb_balloon *b, u32 id)
{
	unsigned int left = min(virtqueue_get_vring_size(b->hint.vq) - 2, PB_HINT_DEPTH);

	/* The commands of the last answer must have been read before they are written again. */
	if (!pb_hint_drain(b, 0))
		virtqueue_notify(b->hint.vq);	/* A device that has migrated was told elsewhere. */
	while (!pb_hint_wait(b, 0))
		;
	if (pb_hint_interrupted(b))
		return;
	b->hint_active = id;
	b->hint_units = pb_hint_read_units(b);
	if (pb_hint_command(b, 0, id))
		return;
	while (pb_hint_wanted(b, id)) {
		pb_hint_wait(b, left);
		if (pb_hint_drain(b, left) && pb_hint_block(b))
			break;
		cond_resched();
	}
	pb_hint_drain(b, 0);
	if (pb_hint_command(b, 1, VIRTIO_BALLOON_CMD_ID_STOP))
		dev_err_ratelimited(&b->vdev->dev, "the hinting queue takes no STOP\n");
}

static void pb_hint_work(struct work_struct *work)
{
	struct pb_balloon *b = container_of(work, struct pb_balloon, hint_work);
	u32 id;

	do {
		id = pb_hint_read_id(b);
		if (id == VIRTIO_BALLOON_CMD_ID_DONE)
			pb_hint_free_all(b);
		else if (id != VIRTIO_BALLOON_CMD_ID_STOP && id != b->hint_active)
			pb_hint_answer(b, id);
		/* What is read may be taken back, however the answer ended. */
		while (!pb_hint_wait(b, 0))
			;
	} while (READ_ONCE(b->hint_changed) && !READ_ONCE(b->stop));
}

/**
 * pb_hint_pages() - how much is hinted, and the guest's again as soon as it is short of memory
 * @b: the balloon
 *
 * Return: pages.
 */
unsigned long pb_hint_pages(struct pb_balloon *b)
{
	unsigned long nr = READ_ONCE(b->hint_nr);

	if (READ_ONCE(b->hint_late))
		nr -= min_t(unsigned long, nr, READ_ONCE(b->hint_out));
	return nr * PB_HINT_PAGES;
}

/**
 * pb_hint_kick() - the host may ask for something
 * @b: the balloon
 *
 * Context: any.
 */
void pb_hint_kick(struct pb_balloon *b)
{
	unsigned long flags;

	if (!b->hint.vq)
		return;
	spin_lock_irqsave(&b->stop_lock, flags);
	WRITE_ONCE(b->hint_changed, true);
	if (!b->stop)
		queue_work(b->patient_wq, &b->hint_work);
	spin_unlock_irqrestore(&b->stop_lock, flags);
	wake_up_all(&b->wait);
}

static unsigned long pb_hint_shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long pages = pb_hint_pages(pb_shrinker_data(shrinker));

	return pages ? pages : SHRINK_EMPTY;
}

static unsigned long pb_hint_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct pb_balloon *b = pb_shrinker_data(shrinker);

	unsigned long blocks = pb_hint_free(b, DIV_ROUND_UP(sc->nr_to_scan, PB_HINT_PAGES), true);

	return blocks ? blocks * PB_HINT_PAGES : SHRINK_STOP;
}

/**
 * pb_hint_init() - be able to answer
 * @b: the balloon
 *
 * Return: 0 or an error.
 */
int pb_hint_init(struct pb_balloon *b)
{
	INIT_WORK(&b->hint_work, pb_hint_work);
	spin_lock_init(&b->hint_lock);
	INIT_LIST_HEAD(&b->hint_blocks);
	b->hint_active = VIRTIO_BALLOON_CMD_ID_STOP;
	if (!virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		return 0;
	b->hint_shrinker = shrinker_alloc(0, "pagefold-balloon");
	if (!b->hint_shrinker)
		return -ENOMEM;
	b->hint_shrinker->count_objects = pb_hint_shrink_count;
	b->hint_shrinker->scan_objects = pb_hint_shrink_scan;
	pb_shrinker_data(b->hint_shrinker) = b;
	pb_shrinker_register(b->hint_shrinker);
	return 0;
}

/**
 * pb_hint_exit() - nobody takes hinted blocks back any more
 * @b: the balloon
 */
void pb_hint_exit(struct pb_balloon *b)
{
	if (b->hint_shrinker)
		shrinker_free(b->hint_shrinker);
}
