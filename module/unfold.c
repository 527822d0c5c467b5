// SPDX-License-Identifier: GPL-2.0-only
/*
 * Give a VM private copies of its folded pages again.
 *
 * The core does the copying, by a fault that asks for a page of the mapping's own: it works on
 * read-only mappings too, charges the VM, and changes no permission. No table is changed here.
 *
 * What must be found are all frames that the address space maps, also those whose mapping may not
 * be read any more, or that mremap() carries from before the walk to behind it. So the walk is
 * repeated until one finds nothing, and nothing that it had yet to see has been moved meanwhile.
 *
 * Zero pages stay as they are: they are shared with nobody.
 */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/page_counter.h>
#include <linux/sched/signal.h>

#include "breaks.h"
#include "fault.h"
#include "mmlock.h"
#include "reserve.h"
#include "snapshot.h"
#include "store.h"
#include "unfold.h"

/* A fault may end early (a NUMA hint in the way, a lost race); more often than this it does not. */
#define PF_UNFOLD_TRIES		8
/* A look may be spoiled again and again by who asks what was accessed, as our own sampling does. */
#define PF_UNFOLD_LOOKS		1000
/* As often the address space is walked; only who moves memory all the time gets there. */
#define PF_UNFOLD_WALKS		64

/*
 * Copies after which it is asked again whether there is memory: far fewer than what is left then.
 */
#define PF_UNFOLD_COPIES	64

/* How many want the unfolding that a write of run began to end. */
static atomic_t pf_unfold_cancels = ATOMIC_INIT(0);

/**
 * pf_unfold_cancel_begin() - have whoever unfolds all VMs give up soon
 *
 * Until as many calls of pf_unfold_cancel_end(). Unfolding of one VM goes on.
 */
void pf_unfold_cancel_begin(void)
{
	atomic_inc(&pf_unfold_cancels);
}

/**
 * pf_unfold_cancel_end() - all VMs may be unfolded again
 */
void pf_unfold_cancel_end(void)
{
	atomic_dec(&pf_unfold_cancels);
}

#ifdef CONFIG_MEMCG
/*
 * Is there room in the VM's memory cgroup? Copies are charged to it, frames are not. What the group
 * could reclaim for them does not count: who asks for too much there is killed.
 */
static bool pf_unfold_has_room(struct mm_struct *mm)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(mm), *up;
	bool room = true;

	for (up = memcg; up && room; up = parent_mem_cgroup(up))
		room = page_counter_read(&up->memory) + PF_REGION_PAGES <=
		       READ_ONCE(up->memory.max);
	mem_cgroup_put(memcg);
	return room;
}
#else
static bool pf_unfold_has_room(struct mm_struct *mm)
{
	return true;
}
#endif

static bool pf_unfold_has_memory(struct mm_struct *mm)
{
	return pf_reserve_allows(0) && pf_unfold_has_room(mm);
}

/* Who registers a VM has as a rule nothing to unfold, and a shell's children end at any moment. */
static bool pf_unfold_interrupted(const struct pf_unfold *unfold)
{
	bool told = unfold->spare ? fatal_signal_pending(current) : signal_pending(current);

	return told || pf_mm_exiting() ||
	       (unfold->all && atomic_read(&pf_unfold_cancels));
}

/* The process is gone, and its memory only waits for us to let go of it. */
static bool pf_unfold_orphaned(struct mm_struct *mm)
{
	return atomic_read(&mm->mm_users) == 1;
}

/**
 * pf_unfold_page() - let an address have a page of its own
 * @mm: whose address; the caller holds a reference on its users
 * @addr: of a page that is folded
 *
 * Context: takes the mmap lock for reading; may sleep.
 * Return: 0, also when the mapping is gone; -ENOMEM; -EBUSY when the core refuses; -EINTR.
 */
int pf_unfold_page(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;
	vm_fault_t fault = 0;

	if (pf_fault(PF_FAULT_UNFOLD))
		return -ENOMEM;
	if (pf_mm_read_lock(mm))
		return -EINTR;
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr && vma_is_anonymous(vma))
		fault = handle_mm_fault(vma, addr, PF_FAULT_UNSHARE | FAULT_FLAG_REMOTE, NULL);
	mmap_read_unlock(mm);
	if (fault & VM_FAULT_OOM)
		return -ENOMEM;
	return fault & VM_FAULT_ERROR ? -EBUSY : 0;
}

/**
 * pf_unfold_copy() - as pf_unfold_page(), if there is memory for it
 * @mm: whose address; the caller holds a reference on its users
 * @addr: of a page that is folded
 *
 * Context: takes the mmap lock for reading; may sleep.
 * Return: as pf_unfold_page(); -ENOMEM also where a copy would bring the VM's cgroup or the host
 * near its limit.
 */
int pf_unfold_copy(struct mm_struct *mm, unsigned long addr)
{
	return pf_unfold_has_memory(mm) ? pf_unfold_page(mm, addr) : -ENOMEM;
}

/* The same, for one page of many. */
static int pf_unfold_next_copy(struct pf_unfold *unfold, unsigned long addr)
{
	if (!unfold->copies) {
		if (!pf_unfold_has_memory(unfold->mm))
			return -ENOMEM;
		unfold->copies = PF_UNFOLD_COPIES;
	}
	unfold->copies--;
	return pf_unfold_page(unfold->mm, addr);
}

/* Is this one to be unfolded? Frames of an earlier load of the module belong to nobody's domain. */
static bool pf_unfold_wants(const struct pf_unfold *unfold, struct page *page)
{
	return pf_page_is_foreign(page) &&
	       !(unfold->spare && pf_store_owns_for(page, unfold->spare));
}

/*
 * Pages of mappings that may not be read (PROT_NONE) do not show in a snapshot. Look at one through
 * a forced get, which faults nothing in either. Returns 1 if it was folded, 0 if not, or an error.
 */
static int pf_unfold_hidden(struct pf_unfold *unfold, unsigned long addr)
{
	struct mm_struct *mm = unfold->mm;
	struct page *page;
	bool wanted;
	long got;

	if (pf_mm_read_lock(mm))
		return -EINTR;
	got = pf_get_user_pages_remote(mm, addr, 1, FOLL_FORCE | FOLL_NOFAULT | FOLL_GET, &page);
	mmap_read_unlock(mm);
	if (got != 1)
		return 0;
	wanted = pf_unfold_wants(unfold, page);
	unfold->found |= wanted;
	put_page(page);
	return wanted ? pf_unfold_next_copy(unfold, addr) ?: 1 : 0;
}

/* As pf_unfold_hidden(), with what the snapshot says of the page. */
static int pf_unfold_seen(struct pf_unfold *unfold, unsigned int i)
{
	const struct pf_snapshot *snap = unfold->snap;
	unsigned long addr = snap->start + i * PAGE_SIZE;
	struct page *page = pf_snapshot_page(snap, i);

	/* Not to be read: the snapshot does not say what is there. */
	if (!page && !pf_snapshot_empty(snap, i))
		return pf_unfold_hidden(unfold, addr);
	if (!page || !pf_unfold_wants(unfold, page))
		return 0;
	unfold->found = true;
	return pf_unfold_next_copy(unfold, addr) ?: 1;
}

/* One round over a range: how many pages were found folded, or an error. */
static int pf_unfold_range_once(struct pf_unfold *unfold, unsigned long start, unsigned int nr)
{
	int err, found = 0;
	unsigned int i;

	err = pf_snapshot_take(unfold->snap, unfold->mm, start, nr);
	if (err)
		return err;
	pf_snapshot_done(unfold->snap);
	for (i = 0; i < nr; i++) {
		err = pf_unfold_seen(unfold, i);
		if (err < 0)
			return err;
		found += err;
		unfold->reached = max(unfold->reached, start + (i + 1) * PAGE_SIZE);
	}
	return found;
}

/* Unfold a range: how many pages, or an error. */
static int pf_unfold_range(struct pf_unfold *unfold, unsigned long start, unsigned int nr)
{
	int look, try = 0, found, first = 0;

	for (look = 0; look < PF_UNFOLD_LOOKS && try < PF_UNFOLD_TRIES; look++) {
		if (pf_unfold_interrupted(unfold))
			return -EINTR;
		found = pf_unfold_range_once(unfold, start, nr);
		if (found == -EAGAIN) {
			pf_break();
			continue;
		}
		if (found <= 0)
			return found ?: first;
		first = first ?: found;
		try++;
	}
	return -EBUSY;
}

/*
 * The next range of @mm at or above *@addr that can hold folded pages, at most one region: its
 * pages, 0 behind the last, or an error.
 */
static int pf_unfold_next(struct mm_struct *mm, unsigned long *addr)
{
	struct vm_area_struct *vma;
	unsigned long end = 0;

	if (pf_mm_read_lock(mm))
		return -EINTR;
	while ((vma = find_vma(mm, *addr))) {
		if (vma_is_anonymous(vma) && vma->anon_vma)
			break;
		*addr = vma->vm_end;
	}
	if (vma) {
		*addr = max(*addr, vma->vm_start);
		end = min(vma->vm_end, (*addr & PF_REGION_MASK) + PF_REGION_SIZE);
	}
	mmap_read_unlock(mm);
	return vma ? (end - *addr) >> PAGE_SHIFT : 0;
}

/**
 * pf_unfold_moved() - pages are about to leave a range of an address space
 * @moves: of the address space
 * @end: of the range
 *
 * What lies below the walk is unfolded, so it may go anywhere.
 *
 * Context: the mmap lock is held for writing if the pages move to another range.
 */
void pf_unfold_moved(struct pf_moves *moves, unsigned long end)
{
	if (end > READ_ONCE(moves->walk))
		atomic_inc(&moves->nr);
}

/*
 * Go once through the address space: 1 if anything was unfolded or may have been missed, 0 if not,
 * or an error.
 *
 * The walk takes the mmap lock before it looks at the first page: a move that began before has
 * ended then, and one that begins after it is counted.
 */
static int pf_unfold_walk(struct pf_unfold *unfold)
{
	struct mm_struct *mm = unfold->mm;
	struct pf_moves *moves = unfold->moves;
	unsigned long addr = 0;
	bool any = false;
	int nr = 0, found, before;

	WRITE_ONCE(moves->walk, 0);
	before = atomic_read(&moves->nr);
	while (!pf_unfold_orphaned(mm) && (nr = pf_unfold_next(mm, &addr)) > 0) {
		found = pf_unfold_range(unfold, addr, nr);
		/* Who never had a frame of another domain need not stand still to be registered. */
		if (found == -EBUSY && unfold->spare && !unfold->found)
			found = 0;
		if (found < 0)
			return found;
		unfold->pages += found;
		any |= found;
		addr += nr * PAGE_SIZE;
		WRITE_ONCE(moves->walk, addr);
		pf_break();
	}
	if (nr < 0)
		return nr;
	if (unfold->spare && !unfold->found)
		return 0;
	return any || atomic_read(&moves->nr) != before;
}

/**
 * pf_unfold_mm() - unfold everything of an address space
 * @unfold: whose pages, and for whom; counts the pages
 *
 * Context: takes the mmap lock for reading; sleeps.
 * Return: 0 when nothing is folded any more; -EINTR when a signal came or it was cancelled; -ENOMEM
 * when memory is short, on the host or in the VM's memory cgroup (what is unfolded stays so, and
 * asking again goes on); -EBUSY when a page could not be copied, or memory was moved all the time.
 */
int pf_unfold_mm(struct pf_unfold *unfold)
{
	int walks, more = 1;

	for (walks = 0; walks < PF_UNFOLD_WALKS && more > 0; walks++)
		more = pf_unfold_walk(unfold);
	WRITE_ONCE(unfold->moves->walk, ULONG_MAX);
	if (!more)
		unfold->reached = ULONG_MAX;
	return more > 0 ? -EBUSY : more;
}
