/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of a VM's memory, region by region: what is folded, and when to look again. */
#ifndef PF_REGION_H
#define PF_REGION_H

#include <linux/xarray.h>

#include "patience.h"
#include "snapshot.h"
#include "stats.h"

/**
 * struct pf_region - what the scan knows of a region
 * @frame: pages that mapped a frame when last seen
 * @zero: pages that were folded with the kernel's zero page, and mapped it when last seen
 * @pass: the VM's pass in which it was last visited
 * @seen: pages below this one have been looked at in that pass
 * @comebacks: how often it was a huge page again after it had been split, up to PF_COMEBACKS_MAX
 * @mapped: pages that were there when last seen
 * @gen: pf_hints_gen when hints for all of it were last left
 * @patience: when to look again
 * @doubt: looks for which keys are not trusted, because pages turned out not to equal their frames
 */
struct pf_region {
	DECLARE_BITMAP(frame, PF_REGION_PAGES);
	DECLARE_BITMAP(zero, PF_REGION_PAGES);
	u32 pass;
	u16 seen;
	u16 comebacks;
	u16 mapped;
	u16 gen;
	struct pf_patience patience;
	u8 doubt;
};

/* Looks for which a region is doubted. */
#define PF_DOUBT_LOOKS		8

/* Each one doubles what a huge page must hold to be split again. */
#define PF_COMEBACKS_MAX	9

struct pf_vm;

/* More than so many regions are not told apart: all of them are looked at. */
#define PF_MISSED_MAX		15

/**
 * struct pf_missed - regions that have something to fold, found by whoever could not do it
 * @lock: protects the others; innermost
 * @nr: how many, PF_MISSED_MAX + 1 for too many
 * @index: which
 */
struct pf_missed {
	spinlock_t lock;		/* innermost */
	unsigned int nr;
	unsigned long index[PF_MISSED_MAX];
};

/**
 * struct pf_settle - what looking at a range brought
 * @pages: how many of its pages could be folded
 * @news: how many of these were not so before
 * @restless: some were folded, or could not be and may be in the next pass
 * @gen: pf_hints_gen when the look began
 * @most: passes that a region may rest at most
 */
struct pf_settle {
	unsigned int pages;
	unsigned int news;
	bool restless;
	u16 gen;
	unsigned int most;
};

void pf_region_visit(struct pf_vm *vm, const struct pf_snapshot *snap, struct pf_stats *turn);
bool pf_region_doubt(struct pf_vm *vm, unsigned long addr);
void pf_region_set_doubt(struct pf_vm *vm, unsigned long addr, bool doubt);
unsigned int pf_region_rests(struct pf_vm *vm, unsigned long start, unsigned int most);
void pf_region_settle(struct pf_vm *vm, const struct pf_snapshot *snap,
		      const struct pf_settle *settle);
unsigned int pf_region_comebacks(struct pf_vm *vm, unsigned long addr);
void pf_region_keep(struct pf_vm *vm, unsigned long start, unsigned long end);
void pf_region_folded(struct pf_vm *vm, unsigned long start, u64 frames, u64 zeros);
void pf_region_unfolded(struct pf_vm *vm, unsigned long end);
void pf_region_miss(struct pf_vm *vm, unsigned long addr);
void pf_region_wake_missed(struct pf_vm *vm);
void pf_region_wake(struct pf_vm *vm, unsigned long addr);
void pf_region_wake_all(struct pf_vm *vm);
void pf_region_end_pass(struct pf_vm *vm);
void pf_region_free_all(struct pf_vm *vm);

#endif /* PF_REGION_H */
