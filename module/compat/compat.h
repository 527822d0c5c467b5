/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels 6.1 and 7.x, under the names of the newest.
 *
 * Included by the compiler in front of every file, so that the rest of the module reads as if there
 * were one kernel. The answers come from probe.mk, which looks at the headers instead of the
 * version.
 */
#ifndef PF_COMPAT_H
#define PF_COMPAT_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/percpu_counter.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#ifdef PF_HAVE_SOFTLEAF
#include <linux/leafops.h>
#endif
#ifdef PF_HAVE_FOLIO_BATCH_H
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

#ifndef PF_HAVE_VMA_START_WRITE
/* The mmap lock alone keeps faults away. */
static inline void vma_start_write(struct vm_area_struct *vma)
{
}
#endif

#ifndef PF_HAVE_VMA_START_WRITE_KILLABLE
/*
 * A fault that hangs may hold the VMA's lock: the waiting is done here, where a signal ends it.
 * Else this is vma_start_write(): the mark that keeps the next fault away comes before the lock
 * goes.
 */
static inline int vma_start_write_killable(struct vm_area_struct *vma)
{
#if defined(PF_HAVE_VMA_LOCK) && defined(CONFIG_PER_VMA_LOCK)
	typeof(vma->vm_lock_seq) seq;

	if (__is_vma_write_locked(vma, &seq))
		return 0;
	if (down_write_killable(&vma->vm_lock->lock))
		return -EINTR;
	WRITE_ONCE(vma->vm_lock_seq, seq);
	up_write(&vma->vm_lock->lock);
#else
	vma_start_write(vma);
#endif
	return 0;
}
#endif

/*
 * Does a fault hold the VMA's lock? The caller has the mmap lock for writing, so nobody else can
 * hold it for writing. Another fault may begin until the lock is taken.
 */
static inline bool pf_vma_is_read(struct vm_area_struct *vma)
{
#if defined(PF_HAVE_VMA_LOCK) && defined(CONFIG_PER_VMA_LOCK)
	return rwsem_is_locked(&vma->vm_lock->lock);
#elif defined(PF_HAVE_VMA_REFCNT) && defined(CONFIG_PER_VMA_LOCK)
	/* One is its being in use. */
	return refcount_read(&vma->vm_refcnt) > 1;
#else
	return false;
#endif
}

#ifndef PF_HAVE_VM_FLAGS_CLEAR
static inline void vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/**
 * pf_rss_add_anon() - change an mm's count of anonymous pages
 * @mm: the address space
 * @pages: how many pages were added, negative when they were taken away
 *
 * The core's add_mm_counter() calls mm_trace_rss_stat(), which is not exported.
 */
static inline void pf_rss_add_anon(struct mm_struct *mm, long pages)
{
#ifdef PF_HAVE_PERCPU_RSS
	percpu_counter_add(&mm->rss_stat[MM_ANONPAGES], pages);
#else
	atomic_long_add(pages, &mm->rss_stat.count[MM_ANONPAGES]);
#endif
}

/**
 * pf_rss_read() - an mm's count of resident pages
 * @mm: the address space
 * @member: which count: MM_ANONPAGES and so on
 *
 * The core's get_mm_counter() leaves out what CPUs have not added up yet, which on a large host is
 * tens of MiB.
 */
static inline unsigned long pf_rss_read(struct mm_struct *mm, int member)
{
#ifdef PF_HAVE_PERCPU_RSS
	return percpu_counter_sum_positive(&mm->rss_stat[member]);
#else
	return max(atomic_long_read(&mm->rss_stat.count[member]), 0L);
#endif
}

/**
 * pf_pte_is_migration_of() - is this entry the migration entry of that page
 * @pte: an entry of a page table, any kind
 * @pfn: the page
 */
static inline bool pf_pte_is_migration_of(pte_t pte, unsigned long pfn)
{
#ifdef PF_HAVE_SOFTLEAF
	softleaf_t entry;

	if (pte_none(pte) || pte_present(pte))
		return false;
	entry = softleaf_from_pte(pte);
	return softleaf_is_migration(entry) && softleaf_to_pfn(entry) == pfn;
#else
	swp_entry_t entry;

	if (pte_none(pte) || pte_present(pte))
		return false;
	entry = pte_to_swp_entry(pte);
	return is_migration_entry(entry) && swp_offset_pfn(entry) == pfn;
#endif
}

/**
 * pf_pte_is_exclusive_migration() - had the page of this entry no other mapping
 * @pte: a migration entry
 *
 * What can be written is never mapped twice either.
 */
static inline bool pf_pte_is_exclusive_migration(pte_t pte)
{
#ifdef PF_HAVE_SOFTLEAF
	softleaf_t entry = softleaf_from_pte(pte);

	return softleaf_is_migration_write(entry) || softleaf_is_migration_read_exclusive(entry);
#else
	swp_entry_t entry = pte_to_swp_entry(pte);

	return is_writable_migration_entry(entry) || is_readable_exclusive_migration_entry(entry);
#endif
}

/* As the newest kernel's get_user_pages_remote(), without a way to drop the mmap lock. */
static inline long pf_get_user_pages_remote(struct mm_struct *mm, unsigned long start,
					    unsigned long nr, unsigned int flags,
					    struct page **pages)
{
#ifdef PF_HAVE_GUP_VMAS
	return get_user_pages_remote(mm, start, nr, flags, pages, NULL, NULL);
#else
	return get_user_pages_remote(mm, start, nr, flags, pages, NULL);
#endif
}

#ifndef PF_HAVE_DFL_WQ
#define system_dfl_wq	system_unbound_wq
#endif

#ifndef PF_HAVE_UNSHARE_ANY
/* The unsharing fault leaves alone what is not anonymous; a forced write copies it. */
#define PF_FAULT_UNSHARE	FAULT_FLAG_WRITE
#else
#define PF_FAULT_UNSHARE	FAULT_FLAG_UNSHARE
#endif

#ifndef PF_HAVE_SHRINKER_ALLOC
static inline struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	return kzalloc(sizeof(struct shrinker), GFP_KERNEL);
}

static inline int pf_shrinker_register(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "pagefold");
}

static inline void shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#else
/* What could fail has been done when it was allocated. */
static inline int pf_shrinker_register(struct shrinker *shrinker)
{
	shrinker_register(shrinker);
	return 0;
}
#endif

#endif /* PF_COMPAT_H */
