/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels 6.1 and 7.x, under the names of the newest.
 *
 * Included by the compiler in front of every file, so that the rest of the driver reads as if there
 * were one kernel. The answers come from probe.mk, which looks at the headers instead of the
 * version.
 */
#ifndef PB_COMPAT_H
#define PB_COMPAT_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/page_reporting.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/vmstat.h>

#ifdef PB_HAVE_BALLOON_H
#include <linux/balloon.h>
#else
#include <linux/balloon_compaction.h>
#endif

#ifndef PB_HAVE_MAX_PAGE_ORDER
#define MAX_PAGE_ORDER (MAX_ORDER - 1)
#endif

/* A page that nobody may look into, and one that is like any other again. */
#define PB_NON_ATOMIC(name) __ ## name
#define pb_page_set_offline(page) PB_NON_ATOMIC(SetPageOffline)(page)
#define pb_page_clear_offline(page) PB_NON_ATOMIC(ClearPageOffline)(page)

/*
 * A page that has left the core's list is of a type still that could be moved, which offlining then
 * tries for ever. Where the type is in the mapping, the page can be rid of it.
 */
static inline void pb_page_forget_movable(struct page *page)
{
#ifdef PAGE_MAPPING_MOVABLE
	page->mapping = NULL;
#endif
}

/* Newer tags of statistics, which the counters of older kernels can fill as well. */
#ifndef VIRTIO_BALLOON_S_OOM_KILL
#define VIRTIO_BALLOON_S_OOM_KILL	10
#define VIRTIO_BALLOON_S_ALLOC_STALL	11
#define VIRTIO_BALLOON_S_ASYNC_SCAN	12
#define VIRTIO_BALLOON_S_DIRECT_SCAN	13
#define VIRTIO_BALLOON_S_ASYNC_RECLAIM	14
#define VIRTIO_BALLOON_S_DIRECT_RECLAIM	15
#endif

/* The core is to choose the order of what it reports: 0 says so, and is an order on 7.x. */
#ifndef PAGE_REPORTING_ORDER_UNSPECIFIED
#define PAGE_REPORTING_ORDER_UNSPECIFIED 0
#endif

/* The fewest entries that a queue of free page reports may have, and how the core hears of it. */
#ifdef PB_HAVE_REPORTING_CAPACITY
#define PB_REPORTING_MIN 1
#define pb_reporting_set_capacity(pr, nr) ((pr)->capacity = (nr))
#else
#define PB_REPORTING_MIN PAGE_REPORTING_CAPACITY
#define pb_reporting_set_capacity(pr, nr) ((void)(nr))
#endif

/* What reclaim has scanned or stolen: events once, statistics of nodes now. */
#ifdef PB_HAVE_PGSTEAL_NODE
#define pb_reclaimed(events, item) global_node_page_state(item)
#else
#define pb_reclaimed(events, item) ((events)[item])
#endif

#ifndef PB_HAVE_VIRTQUEUE_INFO
struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
};
#endif

/* As virtio_find_vqs() of the newest kernel, for up to @PB_QUEUES_MAX queues without affinity. */
#define PB_QUEUES_MAX 5
static inline int pb_find_vqs(struct virtio_device *vdev, unsigned int nr, struct virtqueue **vqs,
			      struct virtqueue_info *info)
{
#ifdef PB_HAVE_VIRTQUEUE_INFO
	return virtio_find_vqs(vdev, nr, vqs, info, NULL);
#else
	vq_callback_t *callbacks[PB_QUEUES_MAX];
	const char *names[PB_QUEUES_MAX];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		callbacks[i] = info[i].callback;
		names[i] = info[i].name;
	}
	return virtio_find_vqs(vdev, nr, vqs, callbacks, names, NULL);
#endif
}

/*
 * Pages of 4 KiB that compaction may move. What the core does about a page that moves, changed:
 * before linux/balloon.h the driver put the new page on the list and the old one away.
 */
#if defined(CONFIG_BALLOON_COMPACTION) || defined(CONFIG_BALLOON_MIGRATION)
#define PB_MOVABLE 1
#define PB_PAGE_GFP GFP_HIGHUSER_MOVABLE
#else
#define PB_MOVABLE 0
#define PB_PAGE_GFP GFP_HIGHUSER
#endif

/* Does the core count pages out of MemTotal by itself when they come and go? */
#ifdef PB_HAVE_BALLOON_H
#define PB_CORE_ADJUSTS 1
#define pb_info_set_adjust(info, adjust) ((info)->adjust_managed_page_count = (adjust))
#else
#define PB_CORE_ADJUSTS 0
#define pb_info_set_adjust(info, adjust) ((void)(adjust))
#endif

/* Count a block in meminfo and vmstat, as the core counts the pages that it lists. */
static inline void pb_node_count(struct page *page, long pages)
{
#ifdef PB_HAVE_BALLOON_NODE
	mod_node_page_state(page_pgdat(page), NR_BALLOON_PAGES, pages);
#endif
#if defined(CONFIG_MEMORY_BALLOON) || defined(CONFIG_BALLOON)
	count_vm_events(pages > 0 ? BALLOON_INFLATE : BALLOON_DEFLATE, abs(pages));
#endif
}

/* A page that is isolated is in no list, so the older one does the same to it. */
#if !defined(PB_HAVE_BALLOON_H) && !defined(PB_HAVE_BALLOON_FINALIZE)
#define balloon_page_finalize(page) balloon_page_delete(page)
#endif

/**
 * pb_info_moved() - the device has taken a new page in place of an old one
 * @info: of the balloon
 * @new: the page that is ballooned from now on
 * @old: the page that is the guest's again
 * @adjust: whether ballooned pages are missing in MemTotal
 *
 * Context: from migratepage(), both pages are locked.
 * Return: what migratepage() returns then.
 */
static inline int pb_info_moved(struct balloon_dev_info *info, struct page *new, struct page *old,
				bool adjust)
{
#if defined(CONFIG_BALLOON_COMPACTION) && !defined(PB_HAVE_BALLOON_H)
	unsigned long flags;

	get_page(new);
	if (adjust && page_zone(old) != page_zone(new)) {
		adjust_managed_page_count(old, 1);
		adjust_managed_page_count(new, -1);
	}
	spin_lock_irqsave(&info->pages_lock, flags);
	balloon_page_insert(info, new);
	info->isolated_pages--;
	spin_unlock_irqrestore(&info->pages_lock, flags);
	balloon_page_finalize(old);
	put_page(old);
#endif
	return 0;
}

#ifndef PB_HAVE_SHRINKER_ALLOC
/* Only what a shrinker of a device needs: a place for it, found again from the shrinker. */
struct pb_shrinker {
	struct shrinker shrinker;
	void *data;
};

static inline struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	struct pb_shrinker *own = kzalloc(sizeof(*own), GFP_KERNEL);

	if (!own)
		return NULL;
	own->shrinker.flags = flags;
	own->shrinker.seeks = DEFAULT_SEEKS;
	return &own->shrinker;
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(container_of(shrinker, struct pb_shrinker, shrinker));
}

#define pb_shrinker_data(shrink) (container_of(shrink, struct pb_shrinker, shrinker)->data)
#define pb_shrinker_register(shrinker) WARN_ON_ONCE(register_shrinker(shrinker, "pagefold-balloon"))
#else
#define pb_shrinker_data(shrink) ((shrink)->private_data)
#define pb_shrinker_register(shrinker) shrinker_register(shrinker)
#endif

#endif /* PB_COMPAT_H */
