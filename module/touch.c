// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask whether a guest touches pages, without changing the host's page table: mechanism alone.
 *
 * What a guest touches is not seen in the host's page table but in KVM's second-level one, and
 * nothing exported reads that. But KVM drops its mappings whenever MMU notifiers fire, and when the
 * guest needs one again it marks the page accessed as it puts it back. migrate_vma_setup() fires
 * them and does no more when it is asked for device memory where there is none:
 *
 *	arm	fire the notifiers, clear the page's mark
 *	...	the guest runs
 *	look	is the mark set? pf_touch_seen()
 *
 * What this sees is the guest's own touches. Those by the VMM go through the host's page table and
 * need no second-level mapping. A process without KVM is never seen to touch anything.
 *
 * There is one mark for a page. Who arms a page that somebody else has armed takes from him what
 * was seen so far: he sees touches from the later arming on.
 *
 * The marks are the core's and serve its reclaim too, so under memory pressure some are cleared
 * before we look. That makes a page look idle that reclaim takes for idle as well.
 */
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pagemap.h>

#include "mmlock.h"
#include "touch.h"

/* Owner of no device memory: only its address counts. */
static char pf_touch_owner;

/* The huge page that maps the range, or NULL. It maps all of the region then. */
static struct folio *pf_touch_huge(const struct pf_touch *touch)
{
	unsigned int i;

	for (i = 0; i < touch->snap->nr; i++)
		if (pf_snapshot_huge(touch->snap, i))
			return page_folio(pf_snapshot_page(touch->snap, i));
	return NULL;
}

/* Have KVM drop what it maps of the range, or of the huge page around it. */
static int pf_touch_fire(struct pf_touch *touch, struct vm_area_struct *vma, bool huge)
{
	struct migrate_vma migrate = {
		.vma = vma,
		.src = touch->src,
		.dst = touch->dst,
		.start = touch->snap->start,
		.end = touch->snap->start + touch->snap->nr * PAGE_SIZE,
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.pgmap_owner = &pf_touch_owner,
	};

	/* KVM may map parts of a huge page alone: on shadow paging it maps as its guest does. */
	if (huge) {
		migrate.start &= PF_REGION_MASK;
		migrate.end = migrate.start + PF_REGION_SIZE;
	}
	if (migrate_vma_setup(&migrate))
		return -EINVAL;
	/* Empty entries count as pages that may migrate: let go of them. */
	migrate_vma_pages(&migrate);
	migrate_vma_finalize(&migrate);
	return 0;
}

static void pf_touch_clear(struct pf_touch *touch)
{
	unsigned int i;

	for (i = 0; i < touch->nr; i++)
		folio_clear_referenced(touch->folio[i]);
}

static void pf_touch_note(struct pf_touch *touch)
{
	unsigned int i;

	bitmap_zero(touch->active, PF_REGION_PAGES);
	for (i = 0; i < touch->nr; i++)
		if (folio_test_active(touch->folio[i]))
			__set_bit(i, touch->active);
}

/*
 * No touch may fall between dropping and clearing: it would leave a mapping without a mark, and the
 * page would look idle however often it is touched. So drop, clear, and drop once more.
 *
 * Up to 6.12 a dropped mapping that was used marks the page as well. A second mark would move the
 * page to the active list, at some later time; clearing first makes it the only one.
 */
static int pf_touch_arm_locked(struct pf_touch *touch, struct vm_area_struct *vma, bool huge)
{
	int err;

	pf_touch_clear(touch);
	err = pf_touch_fire(touch, vma, huge);
	if (err)
		return err;
	pf_touch_clear(touch);
	pf_touch_note(touch);
	return pf_touch_fire(touch, vma, huge);
}

/*
 * With the mmap lock held for reading. The core tries to split a huge page that it meets, and fails
 * before it has changed anything, because the caller holds a reference that it does not know of. To
 * lock the page instead would stop it too, but up to 6.12 at least it forgets to put its own
 * reference when its trylock fails: the page could never be split or freed again. For the same
 * reason a page that somebody else has locked is left for another time.
 *
 * Of a range without a huge page, khugepaged makes none while the mmap lock is held.
 */
static int pf_touch_locked(struct pf_touch *touch, bool arm)
{
	struct pf_snapshot *snap = touch->snap;
	struct folio *huge = pf_touch_huge(touch);
	struct vm_area_struct *vma;

	if ((huge && folio_test_locked(huge)) || !pf_snapshot_valid(snap))
		return -EAGAIN;
	vma = find_vma(touch->mm, snap->start);
	if (!vma || vma->vm_start > snap->start || !vma_is_anonymous(vma) ||
	    vma->vm_end < snap->start + snap->nr * PAGE_SIZE)
		return -EINVAL;
	if (arm)
		return pf_touch_arm_locked(touch, vma, huge);
	return pf_touch_fire(touch, vma, huge);
}

static int pf_touch_act(struct pf_touch *touch, bool arm)
{
	int err;

	if (!touch->nr)
		return 0;
	err = pf_mm_read_soon(touch->mm);
	if (err)
		return err;
	err = pf_touch_locked(touch, arm);
	mmap_read_unlock(touch->mm);
	return err;
}

/**
 * pf_touch_arm() - from now on see what the guest touches of a range
 * @touch: the range; sets @active
 *
 * Drops the second-level mappings of the whole range, and of all of the huge page if one maps it.
 * The next touch of each page costs the guest a fault that finds the page in place. The host's page
 * table stays as it is and no huge page is split, but for one race: a VMM that drops the range with
 * madvise() and faults a new huge page in within these microseconds may see that one split.
 *
 * The snapshot is out of date afterwards: firing the notifiers is what makes it so.
 *
 * Context: takes the mmap lock for reading; the caller holds a reference on each folio, but no lock
 * of one and not the mmap lock; may sleep.
 * Return: 0; -EAGAIN when the range changed or the huge page is locked just now, and nothing was
 * dropped; -EBUSY when the mmap lock is not to be had; -EINVAL when the mapping is of another kind.
 */
int pf_touch_arm(struct pf_touch *touch)
{
	return pf_touch_act(touch, true);
}

/**
 * pf_touch_drop() - bring touches to light that came without a fault
 * @touch: a range that looks untouched; @active is left alone
 *
 * On shadow paging KVM maps neighbours of what its guest touches without marking them, and up to
 * 6.12 marks those that were used when their mapping goes. So before a page is said to be idle its
 * mapping is dropped, and looked at again.
 *
 * Context: as pf_touch_arm().
 * Return: as pf_touch_arm().
 */
int pf_touch_drop(struct pf_touch *touch)
{
	return pf_touch_act(touch, false);
}
