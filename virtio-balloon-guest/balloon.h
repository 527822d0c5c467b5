/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The balloon of one device, as its parts share it.
 */
#ifndef PB_BALLOON_H
#define PB_BALLOON_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/page_reporting.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "backoff.h"
#include "queue.h"

/* The device counts in 4 KiB, whatever the guest's pages are; this many of them are a page. */
#define PB_UNITS		(1U << (PAGE_SHIFT - VIRTIO_BALLOON_PFN_SHIFT))

/* Smaller blocks would save little over pages, and could not be moved out of the way. */
#define PB_BLOCK_ORDER_MIN	4
/*
 * PFNs in one buffer, in 4 KiB: 32 MiB, which QEMU discards within milliseconds. At least as many
 * as the kernel's own driver sends, which all devices take.
 */
#define PB_PFNS_MAX		8192
#define PB_PFNS_MIN		256
/* Entries of one report. */
#define PB_REPORT_MAX		128

#define PB_STATS_MAX		16

/* How long a look at pressure takes at least. */
#define PB_TICK_MS		100

/* How a block was handed over, and so how it comes back. */
enum pb_way {
	PB_WAY_REPORT,		/* as one range through reporting_vq; comes back without a word */
	PB_WAY_INFLATE,		/* as PFNs through the inflate queue; announced on deflateq */
	PB_WAY_NR
};

/* Why a resize is where it is. */
enum pb_stop {
	PB_STOP_NONE,		/* on the way */
	PB_STOP_REACHED,
	PB_STOP_FLOOR,
	PB_STOP_PRESSURE,
	PB_STOP_NO_MEMORY,
	PB_STOP_OOM,
	PB_STOP_DEVICE,		/* does not acknowledge, or is broken */
	PB_STOP_SUSPEND,
	PB_STOP_NR
};

/* What pages came back for, and what else is counted. In pages of the guest unless said. */
enum pb_count {
	PB_COUNT_INFLATE_BLOCK,
	PB_COUNT_INFLATE_PAGE,
	PB_COUNT_DEFLATE_TARGET,
	PB_COUNT_DEFLATE_OOM,
	PB_COUNT_DEFLATE_PRESSURE,
	PB_COUNT_DEFLATE_OFFLINE,
	PB_COUNT_DEFLATE_LATE,
	PB_COUNT_DEFLATE_RESET,
	PB_COUNT_MIGRATE,
	PB_COUNT_REPORT,
	PB_COUNT_HINT,
	PB_COUNT_OOM_EVENTS,		/* events */
	PB_COUNT_BRAKE_EVENTS,		/* events */
	PB_COUNT_ALLOC_FAILURES,	/* events */
	PB_COUNT_RETRIES,		/* events */
	PB_COUNT_KICKS,			/* buffers */
	PB_COUNT_ACK_LATE,		/* events */
	PB_COUNT_NR
};

/* What a look at these saw. */
enum pb_look {
	PB_LOOK_QUIET,
	PB_LOOK_BEGUN,		/* the last was too long ago: ask again in a tick */
	PB_LOOK_PRESSURE,
};

/**
 * struct pb_rates - what memory pressure looked like at the last look
 * @when: jiffies
 * @stalls: allocations that had to reclaim by themselves
 * @swapins: pages read from swap
 * @refaults: pages that came back soon after they were reclaimed
 * @majors: faults that waited for a disk
 */
struct pb_rates {
	unsigned long when;
	unsigned long stalls;
	unsigned long swapins;
	unsigned long refaults;
	unsigned long majors;
};

/**
 * struct pb_balloon - a balloon
 * @vdev: its device
 * @wq: runs its work, so that nothing of others waits for a device
 * @resize_wq: runs @resize, which may wait for the device without end, and gives back
 * @patient_wq: runs what may wait for the device without end, and gives nothing back
 * @wait: woken by every acknowledgment, and by everything that ends waiting
 * @inflate: queue of pages that go
 * @deflate: queue of pages that come back
 * @stats: queue of statistics, reversed: the device asks
 * @hint: queue of free pages that a migration may skip
 * @report: queue of ranges to discard
 * @stop_lock: protects @stop against those who queue work, and @pr_backoff
 * @stop: the device is being removed or suspended: no new work, no patience
 * @reset: the device has been reset: nothing is in flight any more
 * @launched: the device has been started, and not halted since
 * @paused: the system is about to sleep: the size stays
 * @resize: moves the balloon towards the target
 * @changed: what @resize goes by may be another since it has looked
 * @nice_lock: protects @nicer
 * @nicer: runs @resize, and lets others go first
 * @hurry: has it do so no longer
 * @config_lock: what is written as actual is what is held then
 * @target: in pages, as last read; only @resize writes
 * @achieved: held when that last came to rest; only @resize writes
 * @said: that the target cannot be reached has been said
 * @backoff: of that target; only @resize
 * @why: enum pb_stop
 * @lock: protects @blocks, @prepared, @limbo, @leaving, @limbo_nr, @by_order,
 *	@held, @info_nr
 * @blocks: held blocks by way, newest first; page_private() is the order; also pages that were in
 *	@info until the device could not be told of them
 * @prepared: blocks that the device has next, when it is done with what it has
 * @limbo: blocks that the device has and did not acknowledge; theirs until a reset
 * @leaving: blocks that it was told it loses; theirs until it has acknowledged that
 * @limbo_nr: pages in @limbo and @leaving, and @stray
 * @settle: takes back what is @leaving
 * @by_order: held pages by order of their block; order 0 includes @info
 * @held: pages that the device has taken and acknowledged, of all kinds
 * @info: held pages of 4 KiB, movable
 * @info_nr: how many, those that compaction is moving among them
 * @stray: a page that was moved, which the device could not be told of: theirs until a reset
 * @pfns_max: as many PFNs in a buffer
 * @inflate_pfns: two buffers of @inflate, of who has claimed it: the second for pb_blocks_inflate()
 * @deflate_pfns: buffers of @deflate, of who has claimed it
 * @sg: ranges for @report, two likewise; page_reporting brings its own
 * @adjust: ballooned pages are missing in MemTotal
 * @reporting: blocks go through @report
 * @must_tell: no page is used before the device knows
 * @min_bytes: what the guest keeps by its administrator's wish
 * @look_lock: protects @rates, @look
 * @rates: of the last look, see pressure.c
 * @look: what that look saw
 * @wary_until: jiffies until when the guest keeps more than the floor
 * @may_give: pages may come back although the host wants them
 * @watch: looks at pressure while pages could come back
 * @oom_nb: out of memory
 * @oom_last: jiffies of the last one
 * @oom_pages: given back then
 * @offline_nb: memory goes offline
 * @pm_nb: the system sleeps
 * @pr: free page reporting
 * @pr_registered: it is ours
 * @pr_again: has it report what it could not
 * @pr_backoff: of that, under @stop_lock
 * @lent: free pages that it has in hand, and that are free again in a moment
 * @stats_work: fills @stats_buf
 * @stats_buf: with the device, except while that work runs
 * @hint_work: the hinting protocol
 * @hint_changed: the host may ask for something else
 * @hint_active: what is being answered
 * @hint_units: size that the host wanted then
 * @hint_late: the device has had its buffers for a second; only @hint_work writes
 * @hint_cmd: buffers of the two commands of an answer, with the device
 * @hint_out: buffers that are with the device; only @hint_work writes
 * @hint_lock: protects @hint_blocks, @hint_nr
 * @hint_blocks: hinted, and held until the host is done
 * @hint_nr: how many
 * @hint_shrinker: takes them back earlier
 * @counts: enum pb_count
 */
struct pb_balloon {
	struct virtio_device *vdev;
	struct workqueue_struct *wq;
	struct workqueue_struct *resize_wq;
	struct workqueue_struct *patient_wq;
	wait_queue_head_t wait;
	struct pb_queue inflate, deflate, stats, hint, report;

	spinlock_t stop_lock;		/* protects stop, pr_backoff */
	bool stop;
	bool reset;
	bool launched;
	bool paused;

	struct delayed_work resize;
	bool changed;
	spinlock_t nice_lock;		/* protects nicer */
	struct task_struct *nicer;
	struct work_struct hurry;
	struct mutex config_lock;	/* protects what is written as actual */
	unsigned long target;
	unsigned long achieved;
	bool said;
	struct pb_backoff backoff;
	int why;

	spinlock_t lock;		/* protects blocks to info_nr */
	struct list_head blocks[PB_WAY_NR];
	struct list_head prepared;
	struct list_head limbo;
	struct list_head leaving;
	unsigned long limbo_nr;
	unsigned long by_order[MAX_PAGE_ORDER + 1];
	unsigned long held;
	struct balloon_dev_info info;
	unsigned long info_nr;
	struct page *stray;
	struct work_struct settle;

	unsigned int pfns_max;
	__virtio32 *inflate_pfns;
	__virtio32 *deflate_pfns[PB_QUEUE_DEPTH];
	struct scatterlist sg[2][PB_REPORT_MAX];

	bool adjust;
	bool reporting;
	bool must_tell;

	u64 min_bytes;
	struct mutex look_lock;		/* protects rates, look */
	struct pb_rates rates;
	enum pb_look look;
	unsigned long wary_until;
	bool may_give;
	struct delayed_work watch;
	struct notifier_block oom_nb;
	unsigned long oom_last;
	unsigned long oom_pages;
	struct notifier_block offline_nb;
	struct notifier_block pm_nb;

	struct page_reporting_dev_info pr;
	bool pr_registered;
	struct delayed_work pr_again;
	struct pb_backoff pr_backoff;
	unsigned long lent;

	struct work_struct stats_work;
	struct virtio_balloon_stat stats_buf[PB_STATS_MAX];

	struct work_struct hint_work;
	bool hint_changed;
	u32 hint_active;
	u32 hint_units;
	bool hint_late;
	__virtio32 hint_cmd[2];
	unsigned int hint_out;
	spinlock_t hint_lock;		/* protects hint_blocks, hint_nr */
	struct list_head hint_blocks;
	unsigned long hint_nr;
	struct shrinker *hint_shrinker;

	atomic64_t counts[PB_COUNT_NR];
};

static inline void pb_count(struct pb_balloon *b, enum pb_count what, unsigned long nr)
{
	atomic64_add(nr, &b->counts[what]);
}

/* resize.c */
void pb_resize_init(struct pb_balloon *b);
void pb_resize_kick(struct pb_balloon *b);
void pb_resize_hurry(struct pb_balloon *b);
void pb_update_actual(struct pb_balloon *b);
void pb_held_add(struct pb_balloon *b, unsigned int order, long pages);
unsigned long pb_give_back(struct pb_balloon *b, unsigned long nr, enum pb_count cause);

/* block.c */
void pb_blocks_init(struct pb_balloon *b);
unsigned long pb_blocks_inflate(struct pb_balloon *b, unsigned long nr);
unsigned long pb_blocks_deflate(struct pb_balloon *b, enum pb_way way, unsigned long nr,
				enum pb_patience patience);
unsigned long pb_blocks_unprepare(struct pb_balloon *b);
void pb_blocks_offline(struct pb_balloon *b, unsigned long start, unsigned long nr);
void pb_blocks_free_all(struct pb_balloon *b);
void pb_block_account(struct pb_balloon *b, struct page *page, long pages);
void pb_limbo_add(struct pb_balloon *b, struct list_head *limbo, struct page *page,
		  unsigned int order);
void pb_limbo_kick(struct pb_balloon *b);

/* inflate.c */
int pb_pages_init(struct pb_balloon *b);
void pb_pages_exit(struct pb_balloon *b);
bool pb_deflate_settle(struct pb_balloon *b);
bool pb_deflate_is_settled(struct pb_balloon *b);
void pb_deflate_settled(struct pb_balloon *b);
unsigned long pb_pages_inflate(struct pb_balloon *b, unsigned long nr);
unsigned long pb_pages_deflate(struct pb_balloon *b, unsigned long nr, enum pb_patience patience);
void pb_pages_free_all(struct pb_balloon *b);
unsigned int pb_pfns_add(struct pb_balloon *b, __virtio32 *pfns, unsigned int at,
			 struct page *page, unsigned long pages);

/* report.c */
void pb_report_init(struct pb_balloon *b);
void pb_report_start(struct pb_balloon *b);
void pb_report_stop(struct pb_balloon *b);

/* stats.c */
void pb_stats_init(struct pb_balloon *b);
int pb_stats_start(struct pb_balloon *b);
void pb_stats_request(struct virtqueue *vq);

/* hint.c */
int pb_hint_init(struct pb_balloon *b);
void pb_hint_exit(struct pb_balloon *b);
void pb_hint_kick(struct pb_balloon *b);
void pb_hint_free_all(struct pb_balloon *b);
unsigned long pb_hint_pages(struct pb_balloon *b);

/* pressure.c */
int pb_pressure_init(struct pb_balloon *b);
void pb_pressure_exit(struct pb_balloon *b);
void pb_pressure_stop(struct pb_balloon *b);
void pb_pressure_watch(struct pb_balloon *b);
unsigned long pb_pressure_room(struct pb_balloon *b, enum pb_stop *why);
unsigned long pb_pressure_spare(struct pb_balloon *b);
unsigned long pb_pressure_blocks(struct pb_balloon *b);
u64 pb_pressure_floor(struct pb_balloon *b);

/* sysfs.c */
extern const struct attribute_group *pb_groups[];

#endif /* PB_BALLOON_H */
