// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of 4 KiB, through the queues that every device has.
 *
 * What is left when the guest has no larger blocks free. These pages stay movable, so they never
 * hinder the guest when it wants large blocks itself. Thousands of PFNs go in one buffer, in order:
 * a host page larger than ours is only discarded when all its parts come one after the other.
 *
 * Nobody reclaims directly for the balloon: kswapd is woken, and the work comes again a little
 * later. So whatever stalls in the guest stalls for its own wishes, see pressure.c.
 *
 * Lists and counts of these pages are the core's, see linux/balloon.h; who may touch a page's
 * fields stands there too.
 */
#include <linux/sched/clock.h>
#include <linux/sort.h>

#include "balloon.h"
#include "trace.h"

#define PB_PAGES_GFP	((PB_PAGE_GFP | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC) & \
			 ~__GFP_DIRECT_RECLAIM)
#define PB_BATCH_NS	(8 * NSEC_PER_MSEC)
#define PB_BATCH_MIN	1024U
/* 7.x counts reserves anew for each page, interrupts off for as many as the core is given. */
#define PB_CORE_PAGES	64UL

/**
 * pb_pfns_add() - write the PFNs of neighbouring pages into a buffer
 * @b: the balloon
 * @pfns: the buffer
 * @at: where in it
 * @page: the first page
 * @pages: how many, small enough to fit
 *
 * Return: where the next one goes.
 */
unsigned int pb_pfns_add(struct pb_balloon *b, __virtio32 *pfns, unsigned int at,
			 struct page *page, unsigned long pages)
{
	u32 pfn = page_to_pfn(page) * PB_UNITS;
	unsigned long i;

	for (i = 0; i < pages * PB_UNITS; i++)
		pfns[at++] = cpu_to_virtio32(b->vdev, pfn++);
	return at;
}

/* Queues of PFNs that are in order before they are written in the device's byte order. */
static int pb_pfns_compare(const void *left, const void *right)
{
	u32 a = *(const u32 *)left, b = *(const u32 *)right;

	return a < b ? -1 : a > b;
}

static void pb_pfns_sort(struct pb_balloon *b, __virtio32 *pfns, unsigned int nr)
{
	u32 *plain = (__force u32 *)pfns;
	unsigned int i;

	for (i = 0; i < nr; i++)
		plain[i] = virtio32_to_cpu(b->vdev, pfns[i]);
	/* The allocator often gives them in order. */
	for (i = 1; i < nr && plain[i - 1] < plain[i]; i++)
		;
	if (i < nr)
		sort(plain, nr, sizeof(*plain), pb_pfns_compare, NULL);
	for (i = 0; i < nr; i++)
		pfns[i] = cpu_to_virtio32(b->vdev, plain[i]);
}

static int pb_pfns_send(struct pb_balloon *b, struct pb_queue *queue, __virtio32 *pfns,
			unsigned int nr)
{
	struct scatterlist sg;

	sg_init_one(&sg, pfns, nr * sizeof(*pfns));
	return pb_queue_send(b, queue, &sg, 1, true);
}

static unsigned int pb_pages_take(struct pb_balloon *b, unsigned long nr, struct list_head *pages)
{
	u64 until = local_clock() + PB_BATCH_NS;
	unsigned int used = 0;
	struct page *page;

	nr = min_t(unsigned long, nr * PB_UNITS, b->pfns_max);
	while (used < nr && (used < PB_BATCH_MIN || local_clock() < until)) {
		page = alloc_page(PB_PAGES_GFP);
		if (!page)
			break;
		list_add_tail(&page->lru, pages);
		used = pb_pfns_add(b, b->inflate_pfns, used, page, 1);
	}
	return used;
}

/* MemTotal without these pages, or with them, where the core leaves that to the driver. */
static void pb_pages_adjust(struct pb_balloon *b, struct list_head *pages, long count)
{
	struct page *page;

	if (!b->adjust || PB_CORE_ADJUSTS)
		return;
	list_for_each_entry(page, pages, lru)
		adjust_managed_page_count(page, count);
}

static void pb_pages_free(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		put_page(page);
	}
}

/* They are nobody's, or held as blocks are: what looks for pages that it could move passes over. */
static void pb_pages_fix(struct list_head *pages)
{
	struct page *page;

	list_for_each_entry(page, pages, lru) {
		pb_page_forget_movable(page);
		pb_page_set_offline(page);
	}
}

static void pb_pages_to_limbo(struct pb_balloon *b, struct list_head *pages,
			      struct list_head *limbo)
{
	struct page *page, *next;

	pb_pages_fix(pages);
	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		pb_limbo_add(b, limbo, page, 0);
	}
}

static void pb_pages_hold(struct pb_balloon *b, struct list_head *pages, unsigned long nr)
{
	struct page *page, *next;

	pb_pages_adjust(b, pages, -1);
	spin_lock(&b->lock);
	pb_held_add(b, 0, nr);
	b->info_nr += nr;
	spin_unlock(&b->lock);
	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		balloon_page_enqueue(&b->info, page);
	}
}

/*
 * What the device could not be told of is held as before, as blocks are: the core takes a page back
 * only if nobody has locked it, and whoever is about to move it may just be looking at it.
 */
static void pb_pages_keep(struct pb_balloon *b, struct list_head *pages, unsigned long nr)
{
	struct page *page;

	pb_pages_fix(pages);
	list_for_each_entry(page, pages, lru) {
		set_page_private(page, 0);
		pb_block_account(b, page, 1);
	}
	spin_lock(&b->lock);
	list_splice(pages, &b->blocks[PB_WAY_INFLATE]);
	pb_held_add(b, 0, nr);
	spin_unlock(&b->lock);
}

/**
 * pb_deflate_settle() - before memory is taken for the device: it lets go of all that is free
 * @b: the balloon
 *
 * Without MUST_TELL_HOST a page may be free before the device has read that it loses it. The two
 * queues have no order between them: given again, the page could be taken and then lost. So nothing
 * may be on its way back while memory is taken.
 *
 * Context: may sleep. Caller has claimed the queue that the memory goes to.
 * Return: whether that is so, until pb_deflate_settled().
 */
bool pb_deflate_settle(struct pb_balloon *b)
{
	unsigned long since = jiffies, said = since;

	if (b->must_tell)
		return true;
	while (!READ_ONCE(b->stop) && pb_queue_claim(b, &b->deflate, PB_UNTIL_STOP)) {
		if (pb_queue_is_idle(&b->deflate))
			return true;
		/* Not waited for with the queue: who gives memory back in need has no patience. */
		pb_queue_release(b, &b->deflate);
		pb_queue_late(b, &b->deflate, since, &said);
		schedule_timeout_idle(1);
	}
	return false;
}

/**
 * pb_deflate_is_settled() - pb_deflate_settle() for who does not wait
 * @b: the balloon
 *
 * Return: whether that is so, until pb_deflate_settled().
 */
bool pb_deflate_is_settled(struct pb_balloon *b)
{
	if (b->must_tell)
		return true;
	if (!pb_queue_try(&b->deflate))
		return false;
	if (pb_queue_is_idle(&b->deflate))
		return true;
	pb_queue_release(b, &b->deflate);
	return false;
}

/**
 * pb_deflate_settled() - memory has been taken for the device
 * @b: the balloon
 */
void pb_deflate_settled(struct pb_balloon *b)
{
	if (!b->must_tell)
		pb_queue_release(b, &b->deflate);
}

/**
 * pb_pages_inflate() - give one batch of pages to the host
 * @b: the balloon
 * @nr: at most this many
 *
 * Context: the work @b->resize.
 * Return: pages that the device has acknowledged.
 */
unsigned long pb_pages_inflate(struct pb_balloon *b, unsigned long nr)
{
	unsigned long taken = 0;
	unsigned int used;
	LIST_HEAD(pages);
	int err;

	if (!pb_queue_claim(b, &b->inflate, PB_UNTIL_STOP))
		return 0;
	if (pb_queue_wait(b, &b->inflate, PB_UNTIL_STOP))
		goto release;
	if (!pb_deflate_settle(b))
		goto release;
	used = pb_pages_take(b, min(nr, pb_pressure_spare(b)), &pages);
	pb_deflate_settled(b);
	if (!used)
		goto release;
	pb_pfns_sort(b, b->inflate_pfns, used);
	err = pb_pfns_send(b, &b->inflate, b->inflate_pfns, used);
	if (!err)
		err = pb_queue_wait(b, &b->inflate, PB_UNTIL_STOP);
	if (err) {
		if (b->inflate.pending && !b->reset)
			pb_pages_to_limbo(b, &pages, &b->limbo);
		else
			pb_pages_free(&pages);
		goto release;
	}
	taken = used / PB_UNITS;
	pb_pages_hold(b, &pages, taken);
	pb_count(b, PB_COUNT_INFLATE_PAGE, taken);

release:
	pb_queue_release(b, &b->inflate);
	return taken;
}

/* Pages that are held no longer; those that compaction is moving are not among them. */
static unsigned long pb_pages_pop(struct pb_balloon *b, unsigned long nr, struct list_head *pages)
{
	unsigned long got = 0, some;

	do {
		some = balloon_page_list_dequeue(&b->info, pages, min(nr - got, PB_CORE_PAGES));
		got += some;
	} while (some && got < nr);
	pb_pages_adjust(b, pages, 1);
	spin_lock(&b->lock);
	pb_held_add(b, 0, -(long)got);
	b->info_nr -= got;
	spin_unlock(&b->lock);
	return got;
}

static unsigned long pb_pages_return(struct pb_balloon *b, unsigned long nr,
				     enum pb_patience patience)
{
	__virtio32 *pfns = b->deflate_pfns[pb_queue_next(&b->deflate)];
	unsigned int used = 0;
	struct page *page;
	LIST_HEAD(pages);
	int err;

	nr = pb_pages_pop(b, min_t(unsigned long, nr, b->pfns_max / PB_UNITS), &pages);
	if (!nr)
		return 0;
	list_for_each_entry(page, &pages, lru)
		used = pb_pfns_add(b, pfns, used, page, 1);
	pb_pfns_sort(b, pfns, used);
	if (pb_pfns_send(b, &b->deflate, pfns, used)) {
		pb_pages_keep(b, &pages, nr);
		return 0;
	}
	err = b->must_tell ? pb_queue_wait(b, &b->deflate, patience) : 0;
	if (err && err != -ESHUTDOWN) {
		pb_pages_to_limbo(b, &pages, &b->leaving);
		/* The device may have acknowledged since the last look. */
		pb_limbo_kick(b);
		return 0;
	}
	pb_pages_free(&pages);
	return nr;
}

/**
 * pb_pages_deflate() - take one batch of pages back from the host, the newest first
 * @b: the balloon
 * @nr: at most this many
 * @patience: with the device
 *
 * Context: may sleep.
 * Return: pages that are the guest's again.
 */
unsigned long pb_pages_deflate(struct pb_balloon *b, unsigned long nr, enum pb_patience patience)
{
	unsigned long popped = 0;

	if (list_empty(&b->info.pages) || !pb_queue_claim(b, &b->deflate, patience))
		return 0;
	if (!pb_queue_wait_below(b, &b->deflate, PB_QUEUE_DEPTH, patience))
		popped = pb_pages_return(b, nr, patience);
	pb_queue_release(b, &b->deflate);
	return popped;
}

/**
 * pb_pages_free_all() - give every page back
 * @b: the balloon, its device reset: nobody has to be told
 *
 * Waits for those that compaction is moving, by their number: the core's list and its count of
 * isolated pages change under a lock that is not ours, and could both be seen empty while a page is
 * on its way from one to the other. When the last page is back, nobody is in pb_pages_migrate() any
 * more: before linux/balloon.h the core holds the lock of a page until that has returned, and gives
 * us no page that is locked; since then it puts the page onto the list itself, after that.
 */
void pb_pages_free_all(struct pb_balloon *b)
{
	unsigned long nr;

	for (;;) {
		LIST_HEAD(pages);

		nr = pb_pages_pop(b, PB_PFNS_MAX, &pages);
		pb_pages_free(&pages);
		pb_count(b, PB_COUNT_DEFLATE_RESET, nr);
		if (!b->info_nr)
			break;
		if (nr)
			cond_resched();
		else
			schedule_timeout_idle(1);
	}
	if (!b->stray)
		return;
	spin_lock(&b->lock);
	WRITE_ONCE(b->limbo_nr, b->limbo_nr - 1);
	spin_unlock(&b->lock);
	put_page(b->stray);
	b->stray = NULL;
}

#if PB_MOVABLE
/* The device loses the page that is being moved. Returns 0 when it may be left. */
static int pb_pages_move_away(struct pb_balloon *b, struct page *old)
{
	int err;

	pb_pfns_add(b, b->deflate_pfns[0], 0, old, 1);
	err = pb_pfns_send(b, &b->deflate, b->deflate_pfns[0], PB_UNITS);
	if (!err)
		return b->must_tell ? pb_queue_wait(b, &b->deflate, PB_UNTIL_RESET) : 0;
	if (err == -ESHUTDOWN)
		return err;
	/*
	 * The queue has broken since it was looked at, and the device has both pages. Compaction
	 * would use the new one for another, so that is ballooned, and the old one is nobody's.
	 */
	get_page(old);
	b->stray = old;
	spin_lock(&b->lock);
	WRITE_ONCE(b->limbo_nr, b->limbo_nr + 1);
	spin_unlock(&b->lock);
	return 0;
}

/*
 * Compaction moves a page: the device gets the new one, the guest the old one. The new page may
 * be anybody's target if this fails, so it is not left while the device has it, however long that
 * takes; and the device does not get it while it cannot be told of the old one.
 *
 * Both pages are locked and both queues claimed, so nobody waits for what a silent device had
 * before: who needs memory may be waiting for the queue.
 */
static int pb_pages_move(struct pb_balloon *b, struct page *new, struct page *old)
{
	int err;

	if (!pb_queue_wait_briefly(b, &b->inflate) || !pb_queue_wait_briefly(b, &b->deflate))
		return -EAGAIN;
	if (b->stray || pb_queue_is_stuck(&b->deflate))
		return -EAGAIN;
	pb_pfns_add(b, b->inflate_pfns, 0, new, 1);
	err = pb_pfns_send(b, &b->inflate, b->inflate_pfns, PB_UNITS);
	if (!err)
		err = pb_queue_wait(b, &b->inflate, PB_UNTIL_RESET);
	if (!err)
		err = pb_pages_move_away(b, old);
	/* The device will never look again: the old page stays, the new one is the guest's. */
	if (err)
		return -EAGAIN;
	return pb_info_moved(&b->info, new, old, b->adjust);
}

static int pb_pages_migrate(struct balloon_dev_info *info, struct page *new, struct page *old,
			    enum migrate_mode mode)
{
	struct pb_balloon *b = container_of(info, struct pb_balloon, info);
	int err = -EAGAIN;

	if (READ_ONCE(b->stop) || !pb_queue_try(&b->inflate))
		return -EAGAIN;
	if (pb_queue_try(&b->deflate)) {
		err = pb_pages_move(b, new, old);
		pb_queue_release(b, &b->deflate);
	}
	pb_queue_release(b, &b->inflate);
	if (!err)
		pb_count(b, PB_COUNT_MIGRATE, 1);
	return err;
}
#endif

/**
 * pb_pages_init() - be able to hold pages
 * @b: the balloon
 *
 * Return: 0 or -ENOMEM.
 */
int pb_pages_init(struct pb_balloon *b)
{
	int i;

	balloon_devinfo_init(&b->info);
#if PB_MOVABLE
	b->info.migratepage = pb_pages_migrate;
#endif
	b->inflate_pfns = kmalloc_array(2 * b->pfns_max, sizeof(*b->inflate_pfns), GFP_KERNEL);
	if (!b->inflate_pfns)
		return -ENOMEM;
	for (i = 0; i < PB_QUEUE_DEPTH; i++) {
		b->deflate_pfns[i] = kmalloc_array(b->pfns_max, sizeof(*b->deflate_pfns[i]),
						   GFP_KERNEL);
		if (!b->deflate_pfns[i])
			goto fail;
	}
	return 0;

fail:
	pb_pages_exit(b);
	return -ENOMEM;
}

/**
 * pb_pages_exit() - the end of pages
 * @b: the balloon, which holds none
 */
void pb_pages_exit(struct pb_balloon *b)
{
	int i;

	kfree(b->inflate_pfns);
	for (i = 0; i < PB_QUEUE_DEPTH; i++)
		kfree(b->deflate_pfns[i]);
}
