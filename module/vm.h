/* SPDX-License-Identifier: GPL-2.0-only */
/* A registered VM: a host process whose anonymous memory is a guest's RAM. */
#ifndef PF_VM_H
#define PF_VM_H

#include <linux/kobject.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "config.h"
#include "eligible.h"
#include "region.h"
#include "stats.h"
#include "target.h"
#include "turn.h"
#include "unfold.h"
#include "wss.h"

struct pf_domain;

/**
 * struct pf_vm - a registered VM
 * @watch: holds the mm (not its users), and tells when they are gone
 * @kobj: its directory in sysfs; its references keep the VM
 * @node: in the list of VMs; pf_vms_lock
 * @turn: in the queue of VMs; pf_turns_lock
 * @turn_lock: one scan or unfolding at a time; protects what has no other lock named
 * @domain: who it may share with; changes under turn_lock and name_lock
 * @domain_id: number of the domain
 * @policy: which memory may be folded
 * @cursor: address where the next turn goes on
 * @pass_begin_ns: when this pass began
 * @pass_ranges: ranges that this pass found to scan
 * @pass_no: number of this pass
 * @drain_pass: from this pass on fresh pages may be brought to the LRU
 * @drains: how often that may be done in this pass
 * @awake: every region is looked at once more; set by anybody, taken when a turn begins
 * @regions: struct pf_region by address in regions
 * @missed: regions that are looked at once more
 * @wss: its working set
 * @target: how much memory it should use
 * @stats: counters
 * @folded_pages: gauge, pages mapped to frames
 * @zero_pages: gauge, pages that map the kernel's zero page
 * @eligible_pages: pages of mappings that may be folded, of the last pass
 * @eligible_now: the same, of this pass so far
 * @scanned_now: pages scanned in this pass so far
 * @scanned_last: the same of the pass before
 * @passes: complete passes
 * @cpu_ns: CPU time of its turns
 * @round: the round in which it last completed a pass; pf_turns_lock
 * @hint_pages: pages that the hint table is sized for on its behalf; pf_turns_lock
 * @index: its number in hints, never changes
 * @pid: never changes
 * @moves: of its memory while it is unfolded
 * @dead: the process is gone
 * @removed: no longer registered: must not be folded any more
 * @unwanted: to be removed when no turn of it is under way; pf_vms_lock
 * @name: for people; name_lock
 * @name_lock: protects the name, and the pointer to the domain against readers
 */
struct pf_vm {
	struct mmu_notifier watch;
	struct kobject kobj;
	struct list_head node;
	struct pf_turn turn;
	struct mutex turn_lock;		/* outside the mmap lock */
	struct pf_domain *domain;
	u32 domain_id;
	enum pf_policy policy;
	unsigned long cursor;
	u64 pass_begin_ns;
	unsigned long pass_ranges;
	u32 pass_no;
	u32 drain_pass;
	unsigned int drains;
	bool awake;
	bool removed;
	bool unwanted;
	struct xarray regions;
	struct pf_missed missed;
	struct pf_wss wss;
	struct pf_target target;
	struct pf_stats stats;
	u64 folded_pages;
	u64 zero_pages;
	u64 eligible_pages;
	u64 eligible_now;
	u64 scanned_now;
	u64 scanned_last;
	u64 passes;
	u64 cpu_ns;
	u64 round;
	u64 hint_pages;
	u32 index;
	pid_t pid;
	struct pf_moves moves;
	bool dead;
	char name[PF_NAME_MAX];
	spinlock_t name_lock;		/* innermost */
};

#define pf_vm_of_kobj(k) container_of(k, struct pf_vm, kobj)

int pf_vm_init(struct kobject *parent);
void pf_vm_exit(void);

int pf_vm_add(const struct pf_vm_config *config);
int pf_vm_del(pid_t pid, bool unfold);
struct pf_vm *pf_vm_find(u32 index);
struct pf_vm *pf_vm_next(u32 index);
void pf_vm_get(struct pf_vm *vm);
void pf_vm_put(struct pf_vm *vm);
void pf_vm_release(struct kobject *kobj);
unsigned int pf_vm_count(void);

bool pf_vm_get_users(struct pf_vm *vm);
void pf_vm_put_users(struct pf_vm *vm);
unsigned long pf_vm_resident_pages(struct pf_vm *vm);

int pf_vm_set_domain(struct pf_vm *vm, const char *name);
int pf_vm_unfold(struct pf_vm *vm);
int pf_vm_unfold_all(void);

extern const struct kobj_type pf_vm_ktype;

#endif /* PF_VM_H */
