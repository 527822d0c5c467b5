// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a balloon shows of itself, on its device. Documented in
 * Documentation/ABI/testing/sysfs-driver-pagefold_balloon.
 *
 * Counts of pages on the wire are in 4 KiB, as the host counts them.
 */
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/sysfs.h>

#include "balloon.h"

static const char * const pb_stop_names[PB_STOP_NR] = {
	[PB_STOP_NONE] = "none",
	[PB_STOP_REACHED] = "reached",
	[PB_STOP_FLOOR] = "floor",
	[PB_STOP_PRESSURE] = "pressure",
	[PB_STOP_NO_MEMORY] = "no-memory",
	[PB_STOP_OOM] = "oom",
	[PB_STOP_DEVICE] = "device",
	[PB_STOP_SUSPEND] = "suspend",
};

static struct pb_balloon *pb_of(struct device *dev)
{
	return dev_to_virtio(dev)->priv;
}

static ssize_t target_pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(pb_of(dev)->target) * PB_UNITS);
}
static DEVICE_ATTR_RO(target_pages);

static ssize_t actual_pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(pb_of(dev)->held) * PB_UNITS);
}
static DEVICE_ATTR_RO(actual_pages);

static ssize_t achieved_pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(pb_of(dev)->achieved) * PB_UNITS);
}
static DEVICE_ATTR_RO(achieved_pages);

static ssize_t limbo_pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(pb_of(dev)->limbo_nr) * PB_UNITS);
}
static DEVICE_ATTR_RO(limbo_pages);

static ssize_t floor_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", pb_pressure_floor(pb_of(dev)));
}
static DEVICE_ATTR_RO(floor_bytes);

static ssize_t min_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", READ_ONCE(pb_of(dev)->min_bytes));
}

/* Digits only: no sign, no space, no base; a newline may end it. */
static ssize_t min_bytes_store(struct device *dev, struct device_attribute *attr, const char *buf,
			       size_t len)
{
	struct pb_balloon *b = pb_of(dev);
	u64 value;
	int err;

	if (!isdigit(buf[0]))
		return -EINVAL;
	err = kstrtou64(buf, 10, &value);
	if (err)
		return err;
	if (value > (u64)PHYS_ADDR_MAX)
		return -ERANGE;
	WRITE_ONCE(b->min_bytes, value);
	pb_resize_kick(b);
	return len;
}
static DEVICE_ATTR_RW(min_bytes);

static ssize_t mode_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", pb_of(dev)->reporting ? "report" : "inflate");
}
static DEVICE_ATTR_RO(mode);

static ssize_t stop_reason_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", pb_stop_names[READ_ONCE(pb_of(dev)->why)]);
}
static DEVICE_ATTR_RO(stop_reason);

static struct attribute *pb_attrs[] = {
	&dev_attr_target_pages.attr,
	&dev_attr_actual_pages.attr,
	&dev_attr_achieved_pages.attr,
	&dev_attr_limbo_pages.attr,
	&dev_attr_floor_bytes.attr,
	&dev_attr_min_bytes.attr,
	&dev_attr_mode.attr,
	&dev_attr_stop_reason.attr,
	NULL
};

static const struct attribute_group pb_group = {
	.attrs = pb_attrs,
};

/**
 * struct pb_counter - a file that shows one number
 * @attr: the file
 * @what: enum pb_count, or an order
 */
struct pb_counter {
	struct device_attribute attr;
	unsigned int what;
};

static ssize_t pb_counter_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pb_counter *counter = container_of(attr, struct pb_counter, attr);

	return sysfs_emit(buf, "%lld\n", atomic64_read(&pb_of(dev)->counts[counter->what]));
}

static ssize_t pb_pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pb_counter *counter = container_of(attr, struct pb_counter, attr);

	return sysfs_emit(buf, "%lld\n",
			  atomic64_read(&pb_of(dev)->counts[counter->what]) * PB_UNITS);
}

static ssize_t pb_order_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pb_counter *counter = container_of(attr, struct pb_counter, attr);

	return sysfs_emit(buf, "%lu\n",
			  READ_ONCE(pb_of(dev)->by_order[counter->what]) * PB_UNITS);
}

#define PB_COUNTER(_name, _show, _what)						\
	static struct pb_counter pb_counter_##_name = {				\
		.attr = __ATTR(_name, 0444, _show, NULL),			\
		.what = _what,							\
	}

PB_COUNTER(inflate_block_pages, pb_pages_show, PB_COUNT_INFLATE_BLOCK);
PB_COUNTER(inflate_page_pages, pb_pages_show, PB_COUNT_INFLATE_PAGE);
PB_COUNTER(deflate_target_pages, pb_pages_show, PB_COUNT_DEFLATE_TARGET);
PB_COUNTER(deflate_oom_pages, pb_pages_show, PB_COUNT_DEFLATE_OOM);
PB_COUNTER(deflate_pressure_pages, pb_pages_show, PB_COUNT_DEFLATE_PRESSURE);
PB_COUNTER(deflate_offline_pages, pb_pages_show, PB_COUNT_DEFLATE_OFFLINE);
PB_COUNTER(deflate_late_pages, pb_pages_show, PB_COUNT_DEFLATE_LATE);
PB_COUNTER(deflate_reset_pages, pb_pages_show, PB_COUNT_DEFLATE_RESET);
PB_COUNTER(migrate_pages, pb_pages_show, PB_COUNT_MIGRATE);
PB_COUNTER(report_pages, pb_pages_show, PB_COUNT_REPORT);
PB_COUNTER(hint_pages, pb_pages_show, PB_COUNT_HINT);
PB_COUNTER(oom_events, pb_counter_show, PB_COUNT_OOM_EVENTS);
PB_COUNTER(brake_events, pb_counter_show, PB_COUNT_BRAKE_EVENTS);
PB_COUNTER(alloc_failures, pb_counter_show, PB_COUNT_ALLOC_FAILURES);
PB_COUNTER(retries, pb_counter_show, PB_COUNT_RETRIES);
PB_COUNTER(kicks, pb_counter_show, PB_COUNT_KICKS);
PB_COUNTER(late_acks, pb_counter_show, PB_COUNT_ACK_LATE);

static struct attribute *pb_counter_attrs[] = {
	&pb_counter_inflate_block_pages.attr.attr,
	&pb_counter_inflate_page_pages.attr.attr,
	&pb_counter_deflate_target_pages.attr.attr,
	&pb_counter_deflate_oom_pages.attr.attr,
	&pb_counter_deflate_pressure_pages.attr.attr,
	&pb_counter_deflate_offline_pages.attr.attr,
	&pb_counter_deflate_late_pages.attr.attr,
	&pb_counter_deflate_reset_pages.attr.attr,
	&pb_counter_migrate_pages.attr.attr,
	&pb_counter_report_pages.attr.attr,
	&pb_counter_hint_pages.attr.attr,
	&pb_counter_oom_events.attr.attr,
	&pb_counter_brake_events.attr.attr,
	&pb_counter_alloc_failures.attr.attr,
	&pb_counter_retries.attr.attr,
	&pb_counter_kicks.attr.attr,
	&pb_counter_late_acks.attr.attr,
	NULL
};

static const struct attribute_group pb_counter_group = {
	.name = "counters",
	.attrs = pb_counter_attrs,
};

PB_COUNTER(order0_pages, pb_order_show, 0);
PB_COUNTER(order4_pages, pb_order_show, 4);
PB_COUNTER(order5_pages, pb_order_show, 5);
PB_COUNTER(order6_pages, pb_order_show, 6);
PB_COUNTER(order7_pages, pb_order_show, 7);
PB_COUNTER(order8_pages, pb_order_show, 8);
PB_COUNTER(order9_pages, pb_order_show, 9);
PB_COUNTER(order10_pages, pb_order_show, 10);

static struct attribute *pb_order_attrs[] = {
	&pb_counter_order0_pages.attr.attr,
	&pb_counter_order4_pages.attr.attr,
	&pb_counter_order5_pages.attr.attr,
	&pb_counter_order6_pages.attr.attr,
	&pb_counter_order7_pages.attr.attr,
	&pb_counter_order8_pages.attr.attr,
	&pb_counter_order9_pages.attr.attr,
	&pb_counter_order10_pages.attr.attr,
	NULL
};

/* Orders that this kernel's allocator does not have are not shown. */
static umode_t pb_order_is_visible(struct kobject *kobj, struct attribute *attr, int nr)
{
	struct pb_counter *counter = container_of(attr, struct pb_counter, attr.attr);

	return counter->what <= MAX_PAGE_ORDER ? attr->mode : 0;
}

static const struct attribute_group pb_order_group = {
	.name = "held",
	.attrs = pb_order_attrs,
	.is_visible = pb_order_is_visible,
};

const struct attribute_group *pb_groups[] = {
	&pb_group,
	&pb_counter_group,
	&pb_order_group,
	NULL
};
