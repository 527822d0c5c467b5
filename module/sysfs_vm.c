// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/pagefold/vms/<pid>/: only translates text.
 *
 * Nothing here takes the lock that VMs are removed under: removal waits for users of these files.
 */
#include <linux/kobject.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "domain.h"
#include "parse.h"
#include "scan.h"
#include "sysfs.h"

static ssize_t pf_name_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct pf_vm *vm = pf_vm_of_kobj(kobj);
	char name[PF_NAME_MAX];

	spin_lock(&vm->name_lock);
	strscpy(name, vm->name, sizeof(name));
	spin_unlock(&vm->name_lock);
	return sysfs_emit(buf, "%s\n", name);
}

static ssize_t pf_name_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			     size_t len)
{
	struct pf_vm *vm = pf_vm_of_kobj(kobj);
	char name[PF_NAME_MAX];
	int err = pf_parse_name(buf, len, name);

	if (err)
		return err;
	spin_lock(&vm->name_lock);
	strscpy(vm->name, name, sizeof(vm->name));
	spin_unlock(&vm->name_lock);
	return len;
}
PF_ATTR_RW(name);

static ssize_t pf_domain_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct pf_vm *vm = pf_vm_of_kobj(kobj);
	char name[PF_NAME_MAX];

	spin_lock(&vm->name_lock);
	strscpy(name, vm->domain->name, sizeof(name));
	spin_unlock(&vm->name_lock);
	return sysfs_emit(buf, "%s\n", name);
}

static ssize_t pf_domain_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			       size_t len)
{
	char name[PF_NAME_MAX];
	int err = pf_parse_name(buf, len, name);

	if (!err)
		err = pf_vm_set_domain(pf_vm_of_kobj(kobj), name);
	return err ?: len;
}
PF_ATTR_RW(domain);

static ssize_t pf_policy_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct pf_vm *vm = pf_vm_of_kobj(kobj);

	return sysfs_emit(buf, "%s\n",
			  READ_ONCE(vm->policy) == PF_POLICY_ALWAYS ? "always" : "madvise");
}

static ssize_t pf_policy_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			       size_t len)
{
	struct pf_vm *vm = pf_vm_of_kobj(kobj);
	enum pf_policy policy;
	int err = pf_parse_policy(buf, len, &policy);

	if (err)
		return err;
	WRITE_ONCE(vm->policy, policy);
	return len;
}
PF_ATTR_RW(policy);

static ssize_t pf_share_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(pf_vm_of_kobj(kobj)->turn.share));
}

static ssize_t pf_share_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			      size_t len)
{
	unsigned int share;
	int err = pf_parse_uint(buf, len, PF_SHARE_MIN, PF_SHARE_MAX, &share);

	if (err)
		return err;
	pf_scan_set_share(pf_vm_of_kobj(kobj), share);
	return len;
}
PF_ATTR_RW(share);

static ssize_t pf_unfold_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			       size_t len)
{
	unsigned int one;
	int err = pf_parse_uint(buf, len, 1, 1, &one);

	if (!err)
		err = pf_vm_unfold(pf_vm_of_kobj(kobj));
	return err ?: len;
}
PF_ATTR_WO(unfold);

static ssize_t pf_target_bytes_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", READ_ONCE(pf_vm_of_kobj(kobj)->target.bytes));
}

static ssize_t pf_target_bytes_store(struct kobject *kobj, struct kobj_attribute *attr,
				     const char *buf, size_t len)
{
	u64 bytes;
	int err = pf_parse_bytes(buf, len, &bytes);

	if (err)
		return err;
	pf_target_set(pf_vm_of_kobj(kobj), bytes);
	sysfs_notify(kobj, NULL, attr->attr.name);
	return len;
}
PF_ATTR_RW(target_bytes);

/* Amounts that are reported to us, for others to read. */
#define PF_VM_REPORT(name, field)								\
	static ssize_t pf_##name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
					char *buf)						\
	{											\
		return sysfs_emit(buf, "%llu\n", READ_ONCE(pf_vm_of_kobj(kobj)->target.field));	\
	}											\
												\
	static ssize_t pf_##name##_store(struct kobject *kobj, struct kobj_attribute *attr,	\
					 const char *buf, size_t len)				\
	{											\
		u64 bytes;									\
		int err = pf_parse_bytes(buf, len, &bytes);					\
												\
		if (err)									\
			return err;								\
		WRITE_ONCE(pf_vm_of_kobj(kobj)->target.field, bytes);				\
		return len;									\
	}											\
	PF_ATTR_RW(name)

PF_VM_REPORT(balloon_bytes, balloon_bytes);
PF_VM_REPORT(achieved_bytes, achieved_bytes);

static ssize_t pf_state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	enum pf_state state = READ_ONCE(pf_vm_of_kobj(kobj)->target.state);

	return sysfs_emit(buf, "%s\n", pf_state_words[state]);
}

static ssize_t pf_state_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			      size_t len)
{
	enum pf_state state;
	int err = pf_parse_state(buf, len, &state);

	if (err)
		return err;
	WRITE_ONCE(pf_vm_of_kobj(kobj)->target.state, state);
	sysfs_notify(kobj, NULL, attr->attr.name);
	return len;
}
PF_ATTR_RW(state);

/* Files that only show a number of the VM. */
#define PF_VM_NUMBER(name, value)								\
	static ssize_t pf_##name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
					char *buf)						\
	{											\
		struct pf_vm *vm = pf_vm_of_kobj(kobj);						\
												\
		return sysfs_emit(buf, "%llu\n", (u64)(value));				\
	}											\
	PF_ATTR_RO(name)

static u64 pf_vm_resident_bytes(struct pf_vm *vm)
{
	struct mm_struct *mm = vm->watch.mm;

	return (u64)(get_mm_counter(mm, MM_ANONPAGES) + get_mm_counter(mm, MM_FILEPAGES) +
		     get_mm_counter(mm, MM_SHMEMPAGES)) * PAGE_SIZE;
}

static u64 pf_vm_saved_bytes(struct pf_vm *vm)
{
	return pf_saved_pages(READ_ONCE(vm->folded_pages), READ_ONCE(vm->zero_pages)) * PAGE_SIZE;
}

static u64 pf_vm_wss_bytes(const struct pf_wss_mean *mean)
{
	struct pf_wss_mean now = {
		.fast = READ_ONCE(mean->fast),
		.slow = READ_ONCE(mean->slow),
	};

	return pf_wss_max_pages(&now) * PAGE_SIZE;
}

static u64 pf_vm_wss_rounds(struct pf_vm *vm)
{
	/* Pairs with the release in pf_wss_add(): whoever sees a round sees what it found. */
	return smp_load_acquire(&vm->wss.est.rounds);
}

static u64 pf_vm_skipped_pages(struct pf_vm *vm)
{
	u64 sum = 0;
	int i;

	for (i = PF_SKIP_FIRST; i < PF_NR_STATS; i++)
		sum += READ_ONCE(vm->stats.count[i]);
	return sum;
}

PF_VM_NUMBER(resident_bytes, pf_vm_resident_bytes(vm));
PF_VM_NUMBER(eligible_bytes, READ_ONCE(vm->eligible_pages) * PAGE_SIZE);
PF_VM_NUMBER(folded_pages, READ_ONCE(vm->folded_pages));
PF_VM_NUMBER(zero_pages, READ_ONCE(vm->zero_pages));
PF_VM_NUMBER(saved_bytes, pf_vm_saved_bytes(vm));
PF_VM_NUMBER(passes, READ_ONCE(vm->passes));
PF_VM_NUMBER(cpu_ns, READ_ONCE(vm->cpu_ns));
PF_VM_NUMBER(skipped_pages, pf_vm_skipped_pages(vm));
PF_VM_NUMBER(usage_bytes, pf_target_usage_bytes(vm));
PF_VM_NUMBER(wss_bytes, pf_vm_wss_bytes(&vm->wss.est.touched));
PF_VM_NUMBER(wss_fast_bytes, pf_wss_pages(READ_ONCE(vm->wss.est.touched.fast)) * PAGE_SIZE);
PF_VM_NUMBER(wss_slow_bytes, pf_wss_pages(READ_ONCE(vm->wss.est.touched.slow)) * PAGE_SIZE);
PF_VM_NUMBER(wss_last_bytes, READ_ONCE(vm->wss.est.last_pages) * PAGE_SIZE);
PF_VM_NUMBER(wss_error_bytes, READ_ONCE(vm->wss.est.error_pages) * PAGE_SIZE);
PF_VM_NUMBER(wss_write_bytes, pf_vm_wss_bytes(&vm->wss.est.written));
PF_VM_NUMBER(wss_last_write_bytes, READ_ONCE(vm->wss.est.last_written_pages) * PAGE_SIZE);
PF_VM_NUMBER(wss_rounds, pf_vm_wss_rounds(vm));
PF_VM_NUMBER(wss_sampled_pages, READ_ONCE(vm->wss.sampled_pages));
PF_VM_NUMBER(wss_lost_pages, READ_ONCE(vm->wss.lost_pages));
PF_VM_NUMBER(wss_ns, READ_ONCE(vm->wss.total_ns));

#define PF_VM_EVENT_FILE(name, file)	\
	PF_VM_NUMBER(file, READ_ONCE(vm->stats.count[PF_STAT_##name]));
PF_EVENTS(PF_VM_EVENT_FILE)

#define PF_VM_LIST_FILE(name, file)	&pf_attr_##file.attr,

static struct attribute *pf_vm_attrs[] = {
	&pf_attr_name.attr,
	&pf_attr_domain.attr,
	&pf_attr_policy.attr,
	&pf_attr_share.attr,
	&pf_attr_unfold.attr,
	&pf_attr_resident_bytes.attr,
	&pf_attr_eligible_bytes.attr,
	&pf_attr_folded_pages.attr,
	&pf_attr_zero_pages.attr,
	&pf_attr_saved_bytes.attr,
	&pf_attr_passes.attr,
	&pf_attr_cpu_ns.attr,
	&pf_attr_skipped_pages.attr,
	&pf_attr_target_bytes.attr,
	&pf_attr_usage_bytes.attr,
	&pf_attr_balloon_bytes.attr,
	&pf_attr_achieved_bytes.attr,
	&pf_attr_state.attr,
	&pf_attr_wss_bytes.attr,
	&pf_attr_wss_fast_bytes.attr,
	&pf_attr_wss_slow_bytes.attr,
	&pf_attr_wss_last_bytes.attr,
	&pf_attr_wss_error_bytes.attr,
	&pf_attr_wss_write_bytes.attr,
	&pf_attr_wss_last_write_bytes.attr,
	&pf_attr_wss_rounds.attr,
	&pf_attr_wss_sampled_pages.attr,
	&pf_attr_wss_lost_pages.attr,
	&pf_attr_wss_ns.attr,
	PF_EVENTS(PF_VM_LIST_FILE)
	NULL
};

#define PF_VM_SKIP_FILE(name, file)	\
	PF_VM_NUMBER(file, READ_ONCE(vm->stats.count[PF_SKIP_##name]));
PF_SKIPS(PF_VM_SKIP_FILE)

static struct attribute *pf_vm_skip_attrs[] = {
	PF_SKIPS(PF_VM_LIST_FILE)
	NULL
};

static const struct attribute_group pf_vm_group = { .attrs = pf_vm_attrs };
static const struct attribute_group pf_vm_skip_group = {
	.name = "skipped",
	.attrs = pf_vm_skip_attrs,
};

static const struct attribute_group *pf_vm_groups[] = {
	&pf_vm_group,
	&pf_vm_skip_group,
	NULL
};

const struct kobj_type pf_vm_ktype = {
	.release = pf_vm_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = pf_vm_groups,
};
