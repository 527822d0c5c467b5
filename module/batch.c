// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cut the pages of a range that are to be folded into batches, each short enough for its lock.
 *
 * While a batch is folded the VM's other faults wait, so the time it may take is a promise. It is
 * kept by measuring: a moving average of what a page costs here says how many fit.
 */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "breaks.h"
#include "region.h"
#include "scan.h"
#include "trace.h"

/*
 * Pages in between that need no folding are taken along if there are no more of them than this: to
 * pass over one costs a hundredth of another round of locks and flushes. Only pages that could be
 * folded: others may make the core wait, see pf_fold_drain(). Of a peer's that is not known, and as
 * nobody holds them they could not be spared either: none are taken along.
 */
#define PF_BATCH_GAP	16

/*
 * The VM's faults wait for a batch, and who wants this CPU as well unless the kernel is one that
 * preempts its own code.
 */
static unsigned int pf_batch_max(const struct pf_worker *worker)
{
	unsigned int us = READ_ONCE(pf_knobs.hold_max_us);

	if (pf_break_is_due_soon())
		us = min(us, READ_ONCE(pf_knobs.busy_hold_max_us));
	return clamp_t(u64, div64_u64((u64)us * NSEC_PER_USEC, worker->ns_per_page + 1), 1,
		       PF_FOLD_MAX);
}

/*
 * Length of the batch that begins with the page at @target, of up to @nr pages; @page as in
 * pf_batch_fold().
 */
static unsigned int pf_batch_length(const struct pf_worker *worker, struct page **target,
				    struct page **page, unsigned int nr)
{
	unsigned int left = pf_batch_max(worker) - 1, i, last = 0;

	nr = min_t(unsigned int, nr, PF_FOLD_MAX);
	for (i = 1; i < nr && left && i - last <= PF_BATCH_GAP + 1; i++) {
		if (target[i]) {
			last = i;
			left--;
		} else if (!page || !page[i]) {
			break;
		}
	}
	return last + 1;
}

/*
 * Note what became of each page of a batch, and let go of the frames. Returns how many were folded.
 */
static unsigned int pf_batch_account(struct pf_worker *worker, struct pf_vm *vm,
				     struct pf_stats *turn)
{
	struct pf_fold *fold = &worker->fold;
	unsigned int i, targets = 0, skipped = 0;
	u64 frames = 0, zeros = 0, ns;

	for (i = 0; i < fold->nr; i++) {
		enum pf_stat result = fold->result[i];

		if (!fold->target[i])
			continue;
		turn->count[result]++;
		frames |= (u64)(result == PF_STAT_FOLDS) << i;
		zeros |= (u64)(result == PF_STAT_ZERO_FOLDS) << i;
		skipped += result >= PF_SKIP_FIRST;
		targets++;
		if (fold->target[i] != PF_TARGET_ZERO)
			put_page(fold->target[i]);
		fold->target[i] = NULL;
	}
	pf_region_folded(vm, fold->start, frames, zeros);
	if (skipped)
		pf_region_wake(vm, fold->start);
	ns = div_u64(fold->hold_ns, targets);
	/*
	 * What was refused at once took no time, and to split a huge page, or to wait for others,
	 * takes a lot: that says nothing of what folding takes.
	 */
	if (fold->tried && !fold->splits && !fold->away)
		worker->ns_per_page = (worker->ns_per_page * 7 + ns) / 8;
	trace_pagefold_fold(vm->pid, hweight64(frames), hweight64(zeros), skipped, fold->hold_ns);
	return hweight64(frames) + hweight64(zeros);
}

/**
 * pf_batch_fold() - fold the pages of a range that have a target
 * @worker: who does it
 * @vm: whose pages; the caller holds its turn_lock and a reference on its users
 * @start: address of the first page
 * @nr: pages in the range, at most a region's
 * @target: for each page what to fold it with, or NULL; all NULL afterwards, the references put
 * @page: for each page of the worker's range whether it could be folded (not NULL); NULL if that is
 *	  not known
 * @turn: counts what becomes of the pages
 *
 * Context: takes the mmap lock for writing, several times; sleeps.
 */
void pf_batch_fold(struct pf_worker *worker, struct pf_vm *vm, unsigned long start, unsigned int nr,
		   struct page **target, struct page **page, struct pf_stats *turn)
{
	struct pf_fold *fold = &worker->fold;
	unsigned int i = 0, folded = 0;

	fold->split = false;
	while (i < nr) {
		if (!target[i]) {
			i++;
			continue;
		}
		fold->mm = vm->watch.mm;
		fold->policy = READ_ONCE(vm->policy);
		fold->start = start + i * PAGE_SIZE;
		fold->nr = pf_batch_length(worker, target + i, page ? page + i : NULL, nr - i);
		fold->target = target + i;
		fold->spare = page ? worker->spare + i : NULL;
		pf_fold_pages(fold);
		folded += pf_batch_account(worker, vm, turn);
		i += fold->nr;
		pf_break();
	}
	if (fold->split && folded) {
		turn->count[PF_STAT_HUGE_SPLITS]++;
		trace_pagefold_huge_split(vm->pid, folded);
	}
}
