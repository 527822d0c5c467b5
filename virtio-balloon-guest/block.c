// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks: runs of pages that the guest has free, handed over whole.
 *
 * A device discards one 4 KiB page for each PFN on its inflate queue, but an entry of a free page
 * report in one call, whatever its length. Both mean the same to the host: the guest does not use
 * this memory. So blocks are reported and then kept instead of going back to the free lists. The
 * host loses whole huge pages instead of having them taken apart, and a block comes back without a
 * word, because a reported page may be used at any time after the acknowledgment.
 *
 * Each range is a system call of the host, after which every CPU that runs the guest is interrupted
 * to forget its translations; and a huge page that goes in parts is taken apart first. So
 * neighbours in a report are one range.
 *
 * A block that is ours:
 *   page->lru		in a list of blocks
 *   page->private	its order
 *   PageOffline	each page of it: dumps leave it out, and it does not stand in the way when
 *			memory goes offline, for which pb_blocks_offline() gives it back
 *
 * Blocks never come from movable zones: nobody could move them. So where there are such zones the
 * kernel is left enough in its own, see pb_pressure_blocks(). Nobody reclaims for blocks either;
 * what is not free in large blocks is taken page by page, see inflate.c.
 */
#include <linux/list_sort.h>
#include <linux/sched/clock.h>
#include <linux/sort.h>

#include "balloon.h"
#include "trace.h"

#define PB_BLOCK_GFP	((GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC) & \
			 ~__GFP_RECLAIM)
/*
 * A new target waits no longer than this for a batch to be full. Where the allocator clears blocks,
 * few of them are a batch, and the way to the device and back is to take little of the time.
 */
#define PB_TAKE_NS	(16 * NSEC_PER_MSEC)
/* The same of a batch that comes back. */
#define PB_BATCH_NS	(4 * NSEC_PER_MSEC)
/* Freeing needs no acknowledgment: the batch only bounds how long the target is not looked at. */
#define PB_FREE_PAGES	((unsigned long)SZ_256M >> PAGE_SHIFT)
/* And where each page that is freed is cleared. */
#define PB_CLEAR_PAGES	((unsigned long)SZ_16M >> PAGE_SHIFT)
/* Batches that follow each other while nothing changes: the host hears of the size in between. */
#define PB_GO_PAGES	((unsigned long)SZ_256M >> PAGE_SHIFT)
/*
 * A range has no border of these within: a device may keep a guest's memory in several pieces,
 * which begin and end at larger ones, and who waits for its locks does not wait for long.
 */
#define PB_RANGE	SZ_64M
/* A host that has our memory in huge pages ignores ranges that are not whole ones of these. */
#define PB_HUGE		SZ_2M

static unsigned int pb_block_order(struct page *page)
{
	return page_private(page);
}

static struct page *pb_block_alloc(unsigned int order)
{
	struct page *page = alloc_pages(PB_BLOCK_GFP, order);
	unsigned long i;

	if (!page)
		return NULL;
	for (i = 0; i < 1UL << order; i++)
		pb_page_set_offline(page + i);
	set_page_private(page, order);
	return page;
}

static void pb_block_free(struct page *page)
{
	unsigned int order = pb_block_order(page);
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		pb_page_clear_offline(page + i);
	set_page_private(page, 0);
	__free_pages(page, order);
}

/**
 * pb_held_add() - count what the device has acknowledged
 * @b: the balloon
 * @order: of the blocks
 * @pages: how many pages of the guest more, or fewer when negative
 *
 * Context: caller holds @b->lock.
 */
void pb_held_add(struct pb_balloon *b, unsigned int order, long pages)
{
	lockdep_assert_held(&b->lock);
	b->by_order[order] += pages;
	WRITE_ONCE(b->held, b->held + pages);
}

/**
 * pb_block_account() - the guest's own books of a block, or a page, that the core does not list
 * @b: the balloon
 * @page: it
 * @pages: how many pages of it go to the host, or come back when negative
 *
 * MemTotal is without them where they do not come back on demand.
 */
void pb_block_account(struct pb_balloon *b, struct page *page, long pages)
{
	if (b->adjust)
		adjust_managed_page_count(page, -pages);
	pb_node_count(page, pages);
}

/**
 * pb_limbo_add() - put away a block that the device may still have
 * @b: the balloon
 * @limbo: @b->leaving if the device was told that it loses the block, else @b->limbo
 * @page: the block, or a page
 * @order: its order
 *
 * It is given back when the device has acknowledged that, or after a reset.
 */
void pb_limbo_add(struct pb_balloon *b, struct list_head *limbo, struct page *page,
		  unsigned int order)
{
	set_page_private(page, order);
	spin_lock(&b->lock);
	list_add(&page->lru, limbo);
	WRITE_ONCE(b->limbo_nr, b->limbo_nr + (1UL << order));
	spin_unlock(&b->lock);
}

/* Free blocks that are held by nobody. Returns how many pages they are. */
static unsigned long pb_blocks_discard(struct list_head *batch)
{
	struct page *page, *next;
	unsigned long nr = 0;

	list_for_each_entry_safe(page, next, batch, lru) {
		list_del(&page->lru);
		nr += 1UL << pb_block_order(page);
		pb_block_free(page);
		/* With init_on_free it is cleared now. */
		cond_resched();
	}
	return nr;
}

/* The device has none of these any more. Returns how many pages they are. */
static unsigned long pb_limbo_free(struct pb_balloon *b, struct list_head *limbo)
{
	unsigned long nr = 0;
	struct page *page;
	LIST_HEAD(batch);

	spin_lock(&b->lock);
	list_splice_init(limbo, &batch);
	list_for_each_entry(page, &batch, lru)
		nr += 1UL << pb_block_order(page);
	WRITE_ONCE(b->limbo_nr, b->limbo_nr - nr);
	spin_unlock(&b->lock);
	pb_blocks_discard(&batch);
	return nr;
}

/* Whoever has the queue kicks when it is given away, so nobody waits for it here. */
static void pb_limbo_work(struct work_struct *work)
{
	struct pb_balloon *b = container_of(work, struct pb_balloon, settle);

	if (!pb_queue_try(&b->deflate))
		return;
	if (pb_queue_is_idle(&b->deflate))
		pb_count(b, PB_COUNT_DEFLATE_LATE, pb_limbo_free(b, &b->leaving));
	pb_queue_unclaim(b, &b->deflate);
}

/**
 * pb_limbo_kick() - take back what is leaving, if the device has acknowledged it
 * @b: the balloon
 *
 * Called for each acknowledgment, when somebody does not wait for it any longer, and when the queue
 * is given away.
 *
 * Context: any.
 */
void pb_limbo_kick(struct pb_balloon *b)
{
	unsigned long flags;

	spin_lock_irqsave(&b->stop_lock, flags);
	if (!b->stop && READ_ONCE(b->limbo_nr))
		queue_work(b->wq, &b->settle);
	spin_unlock_irqrestore(&b->stop_lock, flags);
}

static int pb_range_compare(const void *left, const void *right)
{
	phys_addr_t a = sg_phys((struct scatterlist *)left);
	phys_addr_t b = sg_phys((struct scatterlist *)right);

	return a < b ? -1 : a > b;
}

/* What is made of whole huge pages takes in nothing that is not. */
static bool pb_ranges_join(struct scatterlist *last, struct scatterlist *next)
{
	phys_addr_t start = sg_phys(next);

	if (start != sg_phys(last) + last->length || IS_ALIGNED(start, PB_RANGE))
		return false;
	return !IS_ALIGNED(start, PB_HUGE) || IS_ALIGNED(sg_phys(last) | next->length, PB_HUGE);
}

/* Make one range of neighbours. Returns how many ranges that leaves. */
static unsigned int pb_ranges_merge(struct scatterlist *sg, unsigned int nr)
{
	unsigned int i, last = 0;

	/* The last of the table may be among them, and must not end it from where it goes. */
	sg_unmark_end(&sg[nr - 1]);
	sort(sg, nr, sizeof(*sg), pb_range_compare, NULL);
	for (i = 1; i < nr; i++) {
		if (pb_ranges_join(&sg[last], &sg[i]))
			sg[last].length += sg[i].length;
		else
			sg[++last] = sg[i];
	}
	return last + 1;
}

/**
 * struct pb_batch - blocks on their way to the device
 * @half: which of the two buffers describes them
 * @blocks: they
 * @pages: how many pages those are
 * @used: how many ranges, where they are reported
 */
struct pb_batch {
	unsigned int half;
	struct list_head blocks;
	unsigned long pages;
	unsigned int used;
};

static void pb_batch_init(struct pb_batch *batch, unsigned int half)
{
	*batch = (struct pb_batch){ .half = half };
	INIT_LIST_HEAD(&batch->blocks);
}

/* Allocate blocks, the largest first, until the batch is full, late, or there are no more. */
static void pb_batch_take(struct pb_balloon *b, enum pb_way way, struct pb_batch *batch,
			  unsigned long nr)
{
	unsigned int entries = min_t(unsigned int, PB_REPORT_MAX,
				     way == PB_WAY_REPORT ?
				     virtqueue_get_vring_size(b->report.vq) : PB_REPORT_MAX);
	struct scatterlist *sg = b->sg[batch->half];
	unsigned int order = MAX_PAGE_ORDER;
	u64 until = local_clock() + PB_TAKE_NS;
	struct page *page;

	if (way == PB_WAY_INFLATE)
		nr = min_t(unsigned long, nr, b->pfns_max / PB_UNITS);
	else
		sg_init_table(sg, PB_REPORT_MAX);
	while (entries && (!batch->pages || local_clock() < until)) {
		while (order >= PB_BLOCK_ORDER_MIN && 1UL << order > nr - batch->pages)
			order--;
		if (order < PB_BLOCK_ORDER_MIN)
			break;
		page = pb_block_alloc(order);
		if (!page) {
			if (order-- == PB_BLOCK_ORDER_MIN)
				break;
			continue;
		}
		list_add(&page->lru, &batch->blocks);
		if (way == PB_WAY_REPORT)
			sg_set_page(&sg[batch->used++], page, PAGE_SIZE << order, 0);
		batch->pages += 1UL << order;
		entries--;
		cond_resched();
	}
}

/*
 * What the guest can spare beyond @flying pages, which are neither free nor held yet. They must not
 * wait for the deflate queue to be held.
 */
static void pb_batch_fill(struct pb_balloon *b, enum pb_way way, struct pb_batch *batch,
			  unsigned long nr, unsigned long flying)
{
	unsigned long spare;

	if (!(flying ? pb_deflate_is_settled(b) : pb_deflate_settle(b)))
		return;
	spare = pb_pressure_spare(b);
	spare = min3(nr, spare - min(spare, flying), pb_pressure_blocks(b));
	pb_batch_take(b, way, batch, spare);
	pb_deflate_settled(b);
}

static int pb_block_compare(void *unused, const struct list_head *left,
			    const struct list_head *right)
{
	return page_to_pfn(list_entry(left, struct page, lru)) >
	       page_to_pfn(list_entry(right, struct page, lru));
}

/*
 * Tell the device page by page which blocks it gets or loses, in order: it discards a page of its
 * own that is larger when all of its parts come one after the other.
 */
static int pb_blocks_send(struct pb_balloon *b, struct pb_queue *queue, struct list_head *blocks,
			  __virtio32 *pfns)
{
	struct scatterlist sg;
	unsigned int used = 0;
	struct page *page;

	list_sort(NULL, blocks, pb_block_compare);
	list_for_each_entry(page, blocks, lru)
		used = pb_pfns_add(b, pfns, used, page, 1UL << pb_block_order(page));
	sg_init_one(&sg, pfns, used * sizeof(*pfns));
	return pb_queue_send(b, queue, &sg, 1, true);
}

static int pb_batch_send(struct pb_balloon *b, enum pb_way way, struct pb_queue *queue,
			 struct pb_batch *batch)
{
	struct scatterlist *ranges = b->sg[batch->half];

	if (way == PB_WAY_INFLATE)
		return pb_blocks_send(b, queue, &batch->blocks,
				      b->inflate_pfns + batch->half * b->pfns_max);
	batch->used = pb_ranges_merge(ranges, batch->used);
	sg_mark_end(&ranges[batch->used - 1]);
	return pb_queue_send(b, queue, ranges, batch->used, false);
}

static void pb_batch_hold(struct pb_balloon *b, enum pb_way way, struct pb_batch *batch)
{
	struct page *page;

	list_for_each_entry(page, &batch->blocks, lru)
		pb_block_account(b, page, 1L << pb_block_order(page));
	spin_lock(&b->lock);
	list_for_each_entry(page, &batch->blocks, lru)
		pb_held_add(b, pb_block_order(page), 1L << pb_block_order(page));
	list_splice(&batch->blocks, &b->blocks[way]);
	spin_unlock(&b->lock);
	pb_count(b, PB_COUNT_INFLATE_BLOCK, batch->pages);
}

/* The batch was not taken by the device: free it, unless the device may still take it. */
static void pb_batch_drop(struct pb_balloon *b, struct pb_batch *batch, bool in_flight)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &batch->blocks, lru) {
		list_del(&page->lru);
		if (in_flight)
			pb_limbo_add(b, &b->limbo, page, pb_block_order(page));
		else
			pb_block_free(page);
	}
}

/*
 * Wait a second for the device, during which a batch that is only prepared for it may be taken by
 * whoever needs memory. From a silent device the guest keeps what it can.
 */
static void pb_batch_keep_ready(struct pb_balloon *b, struct pb_queue *queue,
				struct pb_batch *batch)
{
	int err;

	spin_lock(&b->lock);
	list_splice_init(&batch->blocks, &b->prepared);
	spin_unlock(&b->lock);
	err = pb_queue_wait(b, queue, PB_A_SECOND);
	spin_lock(&b->lock);
	list_splice_init(&b->prepared, &batch->blocks);
	spin_unlock(&b->lock);
	if (err)
		pb_batch_drop(b, batch, false);
	if (list_empty(&batch->blocks))
		pb_batch_init(batch, batch->half);
}

/* Wait for the batch that the device has, if any. Returns how many pages it has taken. */
static unsigned long pb_batch_land(struct pb_balloon *b, enum pb_way way, struct pb_queue *queue,
				   struct pb_batch *batch)
{
	if (!batch->pages)
		return 0;
	if (pb_queue_wait(b, queue, PB_UNTIL_STOP)) {
		pb_batch_drop(b, batch, queue->pending && !b->reset);
		return 0;
	}
	pb_batch_hold(b, way, batch);
	/* The next may wait for the device for ever: what is held could be needed meanwhile. */
	pb_pressure_watch(b);
	/*
	 * The device has to look at this write, so an acknowledgment too many is there before the
	 * next batch is sent, and not taken for that of it.
	 */
	pb_update_actual(b);
	return batch->pages;
}

/*
 * Does nothing want a look at where the balloon is and should be? Not whether the work is queued:
 * it stays so until it has ended, while all that it was queued for has been seen to.
 */
static bool pb_batches_go_on(struct pb_balloon *b)
{
	enum pb_stop why;

	return !READ_ONCE(b->changed) && !READ_ONCE(b->stop) &&
	       pb_pressure_room(b, &why);
}

/*
 * The device works on one batch while the next is allocated, which takes as long where the
 * allocator clears memory. Not where it has PFNs: it then discards page by page, each time
 * interrupts the CPU that clears, and both take three times as long as one after the other.
 * No batch is held before the device has acknowledged it.
 */
static unsigned long pb_batches_inflate(struct pb_balloon *b, enum pb_way way,
					struct pb_queue *queue, unsigned long nr)
{
	struct pb_batch batches[2], *flying = &batches[0], *next = &batches[1];
	unsigned long taken = 0, landed;
	bool sent;

	pb_batch_init(flying, 0);
	pb_batch_init(next, 1);
	do {
		if (way == PB_WAY_INFLATE) {
			landed = pb_batch_land(b, way, queue, flying);
			taken += landed;
			if (landed != flying->pages)
				return taken;
			pb_batch_init(flying, flying->half);
		}
		pb_batch_fill(b, way, next, nr - taken - flying->pages, flying->pages);
		pb_batch_keep_ready(b, queue, next);
		landed = pb_batch_land(b, way, queue, flying);
		taken += landed;
		sent = next->pages && landed == flying->pages &&
		       !pb_batch_send(b, way, queue, next);
		pb_batch_init(flying, flying->half);
		if (!sent) {
			pb_batch_drop(b, next, false);
			return taken;
		}
		swap(flying, next);
	} while (taken + flying->pages < min(nr, PB_GO_PAGES) && pb_batches_go_on(b));
	return taken + pb_batch_land(b, way, queue, flying);
}

/**
 * pb_blocks_inflate() - give some batches of blocks to the host
 * @b: the balloon
 * @nr: at most this many pages
 *
 * Context: the work @b->resize.
 * Return: pages that the device has acknowledged.
 */
unsigned long pb_blocks_inflate(struct pb_balloon *b, unsigned long nr)
{
	enum pb_way way = b->reporting ? PB_WAY_REPORT : PB_WAY_INFLATE;
	struct pb_queue *queue = b->reporting ? &b->report : &b->inflate;
	unsigned long taken = 0;

	if (!pb_queue_claim(b, queue, PB_UNTIL_STOP))
		return 0;
	if (!pb_queue_wait(b, queue, PB_UNTIL_STOP))
		taken = pb_batches_inflate(b, way, queue, nr);
	pb_queue_release(b, queue);
	return taken;
}

/**
 * pb_blocks_unprepare() - free the batch that the device does not have yet
 * @b: the balloon
 *
 * Context: may sleep.
 * Return: pages that are the guest's again; they were not held.
 */
unsigned long pb_blocks_unprepare(struct pb_balloon *b)
{
	LIST_HEAD(batch);

	spin_lock(&b->lock);
	list_splice_init(&b->prepared, &batch);
	spin_unlock(&b->lock);
	return pb_blocks_discard(&batch);
}

/* Take a held block apart into pages, which stay held, where the block was. */
static void pb_block_split(struct pb_balloon *b, enum pb_way way, struct page *page)
{
	unsigned int order = pb_block_order(page);
	unsigned long i;

	list_del(&page->lru);
	split_page(page, order);
	for (i = 1UL << order; i--; ) {
		set_page_private(page + i, 0);
		list_add(&page[i].lru, &b->blocks[way]);
	}
	pb_held_add(b, order, -(1L << order));
	pb_held_add(b, 0, 1L << order);
}

/* The newest held block, or some of it, for the guest to use: at most @max pages. */
static struct page *pb_block_pop(struct pb_balloon *b, enum pb_way way, unsigned long max)
{
	struct page *page;

	spin_lock(&b->lock);
	page = list_first_entry_or_null(&b->blocks[way], struct page, lru);
	if (page && 1UL << pb_block_order(page) > max) {
		pb_block_split(b, way, page);
		page = list_first_entry(&b->blocks[way], struct page, lru);
	}
	if (page) {
		list_del(&page->lru);
		pb_held_add(b, pb_block_order(page), -(1L << pb_block_order(page)));
	}
	spin_unlock(&b->lock);
	return page;
}

static void pb_blocks_release(struct pb_balloon *b, struct list_head *batch)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, batch, lru) {
		list_del(&page->lru);
		pb_block_account(b, page, -(1L << pb_block_order(page)));
		pb_block_free(page);
		/* With init_on_free it is cleared now. */
		cond_resched();
	}
}

static unsigned long pb_blocks_pop(struct pb_balloon *b, enum pb_way way, unsigned long nr,
				   struct list_head *batch)
{
	u64 until = local_clock() + PB_BATCH_NS;
	unsigned long popped = 0;
	struct page *page;

	while (popped < nr && (!popped || local_clock() < until)) {
		page = pb_block_pop(b, way, nr - popped);
		if (!page)
			break;
		popped += 1UL << pb_block_order(page);
		list_add_tail(&page->lru, batch);
	}
	return popped;
}

/* What the device was not told of is held as before. */
static void pb_blocks_keep(struct pb_balloon *b, struct list_head *batch)
{
	struct page *page;

	spin_lock(&b->lock);
	list_for_each_entry(page, batch, lru)
		pb_held_add(b, pb_block_order(page), 1L << pb_block_order(page));
	list_splice_init(batch, &b->blocks[PB_WAY_INFLATE]);
	spin_unlock(&b->lock);
}

/* The device was told, and is slow: nobody has them until it has acknowledged. */
static void pb_blocks_leave(struct pb_balloon *b, struct list_head *batch)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, batch, lru) {
		list_del(&page->lru);
		pb_block_account(b, page, -(1L << pb_block_order(page)));
		pb_limbo_add(b, &b->leaving, page, pb_block_order(page));
	}
	/* It may have done so since the last look. */
	pb_limbo_kick(b);
}

/* Announce a batch and free it. Nobody has to wait for the device without MUST_TELL_HOST. */
static bool pb_blocks_return(struct pb_balloon *b, struct list_head *batch,
			     enum pb_patience patience)
{
	int err;

	if (pb_blocks_send(b, &b->deflate, batch, b->deflate_pfns[pb_queue_next(&b->deflate)])) {
		pb_blocks_keep(b, batch);
		return false;
	}
	err = b->must_tell ? pb_queue_wait(b, &b->deflate, patience) : 0;
	if (err && err != -ESHUTDOWN) {
		pb_blocks_leave(b, batch);
		return false;
	}
	pb_blocks_release(b, batch);
	return true;
}

/**
 * pb_blocks_deflate() - take one batch of blocks back from the host, the newest first
 * @b: the balloon
 * @way: of which blocks
 * @nr: at most this many pages
 * @patience: with the device, if it has to be told
 *
 * Context: may sleep.
 * Return: pages that are the guest's again.
 */
unsigned long pb_blocks_deflate(struct pb_balloon *b, enum pb_way way, unsigned long nr,
				enum pb_patience patience)
{
	unsigned long popped = 0;
	LIST_HEAD(batch);

	if (way == PB_WAY_REPORT) {
		popped = pb_blocks_pop(b, way, min(nr, want_init_on_free() ? PB_CLEAR_PAGES :
							PB_FREE_PAGES), &batch);
		pb_blocks_release(b, &batch);
		return popped;
	}
	if (list_empty(&b->blocks[way]) || !pb_queue_claim(b, &b->deflate, patience))
		return 0;
	if (!pb_queue_wait_below(b, &b->deflate, PB_QUEUE_DEPTH, patience)) {
		popped = pb_blocks_pop(b, way, min_t(unsigned long, nr, b->pfns_max / PB_UNITS),
				       &batch);
		if (popped && !pb_blocks_return(b, &batch, patience))
			popped = 0;
	}
	pb_queue_release(b, &b->deflate);
	return popped;
}

/*
 * Move held blocks of a range of memory to @batch: one buffer of PFNs at most where the device is
 * told. Blocks that were reported may be larger than that, and need no buffer.
 */
static unsigned long pb_blocks_in_range(struct pb_balloon *b, enum pb_way way, unsigned long start,
					unsigned long nr, struct list_head *batch)
{
	unsigned long most = way == PB_WAY_REPORT ? PB_FREE_PAGES : b->pfns_max / PB_UNITS;
	unsigned long pfn, pages, found = 0;
	struct page *page, *next;

	spin_lock(&b->lock);
	list_for_each_entry_safe(page, next, &b->blocks[way], lru) {
		pfn = page_to_pfn(page);
		pages = 1UL << pb_block_order(page);
		if (pfn + pages <= start || pfn >= start + nr)
			continue;
		if (found + pages > most)
			break;
		list_move(&page->lru, batch);
		pb_held_add(b, pb_block_order(page), -(long)pages);
		found += pages;
	}
	spin_unlock(&b->lock);
	return found;
}

/* The device is told of what went by PFN. Caller has claimed the deflate queue. */
static void pb_blocks_offline_told(struct pb_balloon *b, unsigned long start, unsigned long nr)
{
	unsigned long found;
	LIST_HEAD(batch);

	while (!pb_queue_wait_below(b, &b->deflate, PB_QUEUE_DEPTH, PB_A_SECOND) &&
	       (found = pb_blocks_in_range(b, PB_WAY_INFLATE, start, nr, &batch))) {
		if (!pb_blocks_return(b, &batch, PB_A_SECOND))
			break;
		pb_count(b, PB_COUNT_DEFLATE_OFFLINE, found);
	}
}

/**
 * pb_blocks_offline() - give back what stands in the way when memory goes offline
 * @b: the balloon
 * @start: first PFN
 * @nr: how many
 *
 * A batch that waits for its acknowledgment is in no list yet, so whoever has one in hand is waited
 * for, and hurries. New ones cannot come from this range: the core has isolated it.
 *
 * Context: may sleep.
 */
void pb_blocks_offline(struct pb_balloon *b, unsigned long start, unsigned long nr)
{
	bool inflate, report, deflate;
	unsigned long found;
	LIST_HEAD(batch);

	pb_resize_hurry(b);
	inflate = pb_queue_claim(b, &b->inflate, PB_A_SECOND);
	report = b->report.vq && pb_queue_claim(b, &b->report, PB_A_SECOND);
	deflate = pb_queue_claim(b, &b->deflate, PB_A_SECOND);
	while ((found = pb_blocks_in_range(b, PB_WAY_REPORT, start, nr, &batch))) {
		pb_blocks_release(b, &batch);
		pb_count(b, PB_COUNT_DEFLATE_OFFLINE, found);
	}
	if (deflate) {
		pb_blocks_offline_told(b, start, nr);
		pb_queue_release(b, &b->deflate);
	}
	if (report)
		pb_queue_release(b, &b->report);
	if (inflate)
		pb_queue_release(b, &b->inflate);
	/* What is missing is made up for when the memory has gone, or stays; see pressure.c. */
	pb_update_actual(b);
}

/**
 * pb_blocks_free_all() - give every block back
 * @b: the balloon, its device reset: nothing is in flight, nobody has to be told
 */
void pb_blocks_free_all(struct pb_balloon *b)
{
	unsigned long nr;
	LIST_HEAD(batch);
	int way;

	for (way = 0; way < PB_WAY_NR; way++)
		while ((nr = pb_blocks_pop(b, way, PB_FREE_PAGES, &batch))) {
			pb_blocks_release(b, &batch);
			pb_count(b, PB_COUNT_DEFLATE_RESET, nr);
			cond_resched();
		}
	pb_limbo_free(b, &b->limbo);
	pb_limbo_free(b, &b->leaving);
}

/**
 * pb_blocks_init() - be able to hold blocks
 * @b: the balloon
 */
void pb_blocks_init(struct pb_balloon *b)
{
	int way;

	spin_lock_init(&b->lock);
	for (way = 0; way < PB_WAY_NR; way++)
		INIT_LIST_HEAD(&b->blocks[way]);
	INIT_LIST_HEAD(&b->prepared);
	INIT_LIST_HEAD(&b->limbo);
	INIT_LIST_HEAD(&b->leaving);
	INIT_WORK(&b->settle, pb_limbo_work);
}
