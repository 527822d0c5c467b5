/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters: what was done, and why things were not done.
 *
 * One list names every counter; the enum, the sysfs files and their order come from it.
 */
#ifndef PF_STATS_H
#define PF_STATS_H

#include <linux/atomic.h>
#include <linux/types.h>

/* Events. PF_EVENT(enum name, sysfs file): each is a file of the module and one of every VM. */
#define PF_EVENTS(PF_EVENT)					\
	PF_EVENT(SCANNED, scanned_pages)			\
	PF_EVENT(RESTED, rested_pages)				\
	PF_EVENT(FOLDS, folds)					\
	PF_EVENT(ZERO_FOLDS, zero_folds)			\
	PF_EVENT(UNFOLDS, unfolds)				\
	PF_EVENT(COW_BREAKS, cow_breaks)			\
	PF_EVENT(ZERO_BREAKS, zero_breaks)			\
	PF_EVENT(HUGE_SPLITS, huge_splits)

/* Reasons why a page was not folded: files of skipped/. */
#define PF_SKIPS(PF_SKIP)					\
	PF_SKIP(VMA, vma)					\
	PF_SKIP(LOCKED, locked)					\
	PF_SKIP(UFFD, uffd)					\
	PF_SKIP(LARGE, large)					\
	PF_SKIP(PINNED, pinned)					\
	PF_SKIP(LAZYFREE, lazyfree)				\
	PF_SKIP(KSM, ksm)					\
	PF_SKIP(DEVICE, device)					\
	PF_SKIP(SWAPCACHE, swapcache)				\
	PF_SKIP(FRESH, fresh)					\
	PF_SKIP(BUSY, busy)					\
	PF_SKIP(CHANGED, changed)				\
	PF_SKIP(HUGE_SPARSE, huge_sparse)			\
	PF_SKIP(NOMEM, nomem)

#define PF_STAT_EVENT(name, file)	PF_STAT_##name,
#define PF_STAT_SKIP(name, file)	PF_SKIP_##name,

enum pf_stat {
	PF_EVENTS(PF_STAT_EVENT)
	PF_NR_EVENTS,
	PF_SKIP_FIRST = PF_NR_EVENTS,
	PF_SKIP_NONE = PF_SKIP_FIRST,	/* a page that may be folded; not counted */
	PF_SKIPS(PF_STAT_SKIP)
	PF_NR_STATS,
};

/* Hold times of the mmap lock: below 16 us, below 32 us, ... below 524288 us, longer. */
#define PF_HOLD_FIRST_SHIFT	4
#define PF_HOLD_LAST_SHIFT	19
#define PF_NR_HOLDS		(PF_HOLD_LAST_SHIFT - PF_HOLD_FIRST_SHIFT + 2)

/**
 * struct pf_stats - counters of one VM, or of a turn
 * @count: by enum pf_stat
 */
struct pf_stats {
	u64 count[PF_NR_STATS];
};

/**
 * struct pf_totals - counters of the module since it was loaded
 * @count: by enum pf_stat
 * @hold: histogram of mmap lock hold times
 * @hold_max_ns: the longest
 * @folded_pages: gauge: pages of VMs that map frames now
 * @zero_pages: gauge: pages of VMs that map the kernel's zero page since they were folded
 * @regions: gauge: region records
 * @passes: times that every VM completed a pass
 * @cpu_ns: CPU time of the scan threads
 */
struct pf_totals {
	atomic64_t count[PF_NR_STATS];
	atomic64_t hold[PF_NR_HOLDS];
	atomic64_t hold_max_ns;
	atomic64_t folded_pages;
	atomic64_t zero_pages;
	atomic64_t regions;
	atomic64_t passes;
	atomic64_t cpu_ns;
};

extern struct pf_totals pf_totals;

void pf_stats_flush(struct pf_stats *turn, struct pf_stats *vm);
void pf_hold_account(u64 ns);

#endif /* PF_STATS_H */
