// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/pagefold/: only translates text.
 *
 * One value a file; what each means, its unit, range and default stand in
 * Documentation/ABI/testing/sysfs-kernel-pagefold, which a test compares with the live tree.
 */
#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "fault_knobs.h"
#include "mmlock.h"
#include "parse.h"
#include "patience.h"
#include "scan.h"
#include "store.h"
#include "sysfs.h"
#include "trace.h"
#include "unfold.h"
#include "wss.h"

enum pf_run {
	PF_RUN_STOP,
	PF_RUN_SCAN,
	PF_RUN_UNFOLD,
};

static struct kobject *pf_root;

/* Protects the state of the scan: one starts, stops or unfolds at a time. */
static DEFINE_MUTEX(pf_control_lock);
static enum pf_run pf_run;
static unsigned int pf_threads = 1;

static int pf_control_scan(void)
{
	int err;

	if (pf_run == PF_RUN_SCAN)
		return 0;
	if (pf_mm_exiting())
		return -ENODEV;
	err = pf_scan_start(pf_threads);
	if (!err)
		WRITE_ONCE(pf_run, PF_RUN_SCAN);
	return err;
}

static int pf_control_unfold(void)
{
	int err;

	pf_scan_stop();
	WRITE_ONCE(pf_run, PF_RUN_STOP);
	err = pf_vm_unfold_all();
	pf_store_reap_all();
	if (!err)
		WRITE_ONCE(pf_run, PF_RUN_UNFOLD);
	return err;
}

static ssize_t pf_run_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(pf_run));
}

static ssize_t pf_run_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			    size_t len)
{
	unsigned int run;
	int err = pf_parse_uint(buf, len, PF_RUN_STOP, PF_RUN_UNFOLD, &run);

	if (err)
		return err;
	/* Whoever unfolds everything now is not waited for. */
	if (run == PF_RUN_STOP)
		pf_unfold_cancel_begin();
	err = mutex_lock_interruptible(&pf_control_lock);
	if (run == PF_RUN_STOP)
		pf_unfold_cancel_end();
	if (err)
		return err;
	switch (run) {
	case PF_RUN_SCAN:
		err = pf_control_scan();
		break;
	case PF_RUN_UNFOLD:
		err = pf_control_unfold();
		break;
	default:
		pf_scan_stop();
		WRITE_ONCE(pf_run, PF_RUN_STOP);
	}
	trace_pagefold_run(pf_run);
	mutex_unlock(&pf_control_lock);
	return err ?: len;
}
PF_ATTR_RW(run);

static ssize_t pf_register_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
				 size_t len)
{
	struct pf_vm_config config;
	int err = pf_parse_register(buf, len, &config);

	if (!err)
		err = pf_vm_add(&config);
	return err ?: len;
}
PF_ATTR_WO(register);

static ssize_t pf_unregister_store(struct kobject *kobj, struct kobj_attribute *attr,
				   const char *buf, size_t len)
{
	bool unfold;
	pid_t pid;
	int err = pf_parse_unregister(buf, len, &pid, &unfold);

	if (!err)
		err = pf_vm_del(pid, unfold);
	return err ?: len;
}
PF_ATTR_WO(unregister);

static ssize_t pf_cpu_percent_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned int percent = READ_ONCE(pf_knobs.cpu_percent);

	if (percent == PF_CPU_PERCENT_AUTO)
		return sysfs_emit(buf, "auto\n");
	return sysfs_emit(buf, "%u\n", percent);
}

static ssize_t pf_cpu_percent_store(struct kobject *kobj, struct kobj_attribute *attr,
				    const char *buf, size_t len)
{
	unsigned int percent = PF_CPU_PERCENT_AUTO;
	int err = 0;

	if (!(len == 4 && !memcmp(buf, "auto", 4)) && !(len == 5 && !memcmp(buf, "auto\n", 5)))
		err = pf_parse_uint(buf, len, 1, PF_CPU_PERCENT_MAX, &percent);
	if (err)
		return err;
	WRITE_ONCE(pf_knobs.cpu_percent, percent);
	pf_scan_kick();
	return len;
}
PF_ATTR_RW(cpu_percent);

static ssize_t pf_threads_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(pf_threads));
}

static ssize_t pf_threads_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
				size_t len)
{
	unsigned int threads;
	int err = pf_parse_uint(buf, len, 1, PF_THREADS_MAX, &threads);

	if (err)
		return err;
	if (mutex_lock_interruptible(&pf_control_lock))
		return -EINTR;
	if (threads != pf_threads && pf_run == PF_RUN_SCAN) {
		pf_scan_stop();
		err = pf_scan_start(threads);
		if (err)
			WRITE_ONCE(pf_run, PF_RUN_STOP);
	}
	if (!err)
		WRITE_ONCE(pf_threads, threads);
	mutex_unlock(&pf_control_lock);
	return err ?: len;
}
PF_ATTR_RW(threads);

static ssize_t pf_pass_interval_ms_show(struct kobject *kobj, struct kobj_attribute *attr,
					char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(pf_knobs.pass_interval_ms));
}

static ssize_t pf_pass_interval_ms_store(struct kobject *kobj, struct kobj_attribute *attr,
					 const char *buf, size_t len)
{
	unsigned int interval;
	int err = pf_parse_uint(buf, len, 0, 3600 * 1000, &interval);

	if (err)
		return err;
	/* Longer rests begin with the next pass, shorter ones now. */
	if (xchg(&pf_knobs.pass_interval_ms, interval) > interval)
		pf_scan_wake_vms();
	return len;
}
PF_ATTR_RW(pass_interval_ms);

static ssize_t pf_fold_zero_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(pf_knobs.fold_zero));
}

static ssize_t pf_fold_zero_store(struct kobject *kobj, struct kobj_attribute *attr,
				  const char *buf, size_t len)
{
	unsigned int fold_zero;
	int err = pf_parse_uint(buf, len, 0, 1, &fold_zero);

	if (err)
		return err;
	WRITE_ONCE(pf_knobs.fold_zero, fold_zero);
	pf_scan_look_anew();
	return len;
}
PF_ATTR_RW(fold_zero);

static ssize_t pf_thp_split_pages_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(pf_knobs.huge_pages));
}

static ssize_t pf_thp_split_pages_store(struct kobject *kobj, struct kobj_attribute *attr,
					const char *buf, size_t len)
{
	unsigned int pages;
	int err = pf_parse_uint(buf, len, 1, PF_REGION_PAGES, &pages);

	if (err)
		return err;
	WRITE_ONCE(pf_knobs.huge_pages, pages);
	pf_scan_look_anew();
	return len;
}
PF_ATTR_RW(thp_split_pages);

static ssize_t pf_rest_passes_max_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(pf_knobs.rest_passes));
}

static ssize_t pf_rest_passes_max_store(struct kobject *kobj, struct kobj_attribute *attr,
					const char *buf, size_t len)
{
	unsigned int passes;
	int err = pf_parse_uint(buf, len, 0, PF_REST_PASSES_MAX, &passes);

	if (err)
		return err;
	WRITE_ONCE(pf_knobs.rest_passes, passes);
	return len;
}
PF_ATTR_RW(rest_passes_max);

static ssize_t pf_merge_across_nodes_show(struct kobject *kobj, struct kobj_attribute *attr,
					  char *buf)
{
	return sysfs_emit(buf, "%d\n", pf_store_cross_nodes());
}

static ssize_t pf_merge_across_nodes_store(struct kobject *kobj, struct kobj_attribute *attr,
					   const char *buf, size_t len)
{
	unsigned int cross;
	int err = pf_parse_uint(buf, len, 0, 1, &cross);

	if (!err)
		err = pf_store_set_cross_nodes(cross);
	if (!err)
		pf_scan_look_anew();
	return err ?: len;
}
PF_ATTR_RW(merge_across_nodes);

/* Knobs that anything in a range may be: PF_KNOB(file, knob, least, greatest, who is told). */
#define PF_KNOB(name, knob, min, max, tell)							\
	static ssize_t pf_##name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
					char *buf)						\
	{											\
		return sysfs_emit(buf, "%u\n", READ_ONCE(knob));				\
	}											\
												\
	static ssize_t pf_##name##_store(struct kobject *kobj, struct kobj_attribute *attr,	\
					 const char *buf, size_t len)				\
	{											\
		unsigned int value;								\
		int err = pf_parse_uint(buf, len, min, max, &value);				\
												\
		if (err)									\
			return err;								\
		WRITE_ONCE(knob, value);							\
		tell();										\
		return len;									\
	}											\
	PF_ATTR_RW(name)

/* The next batch heeds it. */
static void pf_tell_nobody(void)
{
}

PF_KNOB(lock_hold_max_us, pf_knobs.hold_max_us, 50, 1000 * 1000, pf_tell_nobody);
PF_KNOB(busy_hold_max_us, pf_knobs.busy_hold_max_us, 1, 1000 * 1000, pf_tell_nobody);
PF_KNOB(wss_samples, pf_wss_knobs.samples, 1, PF_WSS_SAMPLES_MAX, pf_wss_kick);
PF_KNOB(wss_period_ms, pf_wss_knobs.period_ms, 0, 3600 * 1000, pf_wss_kick);
PF_KNOB(wss_cpu_permille, pf_wss_knobs.permille, 1, PF_WSS_PERMILLE_MAX, pf_wss_kick);

/* Files that only show a number: PF_NUMBER(file, type, expression). */
#define PF_NUMBER(name, format, value)								\
	static ssize_t pf_##name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
					char *buf)						\
	{											\
		return sysfs_emit(buf, format "\n", value);					\
	}											\
	PF_ATTR_RO(name)

static u64 pf_folded_pages(void)
{
	return atomic64_read(&pf_totals.folded_pages);
}

static u64 pf_zero_pages(void)
{
	return atomic64_read(&pf_totals.zero_pages);
}

s64 pf_saved_pages(u64 folded, u64 zero)
{
	u64 all = max(pf_folded_pages(), 1ULL);

	return folded - min(div64_u64(pf_store_frames() * folded, all), folded) + zero;
}

static u64 pf_saved_bytes(void)
{
	return pf_saved_pages(pf_folded_pages(), pf_zero_pages()) * PAGE_SIZE;
}

/* Frames that nobody maps any more, until they are found. */
static u64 pf_unused_bytes(void)
{
	u64 frames = pf_store_frames(), folded = pf_folded_pages();

	return (frames - min(frames, folded)) * PAGE_SIZE;
}

static u64 pf_metadata_bytes(void)
{
	return pf_scan_bytes() + pf_store_bytes();
}

PF_NUMBER(cpu_percent_now, "%u", pf_scan_percent_now());
PF_NUMBER(vms_registered, "%u", pf_vm_count());
PF_NUMBER(frames, "%lu", pf_store_frames());
PF_NUMBER(folded_pages, "%llu", pf_folded_pages());
PF_NUMBER(zero_pages, "%llu", pf_zero_pages());
PF_NUMBER(saved_bytes, "%llu", pf_saved_bytes());
PF_NUMBER(metadata_bytes, "%llu", pf_metadata_bytes());
PF_NUMBER(general_profit_bytes, "%lld",
	  (s64)(pf_saved_bytes() - pf_metadata_bytes() - pf_unused_bytes()));
PF_NUMBER(passes, "%llu", (u64)atomic64_read(&pf_totals.passes));
PF_NUMBER(frames_allocated, "%lu", pf_store_allocated());
PF_NUMBER(frames_freed, "%lu", pf_store_freed());
PF_NUMBER(frames_shrunk, "%lu", pf_store_shrunk());
PF_NUMBER(cpu_ns, "%llu", (u64)atomic64_read(&pf_totals.cpu_ns));

/* Files that show a counter of a table. */
struct pf_counter_attr {
	struct kobj_attribute attr;
	atomic64_t *counter;
};

static ssize_t pf_counter_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct pf_counter_attr *counter = container_of(attr, struct pf_counter_attr, attr);

	return sysfs_emit(buf, "%llu\n", (u64)atomic64_read(counter->counter));
}

#define PF_COUNTER(variable, file, where)			\
	static struct pf_counter_attr variable = {		\
		.attr = __ATTR(file, 0444, pf_counter_show, NULL),	\
		.counter = (where),				\
	};

#define PF_EVENT_FILE(name, file)	\
	PF_COUNTER(pf_event_##file, file, &pf_totals.count[PF_STAT_##name])
#define PF_SKIP_FILE(name, file)	\
	PF_COUNTER(pf_skip_##file, file, &pf_totals.count[PF_SKIP_##name])
PF_EVENTS(PF_EVENT_FILE)
PF_SKIPS(PF_SKIP_FILE)

#define PF_HOLDS(PF_HOLD)					\
	PF_HOLD(0, lt_16us)					\
	PF_HOLD(1, lt_32us)					\
	PF_HOLD(2, lt_64us)					\
	PF_HOLD(3, lt_128us)					\
	PF_HOLD(4, lt_256us)					\
	PF_HOLD(5, lt_512us)					\
	PF_HOLD(6, lt_1024us)					\
	PF_HOLD(7, lt_2048us)					\
	PF_HOLD(8, lt_4096us)					\
	PF_HOLD(9, lt_8192us)					\
	PF_HOLD(10, lt_16384us)					\
	PF_HOLD(11, lt_32768us)					\
	PF_HOLD(12, lt_65536us)					\
	PF_HOLD(13, lt_131072us)				\
	PF_HOLD(14, lt_262144us)				\
	PF_HOLD(15, lt_524288us)				\
	PF_HOLD(16, ge_524288us)

#define PF_HOLD_FILE(slot, file)	PF_COUNTER(pf_hold_##file, file, &pf_totals.hold[slot])
PF_HOLDS(PF_HOLD_FILE)
static_assert(PF_NR_HOLDS == 17);

PF_NUMBER(max_us, "%llu", div_u64(atomic64_read(&pf_totals.hold_max_ns), NSEC_PER_USEC));

#define PF_LIST_EVENT(name, file)	&pf_event_##file.attr.attr,
#define PF_LIST_SKIP(name, file)	&pf_skip_##file.attr.attr,
#define PF_LIST_HOLD(slot, file)	&pf_hold_##file.attr.attr,

static struct attribute *pf_root_attrs[] = {
	&pf_attr_run.attr,
	&pf_attr_register.attr,
	&pf_attr_unregister.attr,
	&pf_attr_cpu_percent.attr,
	&pf_attr_cpu_percent_now.attr,
	&pf_attr_threads.attr,
	&pf_attr_pass_interval_ms.attr,
	&pf_attr_fold_zero.attr,
	&pf_attr_thp_split_pages.attr,
	&pf_attr_rest_passes_max.attr,
	&pf_attr_merge_across_nodes.attr,
	&pf_attr_lock_hold_max_us.attr,
	&pf_attr_busy_hold_max_us.attr,
	&pf_attr_wss_samples.attr,
	&pf_attr_wss_period_ms.attr,
	&pf_attr_wss_cpu_permille.attr,
	&pf_attr_vms_registered.attr,
	&pf_attr_frames.attr,
	&pf_attr_folded_pages.attr,
	&pf_attr_zero_pages.attr,
	&pf_attr_saved_bytes.attr,
	&pf_attr_metadata_bytes.attr,
	&pf_attr_general_profit_bytes.attr,
	&pf_attr_passes.attr,
	&pf_attr_frames_allocated.attr,
	&pf_attr_frames_freed.attr,
	&pf_attr_frames_shrunk.attr,
	&pf_attr_cpu_ns.attr,
	PF_EVENTS(PF_LIST_EVENT)
	NULL
};

static struct attribute *pf_skip_attrs[] = { PF_SKIPS(PF_LIST_SKIP) NULL };
static struct attribute *pf_hold_attrs[] = {
	&pf_attr_max_us.attr,
	PF_HOLDS(PF_LIST_HOLD)
	NULL
};

#ifdef PF_DEBUG
static ssize_t pf_fold_all_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(pf_knobs.fold_all));
}

static ssize_t pf_fold_all_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
				 size_t len)
{
	unsigned int fold_all;
	int err = pf_parse_uint(buf, len, 0, 1, &fold_all);

	if (err)
		return err;
	WRITE_ONCE(pf_knobs.fold_all, fold_all);
	return len;
}
PF_ATTR_RW(fold_all);

static ssize_t pf_fault_site_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned long sites = READ_ONCE(pf_fault_sites);

	if (!sites)
		return sysfs_emit(buf, "none\n");
	if (sites == BIT(PF_NR_FAULT_SITES) - 1)
		return sysfs_emit(buf, "all\n");
	return sysfs_emit(buf, "%s\n", pf_fault_names[__ffs(sites)]);
}

static ssize_t pf_fault_site_store(struct kobject *kobj, struct kobj_attribute *attr,
				   const char *buf, size_t len)
{
	int site;

	if (sysfs_streq(buf, "none")) {
		WRITE_ONCE(pf_fault_sites, 0);
		return len;
	}
	if (sysfs_streq(buf, "all")) {
		WRITE_ONCE(pf_fault_sites, BIT(PF_NR_FAULT_SITES) - 1);
		return len;
	}
	site = __sysfs_match_string(pf_fault_names, PF_NR_FAULT_SITES, buf);
	if (site < 0)
		return -EINVAL;
	WRITE_ONCE(pf_fault_sites, BIT(site));
	return len;
}
PF_ATTR_RW(fault_site);

static ssize_t pf_fault_every_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(pf_fault_every));
}

static ssize_t pf_fault_every_store(struct kobject *kobj, struct kobj_attribute *attr,
				    const char *buf, size_t len)
{
	unsigned int every;
	int err = pf_parse_uint(buf, len, 1, 1000 * 1000, &every);

	if (err)
		return err;
	WRITE_ONCE(pf_fault_every, every);
	return len;
}
PF_ATTR_RW(fault_every);

static ssize_t pf_fault_sites_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	int i, len = 0;

	for (i = 0; i < PF_NR_FAULT_SITES; i++)
		len += sysfs_emit_at(buf, len, "%s%s", i ? " " : "", pf_fault_names[i]);
	return len + sysfs_emit_at(buf, len, "\n");
}
PF_ATTR_RO(fault_sites);

PF_NUMBER(fault_hits, "%llu", (u64)atomic64_read(&pf_fault_hits));

static struct attribute *pf_debug_attrs[] = {
	&pf_attr_fold_all.attr,
	&pf_attr_fault_site.attr,
	&pf_attr_fault_every.attr,
	&pf_attr_fault_sites.attr,
	&pf_attr_fault_hits.attr,
	NULL
};

static const struct attribute_group pf_debug_group = { .name = "debug", .attrs = pf_debug_attrs };
#endif

static const struct attribute_group pf_root_group = { .attrs = pf_root_attrs };
static const struct attribute_group pf_skip_group = { .name = "skipped", .attrs = pf_skip_attrs };
static const struct attribute_group pf_hold_group = { .name = "lock_hold", .attrs = pf_hold_attrs };

static const struct attribute_group *pf_groups[] = {
	&pf_root_group,
	&pf_skip_group,
	&pf_hold_group,
#ifdef PF_DEBUG
	&pf_debug_group,
#endif
	NULL
};

/**
 * pf_sysfs_init() - make the directory
 *
 * Return: 0 or -ENOMEM.
 */
int pf_sysfs_init(void)
{
	pf_root = kobject_create_and_add("pagefold", kernel_kobj);
	return pf_root ? 0 : -ENOMEM;
}

/**
 * pf_sysfs_root() - the directory
 */
struct kobject *pf_sysfs_root(void)
{
	return pf_root;
}

/**
 * pf_sysfs_add_files() - open for business
 *
 * Return: 0 or an error.
 */
int pf_sysfs_add_files(void)
{
	return sysfs_create_groups(pf_root, pf_groups);
}

/**
 * pf_sysfs_del_files() - close: whoever is in one of the files has left when this returns
 */
void pf_sysfs_del_files(void)
{
	/* Also of those who wait for a VM, be it for its memory or for a thread that scans it. */
	pf_mm_exit();
	mutex_lock(&pf_control_lock);
	pf_scan_stop();
	WRITE_ONCE(pf_run, PF_RUN_STOP);
	mutex_unlock(&pf_control_lock);
	sysfs_remove_groups(pf_root, pf_groups);
}

/**
 * pf_sysfs_exit() - remove the directory
 */
void pf_sysfs_exit(void)
{
	kobject_put(pf_root);
}
