/* SPDX-License-Identifier: GPL-2.0-only */
/* The scan: threads, turns, passes. */
#ifndef PF_SCAN_H
#define PF_SCAN_H

#include <linux/completion.h>

#include "cadence.h"
#include "fold.h"
#include "frame.h"
#include "hint.h"
#include "snapshot.h"
#include "vm.h"

#define PF_THREADS_MAX	16

/**
 * struct pf_knobs - what users may set, read without locks
 * @cpu_percent: of one CPU for each thread, or PF_CPU_PERCENT_AUTO
 * @pass_interval_ms: from the beginning of one pass of a VM to the next
 * @huge_pages: pages of a huge page that must be foldable for it to be split
 * @rest_passes: passes that a region may be left alone at most
 * @hold_max_us: for how long a batch may hold an mmap lock
 * @busy_hold_max_us: the same while others keep asking for the CPU
 * @fold_zero: fold zero pages with the kernel's own; otherwise they stay as they are
 * @fold_all: fold each page with itself, again and again; debug build only
 */
struct pf_knobs {
	unsigned int cpu_percent;
	unsigned int pass_interval_ms;
	unsigned int huge_pages;
	unsigned int rest_passes;
	unsigned int hold_max_us;
	unsigned int busy_hold_max_us;
	bool fold_zero;
	bool fold_all;
};

extern struct pf_knobs pf_knobs;

/**
 * struct pf_pair - a page and the place of another that may equal it
 * @place: where the other one was seen
 * @frame: what both are to be folded with, with a reference; or NULL
 * @i: the page's index in the range
 * @node: NUMA node of the other one
 * @equal: they were equal when compared
 * @stale: the hint is out of date, not merely one of another content that looks alike
 * @huge: the other one belongs to a huge page
 */
struct pf_pair {
	struct pf_place place;
	struct page *frame;
	u16 i;
	s16 node;
	bool equal;
	bool stale;
	bool huge;
};

/* Most pages meet one hint at the most; those beyond this meet theirs in the next pass. */
#define PF_PAIRS_MAX	(2 * PF_REGION_PAGES)

/**
 * struct pf_worker - a scan thread and its room to work in
 * @task: the thread
 * @ready: a signal that is sent to it arrives
 * @cadence: its budget
 * @percent: what the budget was made for
 * @cpu_ns: CPU time that it has accounted for
 * @ns_per_page: how long folding a page holds the mmap lock, a moving average
 * @turn: counts of this turn
 * @snap: the range of this turn
 * @page: pages of the range that may be folded; NULL for others
 * @spare: of these, those that are held while others of the range are folded
 * @held: the folios behind them that a reference is held on
 * @nr_held: how many
 * @huge: the range is mapped by a huge page
 * @target: what each page is to be folded with, a reference on each frame
 * @key: what the hints of each page are looked up by
 * @news: pages of the range that were not so when it was looked at before
 * @foreign: pages of the range that are frames of another domain
 * @trust: pages of the range that have the key of a frame are taken for equal until they are folded
 * @wary: they are not, whatever the range looks like
 * @doubt: for so many more ranges, because pages turned out not to equal their frames
 * @framed: pages of the range that are frames whose hints are to be left again
 * @pair: pages that met a hint
 * @paired: pages of the range of which an equal one was found
 * @nr_pairs: how many
 * @compared: places that were compared to sort them
 * @peer_snap: a range that hints led to
 * @peer_target: as @target, for a region of a peer
 * @peer_turn: counts for a peer
 * @fold: the batch under way
 */
struct pf_worker {
	struct task_struct *task;
	struct completion ready;
	struct pf_cadence cadence;
	unsigned int percent;
	u64 cpu_ns;
	u64 ns_per_page;
	struct pf_stats turn;
	struct pf_snapshot snap;
	struct page *page[PF_REGION_PAGES];
	struct page *spare[PF_REGION_PAGES];
	struct folio *held[PF_REGION_PAGES];
	unsigned int nr_held;
	bool huge;
	struct page *target[PF_REGION_PAGES];
	u64 key[PF_REGION_PAGES];
	unsigned int news;
	unsigned int foreign;
	bool trust;
	bool wary;
	unsigned int doubt;
	DECLARE_BITMAP(framed, PF_REGION_PAGES);
	struct pf_pair pair[PF_PAIRS_MAX];
	DECLARE_BITMAP(paired, PF_REGION_PAGES);
	unsigned int nr_pairs;
	unsigned int compared;
	struct pf_snapshot peer_snap;
	struct page *peer_target[PF_REGION_PAGES];
	struct pf_stats peer_turn;
	struct pf_fold fold;
};

/* Ranges for which keys are not trusted. */
#define PF_DOUBT_RANGES	64

extern struct pf_hint_table pf_hints;
/* A region that was last looked at under another number does not rest: its hints may be lost. */
extern u16 pf_hints_gen;

void pf_scan_add(struct pf_vm *vm);
void pf_scan_del(struct pf_vm *vm);
void pf_scan_kick(void);
void pf_scan_look_anew(void);
void pf_scan_wake_vms(void);
int pf_scan_start(unsigned int threads);
void pf_scan_stop(void);
void pf_scan_exit(void);
unsigned int pf_scan_percent_now(void);
size_t pf_scan_bytes(void);
void pf_scan_set_share(struct pf_vm *vm, u32 share);
void pf_scan_heed_target(struct pf_vm *vm);

void pf_range_scan(struct pf_worker *worker, struct pf_vm *vm, unsigned long start,
		   unsigned int nr);
struct page *pf_range_find_frame(struct pf_worker *worker, struct pf_vm *vm, unsigned int i);
void pf_hint_frame(u64 key, struct page *frame);
void pf_hints_break(void);
unsigned int pf_range_threshold(struct pf_vm *vm, unsigned long start);
struct pf_place pf_range_place(struct pf_worker *worker, struct pf_vm *vm, unsigned int i);
u64 pf_range_key(struct pf_vm *vm, struct page *page);

void pf_batch_fold(struct pf_worker *worker, struct pf_vm *vm, unsigned long start, unsigned int nr,
		   struct page **target, struct page **page, struct pf_stats *turn);

unsigned int pf_pair_compare(struct pf_worker *worker, struct pf_vm *vm);
void pf_pair_make_frames(struct pf_worker *worker, struct pf_vm *vm);
void pf_pair_fold(struct pf_worker *worker, struct pf_vm *vm);

#endif /* PF_SCAN_H */
