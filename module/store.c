// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store: owns the frames and the set of them.
 *
 * A frame's page is always freshly allocated, never one of a VM: a VM must not choose the physical
 * place of what others will map. Frames can be neither moved nor swapped, so they are taken from
 * blocks of several pages, to lie side by side instead of all over the memory.
 *
 * A frame needs no reverse map and no count of its users: each mapping holds a reference on the
 * page, and the set holds one. When that is the last, the frame is unused. Whoever comes by a hint
 * to it looks at it under the lock of the set, and whoever frees it holds that for writing.
 */
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/rwsem.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "breaks.h"
#include "fault.h"
#include "hash.h"
#include "sample.h"
#include "store.h"
#include "table.h"
#include "trace.h"
#include "wide.h"

/*
 * 4 pages: a block is used up soon, is there when memory is not quite whole any more, and while
 * the kernel clears it others wait for the CPU.
 */
#define PF_POOL_ORDER	2
#define PF_FRAME_GFP	(GFP_HIGHUSER | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)
/* A block is taken where there is one: nothing is reclaimed or compacted for it. */
#define PF_BLOCK_GFP	(PF_FRAME_GFP & ~__GFP_RECLAIM)
/* A frame takes no more mappings than this: 4 TiB of equal pages. */
#define PF_FRAME_REFS_MAX	((int)BIT(30))
/* Whether there should be more is asked for each so many frames that came or found no room. */
#define PF_FIT_FRAMES	64
/* How many chains are looked at while the lock is held. */
#define PF_REAP_BATCH	64
/*
 * Each second a sixteenth of the chains is looked at, which as a rule have a frame or two, but from
 * 8192 to 32768 of them.
 */
#define PF_REAP_INTERVAL	HZ
#define PF_REAP_SHIFT		4
#define PF_REAP_MIN		8192UL
#define PF_REAP_MAX		32768UL

unsigned long pf_store_mark __read_mostly;

static struct pf_sampler pf_sampler;
static struct shrinker *pf_store_shrinker;

/* Protects the set; and pf_cross_nodes, which may change only while the set is empty. */
static DECLARE_RWSEM(pf_store_lock);
static struct pf_frame_set pf_store_set;
static bool pf_cross_nodes = true;
static atomic64_t pf_frames_allocated;
static atomic64_t pf_frames_freed;
static atomic64_t pf_frames_shrunk;

/* One change of the number of buckets at a time. */
static DEFINE_MUTEX(pf_store_fit_lock);
static atomic_t pf_fit_asked;

static void pf_store_reap_some(struct work_struct *work);
static DECLARE_DEFERRABLE_WORK(pf_store_reap_work, pf_store_reap_some);

/* Pages of blocks that are not frames yet, for each node; pf_pool_lock. */
static DEFINE_SPINLOCK(pf_pool_lock);
static struct list_head *pf_pool;
static unsigned long pf_pool_pages;

static struct page *pf_pool_take(int node)
{
	struct page *page;

	spin_lock(&pf_pool_lock);
	page = list_first_entry_or_null(&pf_pool[node], struct page, lru);
	if (page) {
		list_del(&page->lru);
		pf_pool_pages--;
	}
	spin_unlock(&pf_pool_lock);
	return page;
}

static void pf_pool_put(struct page *page)
{
	spin_lock(&pf_pool_lock);
	list_add_tail(&page->lru, &pf_pool[page_to_nid(page)]);
	pf_pool_pages++;
	spin_unlock(&pf_pool_lock);
}

static unsigned long pf_pool_free_all(void)
{
	unsigned long nr = 0;
	struct page *page;
	int node;

	for (node = 0; node < nr_node_ids; node++) {
		while ((page = pf_pool_take(node))) {
			__free_page(page);
			nr++;
		}
	}
	return nr;
}

/*
 * A page on @node, one of a block if there is one to be had. A block of another node would be kept
 * for pages of that one, and the next frame would take another.
 */
static struct page *pf_pool_alloc(int node)
{
	struct page *page;
	gfp_t here = pf_store_cross_nodes() ? 0 : __GFP_THISNODE;
	int i;

	if (pf_fault(PF_FAULT_FRAME_PAGE))
		return NULL;
	page = pf_pool_take(node);
	if (page)
		return page;
	page = pf_fault(PF_FAULT_FRAME_BLOCK) ? NULL :
		alloc_pages_node(node, PF_BLOCK_GFP | __GFP_THISNODE, PF_POOL_ORDER);
	if (!page)
		return alloc_pages_node(node, PF_FRAME_GFP | here, 0);
	split_page(page, PF_POOL_ORDER);
	for (i = 1; i < 1 << PF_POOL_ORDER; i++)
		pf_pool_put(page + i);
	return page;
}

/* Pages of other domains or nodes have other classes, so they do not meet. */
static u64 pf_store_class(u32 domain, struct page *page, const void *data)
{
	u64 apart = (u64)domain << 32 | (u32)pf_store_node(page);

	return pf_sample_class(&pf_sampler, data, apart * 0xd6e8feb86659fd93ULL);
}

/**
 * pf_store_key() - what a page's hints are looked up by
 * @domain: of its VM
 * @page: behind a reference; it may change meanwhile
 *
 * Equal pages that may share a frame have the same key, but for a moment after pf_store_tell().
 */
u64 pf_store_key(u32 domain, struct page *page)
{
	void *data = kmap_local_page(page);
	u64 key = pf_sample_key(&pf_sampler, data, pf_store_class(domain, page, data));

	kunmap_local(data);
	return key;
}

/**
 * pf_store_tell() - a page has the key of another that it does not equal
 * @domain: of its VM
 * @page: behind a reference
 * @line: the first line in which they differ
 *
 * Return: whether the page has another key now.
 */
bool pf_store_tell(u32 domain, struct page *page, unsigned int line)
{
	void *data = kmap_local_page(page);
	u64 class = pf_store_class(domain, page, data);

	kunmap_local(data);
	return pf_sample_tell(&pf_sampler, class, line);
}

/**
 * pf_store_node() - the NUMA node in the key of a page's frame
 * @page: a page that may be folded
 */
s32 pf_store_node(struct page *page)
{
	return READ_ONCE(pf_cross_nodes) ? NUMA_NO_NODE : page_to_nid(page);
}

/* May @page of @domain share this frame, which is in the set? Caller holds the lock. */
static bool pf_store_may_share(struct page *frame, u32 domain, struct page *page)
{
	return pf_store_owns_for(frame, domain) &&
	       (pf_cross_nodes || page_to_nid(frame) == page_to_nid(page)) &&
	       /* The count of references must not overflow, however many pages are equal. */
	       page_count(frame) < PF_FRAME_REFS_MAX;
}

static unsigned int pf_store_differ(struct page *page, struct page *frame)
{
	void *x = kmap_local_page(page), *y = kmap_local_page(frame);
	unsigned int line = pf_wide_differ(x, y);

	kunmap_local(y);
	kunmap_local(x);
	return line;
}

/* Compare a frame that is in the set with @page. Caller holds the lock. */
static void pf_store_compare(struct page *frame, struct page *page, struct pf_look *look)
{
	lockdep_assert_held(&pf_store_lock);
	if (!pf_store_may_share(frame, look->domain, page))
		return;
	/* Tags of hints are short: without its key, a frame was named by chance. */
	look->line = look->trust && pf_frame_has_key(frame, look->key) ?
		PF_PAGE_LINES : pf_store_differ(page, frame);
	if (look->line == PF_PAGE_LINES)
		look->frame = frame;
	else
		look->alike = pf_store_key(look->domain, frame) == look->key;
}

/*
 * A frame was filed under what told pages of its class apart then. Under another key each of its
 * likes is compared with it once more than need be, and none that becomes a frame finds it.
 */
static void pf_store_refile(struct page *frame, u32 domain)
{
	u64 key = pf_store_key(domain, frame);

	down_write(&pf_store_lock);
	if (pf_frame_listed(frame) && !pf_frame_has_key(frame, key))
		pf_frame_refile(&pf_store_set, frame, key);
	up_write(&pf_store_lock);
}

/**
 * pf_store_look() - is the frame that a hint names equal to a page
 * @pfn: from a hint, perhaps of a frame that is gone
 * @page: behind a reference; it may change meanwhile
 * @look: what is known, and is found out
 *
 * What a hint names is believed only if it bears the mark of this load and the number of the
 * domain, and that of a frame that is in the set.
 *
 * Context: takes pf_store_lock; sleeps. The content must be compared again when nobody can change
 * it.
 */
void pf_store_look(u64 pfn, struct page *page, struct pf_look *look)
{
	struct page *frame = pfn_to_online_page(pfn);

	look->frame = NULL;
	look->alike = false;
	look->gone = true;
	/* Whoever else's page that may be by now is left alone, but for the shortest of races. */
	if (!frame || !pf_store_owns(frame) || !get_page_unless_zero(frame))
		return;
	down_read(&pf_store_lock);
	if (pf_store_owns(frame) && pf_frame_listed(frame)) {
		look->gone = false;
		pf_store_compare(frame, page, look);
	}
	up_read(&pf_store_lock);
	if (!look->frame)
		put_page(frame);
	else if (!pf_frame_has_key(frame, look->key))
		pf_store_refile(frame, look->domain);
}

/* A page with the content that @page has now, marked as a frame of @domain. */
static struct page *pf_store_copy(u32 domain, struct page *page)
{
	struct page *copy = pf_pool_alloc(page_to_nid(page));

	if (!copy)
		return NULL;
	copy_highpage(copy, page);
	/* Not of the set yet, see pf_store_look(). */
	page_folio(copy)->index = 0;
	/* That, and what the pages' owners wrote, must be there before anyone finds the frame. */
	__folio_mark_uptodate(page_folio(copy));
	set_page_private(copy, pf_store_mark | domain);
	atomic64_inc(&pf_frames_allocated);
	return copy;
}

static void pf_store_let_go(struct page *page)
{
	set_page_private(page, 0);
	put_page(page);
}

static void pf_store_reap_later(void)
{
	queue_delayed_work(system_dfl_wq, &pf_store_reap_work, PF_REAP_INTERVAL);
}

/* Begin to move the frames to a table of the size that fits them. */
static void pf_store_resize(u32 nr_buckets)
{
	struct hlist_head *bucket;

	pf_fault_hold(PF_FAULT_FRAME_HOLD);
	bucket = pf_fault(PF_FAULT_FRAME_TABLE) ? NULL :
		pf_table_alloc(nr_buckets * sizeof(*bucket));
	/* Chains are longer then. */
	if (!bucket)
		return;
	down_write(&pf_store_lock);
	pf_frame_resize(&pf_store_set, bucket, nr_buckets);
	up_write(&pf_store_lock);
}

/*
 * Free buckets that all frames have left, and see whether there should be more or fewer. The caller
 * holds pf_store_fit_lock: a table may take a GiB, and nobody is to make one to throw it away.
 */
static void pf_store_fit_locked(void)
{
	struct hlist_head *spent;
	u32 want;

	lockdep_assert_held(&pf_store_fit_lock);
	down_write(&pf_store_lock);
	spent = pf_frame_spent(&pf_store_set);
	want = pf_store_set.old ? 0 : pf_frame_want(&pf_store_set);
	up_write(&pf_store_lock);
	kvfree(spent);
	if (want && want != READ_ONCE(pf_store_set.nr_buckets))
		pf_store_resize(want);
}

static void pf_store_fit(void)
{
	mutex_lock(&pf_store_fit_lock);
	pf_store_fit_locked();
	mutex_unlock(&pf_store_fit_lock);
}

/*
 * A frame has come, or has found no room. Whoever brought it holds pages and a VM, so while another
 * makes room it goes on: chains are longer for that long.
 */
static void pf_store_fit_some(void)
{
	if ((unsigned int)atomic_inc_return(&pf_fit_asked) % PF_FIT_FRAMES ||
	    !mutex_trylock(&pf_store_fit_lock))
		return;
	pf_store_fit_locked();
	mutex_unlock(&pf_store_fit_lock);
}

/*
 * Add @copy to the set, or find that its like is there. Consumes @copy if so. NULL when what is
 * there has all the references that it may have, or there is no room for another frame.
 */
static struct page *pf_store_insert(struct page *copy, u64 key)
{
	struct page *page = NULL, *there;

	down_write(&pf_store_lock);
	/* From then on hints to it are believed, see pf_store_look(). */
	there = pf_frame_add(&pf_store_set, copy, key, pf_cross_nodes);
	if (there && page_count(there) < PF_FRAME_REFS_MAX) {
		page = there;
		get_page(page);
	}
	up_write(&pf_store_lock);
	if (!there || there == copy)
		pf_store_fit_some();
	if (there != copy) {
		pf_store_let_go(copy);
		atomic64_inc(&pf_frames_freed);
		return page;
	}
	pf_store_reap_later();
	trace_pagefold_frame_new((u32)page_private(copy));
	return copy;
}

/**
 * pf_store_hash() - hash all of a page
 * @page: behind a reference; it may change meanwhile
 */
u64 pf_store_hash(struct page *page)
{
	void *data = kmap_local_page(page);
	u64 hash = pf_page_hash(data, &pf_sampler.seed);

	kunmap_local(data);
	return hash;
}

/**
 * pf_store_add() - a frame with the content of this page, made if need be
 * @domain: of the page's VM
 * @page: behind a reference; if it changes meanwhile the frame has what it held for a moment
 *
 * So the frame is filed under the key of what it has, which nobody can change any more, and not
 * under one that the page was seen with.
 *
 * Context: takes pf_store_lock; may sleep.
 * Return: the frame's page with a reference for the caller; NULL for want of memory, when more
 * pages than can be counted share it, or when as many others as may have its key.
 */
struct page *pf_store_add(u32 domain, struct page *page)
{
	struct page *copy = pf_store_copy(domain, page);

	return copy ? pf_store_insert(copy, pf_store_key(domain, copy)) : NULL;
}

/**
 * pf_store_new_private() - a frame for one page alone, which nobody finds
 * @domain: the number of the page's domain
 * @page: behind a reference
 *
 * The storm folds every page with itself through this.
 *
 * Return: the page with the only reference, or NULL for want of memory.
 */
struct page *pf_store_new_private(u32 domain, struct page *page)
{
	struct page *copy = pf_store_copy(domain, page);

	if (copy)
		atomic64_inc(&pf_frames_freed);
	return copy;
}

static void pf_store_del(struct page *page)
{
	trace_pagefold_frame_free((u32)page_private(page));
	/* First: who reads that there are no frames finds all of them freed. */
	atomic64_inc(&pf_frames_freed);
	pf_frame_del(&pf_store_set, page);
	pf_store_let_go(page);
}

/* Look at the frames of @nr chains in turn, free the unused. Caller holds the lock for writing. */
static unsigned long pf_store_reap_locked(unsigned long nr)
{
	unsigned long freed = 0;
	struct hlist_node *node, *next;

	lockdep_assert_held_write(&pf_store_lock);
	for (; nr; nr--) {
		hlist_for_each_safe(node, next, pf_frame_next(&pf_store_set)) {
			struct page *page = pf_frame_of(node);

			if (page_count(page) != 1)
				continue;
			pf_store_del(page);
			freed++;
		}
	}
	return freed;
}

static unsigned long pf_store_chains(void)
{
	return (unsigned long)READ_ONCE(pf_store_set.nr_buckets) + READ_ONCE(pf_store_set.nr_old);
}

/* Have no frame in old buckets, where a round that began in the new ones would not come by. */
static void pf_store_move_all(void)
{
	bool more;

	do {
		down_write(&pf_store_lock);
		pf_frame_move(&pf_store_set, PF_REAP_BATCH);
		more = pf_store_set.moved < pf_store_set.nr_old;
		up_write(&pf_store_lock);
		pf_break();
	} while (more);
}

/**
 * pf_store_reap() - free some frames that nobody maps any more
 * @nr: how many chains of them to look at
 *
 * Context: takes pf_store_lock; may sleep.
 * Return: how many were freed.
 */
unsigned long pf_store_reap(unsigned long nr)
{
	unsigned long freed = 0;

	pf_store_move_all();
	for (nr = min(nr, pf_store_chains()); nr;) {
		unsigned long batch = min_t(unsigned long, nr, PF_REAP_BATCH);

		down_write(&pf_store_lock);
		freed += pf_store_reap_locked(batch);
		up_write(&pf_store_lock);
		nr -= batch;
		pf_break();
	}
	return freed;
}

/**
 * pf_store_reap_all() - free all frames that nobody maps any more, and the room for them
 *
 * Context: takes pf_store_lock; may sleep.
 */
void pf_store_reap_all(void)
{
	pf_store_reap(ULONG_MAX);
	pf_store_fit();
}

/*
 * Nobody tells when the last mapping of a frame goes, so they are looked at, as long as there are
 * any.
 */
static void pf_store_reap_some(struct work_struct *work)
{
	unsigned long nr = pf_store_chains();

	pf_store_reap(clamp(nr >> PF_REAP_SHIFT, PF_REAP_MIN, PF_REAP_MAX));
	pf_store_fit();
	/* The buckets of before go with the next round. */
	if (pf_store_frames() || READ_ONCE(pf_store_set.old))
		pf_store_reap_later();
}

static unsigned long pf_shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long nr = pf_store_frames() + READ_ONCE(pf_pool_pages);

	return nr ?: SHRINK_EMPTY;
}

/* Reclaim may come from our own allocations, so a lock that is taken is left alone. */
static unsigned long pf_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long pages = pf_pool_free_all(), frames;

	if (!down_write_trylock(&pf_store_lock))
		return pages ?: SHRINK_STOP;
	frames = pf_store_reap_locked(min(sc->nr_to_scan, pf_store_chains()));
	up_write(&pf_store_lock);
	atomic64_add(frames, &pf_frames_shrunk);
	return pages + frames;
}

/**
 * pf_store_frames() - how many frames there are
 */
unsigned long pf_store_frames(void)
{
	return READ_ONCE(pf_store_set.nr);
}

/**
 * pf_store_allocated() - how many frames were made since the module was loaded
 */
unsigned long pf_store_allocated(void)
{
	return atomic64_read(&pf_frames_allocated);
}

/**
 * pf_store_freed() - how many frames were let go since the module was loaded
 */
unsigned long pf_store_freed(void)
{
	return atomic64_read(&pf_frames_freed);
}

/**
 * pf_store_shrunk() - how many of these because the host was short of memory
 */
unsigned long pf_store_shrunk(void)
{
	return atomic64_read(&pf_frames_shrunk);
}

/**
 * pf_store_bytes() - what the store costs beyond the frames themselves
 */
size_t pf_store_bytes(void)
{
	return pf_table_taken(READ_ONCE(pf_store_set.nr_buckets) * sizeof(struct hlist_head)) +
	       pf_table_taken(READ_ONCE(pf_store_set.nr_old) * sizeof(struct hlist_head)) +
	       READ_ONCE(pf_pool_pages) * PAGE_SIZE + sizeof(pf_sampler);
}

/**
 * pf_store_cross_nodes() - may pages of different NUMA nodes share a frame
 */
bool pf_store_cross_nodes(void)
{
	return READ_ONCE(pf_cross_nodes);
}

/**
 * pf_store_set_cross_nodes() - may pages of different NUMA nodes share a frame
 * @cross: whether they may
 *
 * Return: 0; -EBUSY while there are frames, for they are sorted by the old rule.
 */
int pf_store_set_cross_nodes(bool cross)
{
	int err = 0;

	pf_store_reap_all();
	down_write(&pf_store_lock);
	if (cross != pf_cross_nodes && pf_store_frames())
		err = -EBUSY;
	else
		WRITE_ONCE(pf_cross_nodes, cross);
	up_write(&pf_store_lock);
	return err;
}

/**
 * pf_store_init() - begin without frames
 *
 * Return: 0 or -ENOMEM.
 */
int pf_store_init(void)
{
	struct hlist_head *bucket;
	struct pf_seed seed;
	int node;

	get_random_bytes(&seed, sizeof(seed));
	pf_sampler_init(&pf_sampler, &seed, get_random_u64());
	pf_store_mark = (get_random_long() | BIT(32)) & ~(unsigned long)U32_MAX;
	pf_pool = kcalloc(nr_node_ids, sizeof(*pf_pool), GFP_KERNEL);
	if (!pf_pool)
		return -ENOMEM;
	for (node = 0; node < nr_node_ids; node++)
		INIT_LIST_HEAD(&pf_pool[node]);
	bucket = pf_table_alloc(PF_FRAME_BUCKETS_MIN * sizeof(*bucket));
	if (!bucket)
		goto free_pool;
	pf_frame_resize(&pf_store_set, bucket, PF_FRAME_BUCKETS_MIN);
	pf_store_shrinker = shrinker_alloc(0, "pagefold");
	if (!pf_store_shrinker)
		goto free_buckets;
	pf_store_shrinker->count_objects = pf_shrink_count;
	pf_store_shrinker->scan_objects = pf_shrink_scan;
	pf_store_shrinker->seeks = DEFAULT_SEEKS;
	if (pf_shrinker_register(pf_store_shrinker))
		goto free_shrinker;
	return 0;

free_shrinker:
	shrinker_free(pf_store_shrinker);
free_buckets:
	kvfree(bucket);
free_pool:
	kfree(pf_pool);
	return -ENOMEM;
}

/**
 * pf_store_exit() - let go of all frames
 *
 * Those that are mapped live on as ordinary pages until their last mapping goes; without the mark,
 * so that no later load takes them for its own.
 */
void pf_store_exit(void)
{
	struct hlist_node *node, *next;

	cancel_delayed_work_sync(&pf_store_reap_work);
	shrinker_free(pf_store_shrinker);
	while (pf_store_frames()) {
		hlist_for_each_safe(node, next, pf_frame_next(&pf_store_set))
			pf_store_del(pf_frame_of(node));
		pf_break();
	}
	pf_pool_free_all();
	kvfree(pf_store_set.old);
	kvfree(pf_store_set.bucket);
	kfree(pf_pool);
}
