// SPDX-License-Identifier: GPL-2.0-only
/*
 * A registered VM: a host process whose anonymous memory is a guest's RAM.
 *
 * Registering pins nothing: an MMU notifier holds the mm structure, not its users, and says when
 * the address space goes, be it by exit, exec or a kill. The entry is removed by a work item then,
 * for the notifier is no place to wait for users of its sysfs files; or before that by whoever
 * registers what the process has become.
 *
 * Life: pf_vm_add() makes the VM known; references of its kobject keep it; the last one puts the
 * notifier, and the core frees it when nobody can be in a callback any more.
 */
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "domain.h"
#include "fault.h"
#include "hint.h"
#include "mmlock.h"
#include "region.h"
#include "scan.h"
#include "snapshot.h"
#include "trace.h"
#include "unfold.h"
#include "vm.h"

/* Protects the three ways to find a VM, and adding and removing. */
static DEFINE_MUTEX(pf_vms_lock);
static LIST_HEAD(pf_vms);
static DEFINE_XARRAY_ALLOC1(pf_vms_by_index);
static DEFINE_XARRAY(pf_vms_by_pid);
static u32 pf_vm_last_index;
static unsigned int pf_nr_vms;

static struct kset *pf_vm_set;
static atomic_t pf_vms_alive = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(pf_vms_gone);

/* When to try again to remove a VM of which a turn was under way. */
#define PF_REAP_AGAIN		(HZ / 10)

static void pf_vm_reap(struct work_struct *work);
static DECLARE_DELAYED_WORK(pf_vm_reap_work, pf_vm_reap);

static void pf_vm_release_mm(struct mmu_notifier *watch, struct mm_struct *mm)
{
	struct pf_vm *vm = container_of(watch, struct pf_vm, watch);

	WRITE_ONCE(vm->dead, true);
	mod_delayed_work(system_dfl_wq, &pf_vm_reap_work, 0);
}

/* munmap() says the same as mremap(), but then there is nothing to miss. */
static int pf_vm_invalidate(struct mmu_notifier *watch, const struct mmu_notifier_range *range)
{
	if (range->event == MMU_NOTIFY_UNMAP)
		pf_unfold_moved(&container_of(watch, struct pf_vm, watch)->moves, range->end);
	return 0;
}

static struct mmu_notifier *pf_vm_alloc(struct mm_struct *mm)
{
	struct pf_vm *vm = pf_fault(PF_FAULT_VM) ? NULL : kzalloc(sizeof(*vm), GFP_KERNEL);

	if (!vm)
		return ERR_PTR(-ENOMEM);
	vm->moves.walk = ULONG_MAX;
	atomic_inc(&pf_vms_alive);
	return &vm->watch;
}

static void pf_vm_free(struct mmu_notifier *watch)
{
	kfree(container_of(watch, struct pf_vm, watch));
	if (atomic_dec_and_test(&pf_vms_alive))
		wake_up(&pf_vms_gone);
}

static const struct mmu_notifier_ops pf_vm_watch_ops = {
	.release = pf_vm_release_mm,
	.invalidate_range_start = pf_vm_invalidate,
	.alloc_notifier = pf_vm_alloc,
	.free_notifier = pf_vm_free,
};

/**
 * pf_vm_release() - the last reference of a VM is gone
 * @kobj: of the VM
 *
 * Context: may sleep.
 */
void pf_vm_release(struct kobject *kobj)
{
	struct pf_vm *vm = pf_vm_of_kobj(kobj);

	pf_region_free_all(vm);
	pf_wss_free(vm);
	pf_domain_put(vm->domain);
	mmu_notifier_put(&vm->watch);
}

/**
 * pf_vm_get() - take a reference
 * @vm: a VM the caller has one of already
 */
void pf_vm_get(struct pf_vm *vm)
{
	kobject_get(&vm->kobj);
}

/**
 * pf_vm_put() - drop a reference
 * @vm: no longer used by the caller
 *
 * Context: may sleep.
 */
void pf_vm_put(struct pf_vm *vm)
{
	kobject_put(&vm->kobj);
}

/**
 * pf_vm_find() - the VM that hints name so
 * @index: from a hint, perhaps of a VM that is gone
 *
 * Return: the VM with a reference for the caller, or NULL.
 */
struct pf_vm *pf_vm_find(u32 index)
{
	struct pf_vm *vm;

	xa_lock(&pf_vms_by_index);
	vm = xa_load(&pf_vms_by_index, index);
	if (vm)
		pf_vm_get(vm);
	xa_unlock(&pf_vms_by_index);
	return vm;
}

/**
 * pf_vm_next() - go through all VMs
 * @index: of the last one, 0 to begin
 *
 * Return: the next VM with a reference for the caller, or NULL.
 */
struct pf_vm *pf_vm_next(u32 index)
{
	unsigned long at = index;
	struct pf_vm *vm;

	xa_lock(&pf_vms_by_index);
	vm = xa_find_after(&pf_vms_by_index, &at, ULONG_MAX, XA_PRESENT);
	if (vm)
		pf_vm_get(vm);
	xa_unlock(&pf_vms_by_index);
	return vm;
}

/**
 * pf_vm_count() - how many VMs are registered
 */
unsigned int pf_vm_count(void)
{
	return READ_ONCE(pf_nr_vms);
}

/**
 * pf_vm_get_users() - keep the address space of a VM from going
 * @vm: the VM
 *
 * Only for as long as a piece of work takes: memory of a killed process is not freed meanwhile.
 *
 * Return: false if it is gone already.
 */
bool pf_vm_get_users(struct pf_vm *vm)
{
	return mmget_not_zero(vm->watch.mm);
}

/**
 * pf_vm_put_users() - let the address space go
 * @vm: the VM
 *
 * If the process has died meanwhile its memory is freed by a work item, not by us.
 */
void pf_vm_put_users(struct pf_vm *vm)
{
	mmput_async(vm->watch.mm);
}

/**
 * pf_vm_resident_pages() - anonymous pages of a VM that are in memory
 * @vm: the VM
 */
unsigned long pf_vm_resident_pages(struct pf_vm *vm)
{
	return get_mm_counter(vm->watch.mm, MM_ANONPAGES);
}

/* The address space of a process, with a reference on its users. */
static struct mm_struct *pf_vm_mm_of(pid_t nr)
{
	struct mm_struct *mm = ERR_PTR(-ESRCH);
	struct task_struct *task;
	struct pid *pid;

	rcu_read_lock();
	pid = get_pid(find_pid_ns(nr, &init_pid_ns));
	rcu_read_unlock();
	if (!pid)
		return mm;
	task = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	if (!task)
		return mm;
	if (task->flags & PF_KTHREAD)
		mm = ERR_PTR(-EINVAL);
	else
		mm = get_task_mm(task) ?: mm;
	put_task_struct(task);
	return mm;
}

static void pf_vm_setup(struct pf_vm *vm, const struct pf_vm_config *config,
			struct pf_domain *domain)
{
	kobject_init(&vm->kobj, &pf_vm_ktype);
	vm->kobj.kset = pf_vm_set;
	mutex_init(&vm->turn_lock);
	spin_lock_init(&vm->name_lock);
	spin_lock_init(&vm->missed.lock);
	xa_init(&vm->regions);
	pf_turn_init(&vm->turn, config->share);
	strscpy(vm->name, config->name, sizeof(vm->name));
	vm->policy = config->policy;
	vm->domain = domain;
	vm->domain_id = domain->id;
	vm->pid = config->pid;
}

/* Make a VM that is set up known. Caller holds pf_vms_lock. */
static int pf_vm_publish(struct pf_vm *vm)
{
	int err;

	err = xa_alloc_cyclic(&pf_vms_by_index, &vm->index, vm, XA_LIMIT(1, PF_HINT_MAX_VM),
			      &pf_vm_last_index, GFP_KERNEL);
	if (err < 0)
		return err == -EBUSY ? -ENOSPC : err;
	err = xa_err(xa_store(&pf_vms_by_pid, vm->pid, vm, GFP_KERNEL));
	if (err)
		goto erase_index;
	err = kobject_add(&vm->kobj, NULL, "%d", vm->pid);
	if (err)
		goto erase_pid;
	list_add_tail(&vm->node, &pf_vms);
	WRITE_ONCE(pf_nr_vms, pf_nr_vms + 1);
	pf_scan_add(vm);
	/* The thread looks at all of them each time, so it is not woken for each of them. */
	if (pf_nr_vms == 1)
		pf_wss_kick();
	trace_pagefold_vm_add(vm->pid, pf_vm_resident_pages(vm));
	return 0;

erase_pid:
	xa_erase(&pf_vms_by_pid, vm->pid);
erase_index:
	xa_erase(&pf_vms_by_index, vm->index);
	return err;
}

/* Take a VM away from everybody who could find it. Caller holds pf_vms_lock. */
static void pf_vm_remove(struct pf_vm *vm)
{
	trace_pagefold_vm_del(vm->pid, vm->folded_pages);
	list_del_init(&vm->node);
	xa_erase(&pf_vms_by_pid, vm->pid);
	xa_erase(&pf_vms_by_index, vm->index);
	pf_scan_del(vm);
	kobject_del(&vm->kobj);
	mutex_lock(&vm->turn_lock);
	vm->removed = true;
	pf_region_free_all(vm);
	mutex_unlock(&vm->turn_lock);
	/* Last: who reads that there are none finds none, nor what was theirs. */
	WRITE_ONCE(pf_nr_vms, pf_nr_vms - 1);
	pf_vm_put(vm);
}

/*
 * Remove a VM that may hang, unless a turn of it is under way: who removes keeps all others from
 * being registered and removed. Caller holds pf_vms_lock. Returns whether it was removed.
 */
static bool pf_vm_try_remove(struct pf_vm *vm)
{
	if (!mutex_trylock(&vm->turn_lock))
		return false;
	/* Whoever waits for its lock in one of its files finds this, and is not waited for long. */
	vm->removed = true;
	mutex_unlock(&vm->turn_lock);
	pf_vm_remove(vm);
	return true;
}

static void pf_vm_reap_locked(void)
{
	struct pf_vm *vm, *next;

	list_for_each_entry_safe(vm, next, &pf_vms, node) {
		if (READ_ONCE(vm->dead))
			pf_vm_remove(vm);
		else if (vm->unwanted && !pf_vm_try_remove(vm))
			queue_delayed_work(system_dfl_wq, &pf_vm_reap_work, PF_REAP_AGAIN);
	}
}

static void pf_vm_reap(struct work_struct *work)
{
	mutex_lock(&pf_vms_lock);
	pf_vm_reap_locked();
	mutex_unlock(&pf_vms_lock);
}

static int pf_vm_add_locked(const struct pf_vm_config *config, struct mm_struct *mm)
{
	struct mmu_notifier *watch;
	struct pf_domain *domain;
	struct pf_vm *vm;
	int err;

	vm = xa_load(&pf_vms_by_pid, config->pid);
	/*
	 * Of what the process was before it became another program we are told when the last user
	 * of its memory is gone, and that may be ourselves.
	 */
	if (vm && !READ_ONCE(vm->dead) && !vm->unwanted && vm->watch.mm == mm)
		return -EEXIST;
	/* A turn of it may take long, and whoever registers a VM meanwhile can be told. */
	if (vm && !pf_vm_try_remove(vm))
		return -EAGAIN;
	domain = pf_domain_get(config->domain);
	if (!domain)
		return -ENOMEM;
	/* Others are not to wait for a process that hangs. */
	err = pf_mm_write_soon(mm);
	if (err) {
		err = err == -EBUSY ? -EAGAIN : err;
		goto put_domain;
	}
	/*
	 * The first watch of a range would do the same, with a lock that nothing could end the wait
	 * for.
	 */
	err = __mmu_notifier_register(NULL, mm);
	watch = err ? ERR_PTR(err) : mmu_notifier_get_locked(&pf_vm_watch_ops, mm);
	mmap_write_unlock(mm);
	if (IS_ERR(watch)) {
		err = PTR_ERR(watch);
		goto put_domain;
	}
	vm = container_of(watch, struct pf_vm, watch);
	if (vm->pid) {
		/*
		 * The address space is known already: under the number of another process that
		 * shares it, or from before it was unregistered, and a turn that began then is not
		 * over yet.
		 */
		err = READ_ONCE(vm->removed) ? -EAGAIN : -EEXIST;
		mmu_notifier_put(watch);
		goto put_domain;
	}
	pf_vm_setup(vm, config, domain);
	err = pf_vm_publish(vm);
	if (err)
		pf_vm_put(vm);
	return err;

put_domain:
	pf_domain_put(domain);
	return err;
}

/*
 * Unfold a VM, for itself or with @all others: all of it but frames of domain @spare. Caller holds
 * its turn_lock.
 */
static int pf_vm_unfold_locked(struct pf_vm *vm, bool all, u32 spare)
{
	struct pf_unfold unfold = {
		.mm = vm->watch.mm,
		.moves = &vm->moves,
		.all = all,
		.spare = spare,
	};
	struct pf_stats turn = {};
	int err = 0;

	if (vm->removed)
		return -ENOENT;
	if (!pf_vm_get_users(vm))
		return 0;
	unfold.snap = pf_fault(PF_FAULT_SNAPSHOT) ? NULL :
						    kmalloc(sizeof(*unfold.snap), GFP_KERNEL);
	if (!unfold.snap) {
		err = -ENOMEM;
		goto put_users;
	}
	err = pf_unfold_mm(&unfold);
	turn.count[PF_STAT_UNFOLDS] = unfold.pages;
	/* Who registers has as a rule nothing to unfold, which is no event. */
	if (unfold.pages || !spare)
		trace_pagefold_unfold(vm->pid, unfold.pages);
	pf_stats_flush(&turn, &vm->stats);
	if (!spare)
		pf_region_unfolded(vm, unfold.reached);
	/* Whatever it came to, it is not what was there when they were looked at. */
	pf_region_wake_all(vm);
	/* The copies are fresh. */
	vm->drain_pass = vm->pass_no + 1;
	kfree(unfold.snap);
put_users:
	pf_vm_put_users(vm);
	return err;
}

static int pf_vm_lock_and_unfold(struct pf_vm *vm, bool all)
{
	int err;

	if (mutex_lock_interruptible(&vm->turn_lock))
		return -EINTR;
	err = pf_vm_unfold_locked(vm, all, 0);
	mutex_unlock(&vm->turn_lock);
	return err;
}

/**
 * pf_vm_unfold() - give a VM private copies of all its folded pages
 * @vm: the VM; it may be folded again by the next scan
 *
 * Context: takes the VM's turn_lock; sleeps long.
 * Return: 0, -EINTR, -ENOMEM or -EBUSY as pf_unfold_mm(); -ENOENT when it was unregistered
 * meanwhile.
 */
int pf_vm_unfold(struct pf_vm *vm)
{
	return pf_vm_lock_and_unfold(vm, false);
}

/**
 * pf_vm_unfold_all() - give every VM private copies
 *
 * Context: no scan is running; sleeps long.
 * Return: 0; -EBUSY if a page could not be copied; -EINTR or -ENOMEM, and the rest is as it was.
 */
int pf_vm_unfold_all(void)
{
	struct pf_vm *vm;
	u32 index = 0;
	int err = 0;

	while ((vm = pf_vm_next(index))) {
		int now = pf_vm_lock_and_unfold(vm, true);

		index = vm->index;
		pf_vm_put(vm);
		/*
		 * One that went meanwhile is no matter, one page that resists does not hold up
		 * others.
		 */
		if (now && now != -ENOENT)
			err = now;
		if (err && err != -EBUSY)
			break;
	}
	return err;
}

/**
 * pf_vm_set_domain() - move a VM to another domain
 * @vm: the VM
 * @name: of the domain, valid
 *
 * When this returns 0 the VM shares nothing with its former domain. Otherwise it is still in that.
 *
 * Context: takes the VM's turn_lock; sleeps long.
 * Return: 0, -EINTR, -ENOMEM, -EBUSY or -ENOENT, as pf_vm_unfold().
 */
int pf_vm_set_domain(struct pf_vm *vm, const char *name)
{
	struct pf_domain *domain = pf_domain_get(name);
	int err = 0;

	if (!domain)
		return -ENOMEM;
	if (mutex_lock_interruptible(&vm->turn_lock)) {
		err = -EINTR;
		goto put_domain;
	}
	if (domain != vm->domain) {
		err = pf_vm_unfold_locked(vm, false, 0);
		if (!err) {
			spin_lock(&vm->name_lock);
			swap(domain, vm->domain);
			spin_unlock(&vm->name_lock);
			WRITE_ONCE(vm->domain_id, vm->domain->id);
			trace_pagefold_vm_domain(vm->pid, vm->domain_id);
		}
	}
	mutex_unlock(&vm->turn_lock);
put_domain:
	pf_domain_put(domain);
	return err;
}

static struct pf_vm *pf_vm_find_pid(pid_t pid)
{
	struct pf_vm *vm;

	mutex_lock(&pf_vms_lock);
	vm = xa_load(&pf_vms_by_pid, pid);
	if (vm)
		pf_vm_get(vm);
	mutex_unlock(&pf_vms_lock);
	return vm;
}

/**
 * pf_vm_del() - unregister a VM
 * @pid: its process
 * @unfold: give it private copies first; otherwise what is folded stays so
 *
 * Context: takes pf_vms_lock; may sleep, with @unfold long.
 * Return: 0; -ENOENT when it is not registered; an error of pf_vm_unfold(), and it stays
 * registered.
 */
int pf_vm_del(pid_t pid, bool unfold)
{
	struct pf_vm *vm = pf_vm_find_pid(pid);
	int err = 0;

	if (!vm)
		return -ENOENT;
	if (mutex_lock_interruptible(&vm->turn_lock)) {
		err = -EINTR;
		goto put_vm;
	}
	if (unfold)
		err = pf_vm_unfold_locked(vm, false, 0);
	if (!err)
		vm->removed = true;
	mutex_unlock(&vm->turn_lock);
	if (err)
		goto put_vm;

	mutex_lock(&pf_vms_lock);
	if (list_empty(&vm->node))
		err = -ENOENT;
	else
		pf_vm_remove(vm);
	mutex_unlock(&pf_vms_lock);
put_vm:
	pf_vm_put(vm);
	return err;
}

/*
 * A process may bring frames along: of the domain that it was in when it was unregistered, of its
 * parent's, or of an earlier load of the module. Whoever registers it waits until it shares with
 * its new domain alone; if that cannot be had it is not registered.
 */
static int pf_vm_expel(pid_t pid)
{
	struct pf_vm *vm = pf_vm_find_pid(pid);
	int err;

	if (!vm)
		return 0;
	err = mutex_lock_killable(&vm->turn_lock);
	if (!err) {
		err = pf_vm_unfold_locked(vm, false, vm->domain_id);
		mutex_unlock(&vm->turn_lock);
	}
	if (err == -ENOENT)
		err = 0;
	if (err) {
		/* No turn of it begins now; one that is under way may take as long as it hangs. */
		WRITE_ONCE(vm->removed, true);
		mutex_lock(&pf_vms_lock);
		if (!list_empty(&vm->node) && !pf_vm_try_remove(vm)) {
			vm->unwanted = true;
			queue_delayed_work(system_dfl_wq, &pf_vm_reap_work, PF_REAP_AGAIN);
		}
		mutex_unlock(&pf_vms_lock);
	}
	pf_vm_put(vm);
	return err;
}

/**
 * pf_vm_add() - register a process as a VM
 * @config: who, and how it wants to be treated; valid
 *
 * What it maps of another domain's frames is unfolded.
 *
 * Context: takes pf_vms_lock, the VM's turn_lock and the mmap lock; sleeps, long where there is
 * much to unfold.
 * Return: 0; -ESRCH when there is no such process or it is exiting; -EINVAL for a kernel thread;
 * -EEXIST when it is registered; -EBUSY when it may share with another domain still; -ENOSPC when
 * there are too many; -ENOMEM, also when there is none to unfold with; -EINTR.
 */
int pf_vm_add(const struct pf_vm_config *config)
{
	int err;

	do {
		struct mm_struct *mm;

		mutex_lock(&pf_vms_lock);
		/* What it is now, and not what it was before somebody else registered it. */
		mm = pf_vm_mm_of(config->pid);
		err = IS_ERR(mm) ? PTR_ERR(mm) : pf_vm_add_locked(config, mm);
		mutex_unlock(&pf_vms_lock);
		if (!IS_ERR(mm))
			mmput(mm);
		if (err == -EAGAIN)
			schedule_timeout_killable(1);
	} while (err == -EAGAIN && !fatal_signal_pending(current) && !pf_mm_exiting());
	if (err)
		return err == -EAGAIN ? -EINTR : err;
	return pf_vm_expel(config->pid);
}

/**
 * pf_vm_init() - begin without VMs
 * @parent: gets the directory of VMs
 *
 * Return: 0 or -ENOMEM.
 */
int pf_vm_init(struct kobject *parent)
{
	pf_vm_set = kset_create_and_add("vms", NULL, parent);
	return pf_vm_set ? 0 : -ENOMEM;
}

/**
 * pf_vm_exit() - forget all VMs
 *
 * No scan is running, and nobody can register any more. What is folded stays so.
 */
void pf_vm_exit(void)
{
	struct pf_vm *vm, *next;

	mutex_lock(&pf_vms_lock);
	list_for_each_entry_safe(vm, next, &pf_vms, node)
		pf_vm_remove(vm);
	mutex_unlock(&pf_vms_lock);
	/* Callbacks of processes that exit meanwhile may queue the work until they are all over. */
	wait_event(pf_vms_gone, !atomic_read(&pf_vms_alive));
	mmu_notifier_synchronize();
	cancel_delayed_work_sync(&pf_vm_reap_work);
	kset_unregister(pf_vm_set);
	xa_destroy(&pf_vms_by_index);
	xa_destroy(&pf_vms_by_pid);
}
