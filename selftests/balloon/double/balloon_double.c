// SPDX-License-Identifier: GPL-2.0-only
/*
 * A balloon device that can misbehave, for tests alone: a virtio transport inside the guest.
 *
 * QEMU always acknowledges, once, and never looks at what it was given. This one serves the rings by hand:
 * it acknowledges never, twice, late or with another's number, asks for absurd sizes, and is a witness of
 * what the driver does. It writes a mark into every page it is given, acknowledged or not, and where a mark is
 * gone too early the driver has let somebody use a page that was not the guest's (C8-C11, C30).
 *
 * Everything is a module parameter: what to do (ack, num_pages, features at load), and what was seen.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <linux/workqueue.h>

#define QUEUES		5
#define SIZE		128
#define MARK		0x6465766963652121ull
#define BORDER		(SZ_64M >> PAGE_SHIFT)
#define HUGE		(SZ_2M >> PAGE_SHIFT)
#define LATE_SIZE	(SZ_32M >> PAGE_SHIFT)
#define LATE_LEFT	(SZ_16M >> PAGE_SHIFT)

enum { ACK, ACK_NEVER, ACK_TWICE, ACK_WRONG };
enum { INFLATE, DEFLATE, STATS, HINT, REPORT };

struct ring {
	struct virtqueue *vq;
	struct vring vring;
	void *pages;
	size_t bytes;
	u16 seen;	/* of the available ring: taken */
	u16 acked;	/* of those: acknowledged; what is between is held */
	int kind;
};

static struct virtio_device *vdev;
static struct device *parent;
static struct workqueue_struct *wq;
static struct ring rings[QUEUES];
static struct virtio_balloon_config config;
static u8 device_status;
static unsigned long *given;	/* pages marked and not yet returned, by PFN */
static unsigned long given_max;
static DEFINE_MUTEX(lock);
static void serve(struct work_struct *work);
static DECLARE_WORK(work, serve);

static unsigned long features = BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST) | BIT(VIRTIO_BALLOON_F_STATS_VQ);
module_param(features, ulong, 0444);
static bool legacy;
module_param(legacy, bool, 0444);
static unsigned int report_size = SIZE;
module_param(report_size, uint, 0444);	/* entries of the reporting queue */

static unsigned long inflated, deflated, reported, stats_seen, stats_bad, early, bad, torn, poison_late;
static unsigned long hint_starts, hint_stops, hint_pages, hint_bad, resets, held;
static unsigned long widest, crossing, mixed, late_reports;
module_param(inflated, ulong, 0444);	/* pages, through the inflate queue */
module_param(deflated, ulong, 0444);
module_param(reported, ulong, 0444);
module_param(widest, ulong, 0444);	/* pages in the largest range that was reported */
module_param(crossing, ulong, 0444);	/* ranges with a border of 64 MiB within */
module_param(mixed, ulong, 0444);	/* ranges of some huge pages of 2 MiB and parts of others */
module_param(late_reports, ulong, 0444);	/* acknowledged late, while the guest had little besides */
module_param(stats_seen, ulong, 0444);	/* buffers of statistics */
module_param(stats_bad, ulong, 0444);	/* of those, not as the specification says */
module_param(hint_starts, ulong, 0444);	/* answers to the number in the configuration */
module_param(hint_stops, ulong, 0444);
module_param(hint_pages, ulong, 0444);
module_param(hint_bad, ulong, 0444);	/* hints outside of an answer, numbers nobody asked for */
module_param(early, ulong, 0444);	/* marks gone from pages that were not the guest's */
module_param(bad, ulong, 0444);		/* PFNs or ranges that are no memory, or given twice */
module_param(torn, ulong, 0444);	/* writes of actual that are not one of 4 bytes */
module_param(poison_late, ulong, 0444);	/* writes of poison_val after DRIVER_OK */
module_param(resets, ulong, 0444);
module_param(held, ulong, 0444);	/* buffers that were taken and wait to be acknowledged */

static int ack;
static int mute = -1;		/* this queue alone is never acknowledged */
static int inflate_acks = -1;	/* so many buffers of the inflate queue are still acknowledged; -1: all */
static bool breaks;		/* the deflate queue, with the next acknowledgment of the inflate queue */
module_param(breaks, bool, 0644);
static unsigned int pfns_limit;	/* a buffer with more PFNs is refused, as its queue is from then on; 0: no limit */
module_param(pfns_limit, uint, 0444);
static unsigned long oversized;	/* of those */
module_param(oversized, ulong, 0444);
static unsigned long unordered;	/* PFNs not above the one before in their buffer */
module_param(unordered, ulong, 0444);
static bool hides_id;		/* as QEMU does: what reads the configuration once an answer has begun finds STOP */
module_param(hides_id, bool, 0644);
static u32 asked_id;
static unsigned int late;	/* ms that a large report waits for that */
module_param(late, uint, 0644);

static int ack_set(const char *value, const struct kernel_param *kp)
{
	int rc = param_set_int(value, kp);

	if (!rc && wq)
		queue_work(wq, &work);
	return rc;
}

static const struct kernel_param_ops ack_ops = { .set = ack_set, .get = param_get_int };
module_param_cb(ack, &ack_ops, &ack, 0644);
module_param_cb(mute, &ack_ops, &mute, 0644);
module_param_cb(inflate_acks, &ack_ops, &inflate_acks, 0644);

static int num_pages_set(const char *value, const struct kernel_param *kp)
{
	u32 n;
	int rc = kstrtou32(value, 0, &n);

	if (rc)
		return rc;
	config.num_pages = cpu_to_le32(n);
	if (hides_id)
		config.free_page_hint_cmd_id = cpu_to_le32(VIRTIO_BALLOON_CMD_ID_STOP);
	if (vdev && (device_status & VIRTIO_CONFIG_S_DRIVER_OK))
		virtio_config_changed(vdev);
	return 0;
}

static int num_pages_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%u\n", le32_to_cpu(config.num_pages));
}

static const struct kernel_param_ops num_pages_ops = { .set = num_pages_set, .get = num_pages_get };
module_param_cb(num_pages, &num_pages_ops, NULL, 0644);

static int actual_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%u\n", le32_to_cpu(config.actual));
}

static const struct kernel_param_ops actual_ops = { .get = actual_get };
module_param_cb(actual, &actual_ops, NULL, 0444);

static int cmd_id_set(const char *value, const struct kernel_param *kp)
{
	u32 id;
	int rc = kstrtou32(value, 0, &id);

	if (rc)
		return rc;
	asked_id = id;
	config.free_page_hint_cmd_id = cpu_to_le32(id);
	if (vdev && (device_status & VIRTIO_CONFIG_S_DRIVER_OK))
		virtio_config_changed(vdev);
	return 0;
}

static const struct kernel_param_ops cmd_id_ops = { .set = cmd_id_set };
module_param_cb(cmd_id, &cmd_id_ops, NULL, 0200);

/* What the transport does with a device when the system goes to sleep, and when it wakes. */
static bool asleep;

static int asleep_set(const char *value, const struct kernel_param *kp)
{
	bool sleeps;
	int rc = kstrtobool(value, &sleeps);

	if (rc || sleeps == asleep)
		return rc;
	rc = sleeps ? virtio_device_freeze(vdev) : virtio_device_restore(vdev);
	if (!rc)
		asleep = sleeps;
	return rc;
}

static const struct kernel_param_ops asleep_ops = { .set = asleep_set, .get = param_get_bool };
module_param_cb(asleep, &asleep_ops, &asleep, 0644);

/* Any write asks for new statistics. */
static int stats_ask_set(const char *value, const struct kernel_param *kp);
static const struct kernel_param_ops stats_ask_ops = { .set = stats_ask_set };
module_param_cb(stats_ask, &stats_ask_ops, NULL, 0200);

static int poison_get(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "%u\n", le32_to_cpu(config.poison_val));
}

static const struct kernel_param_ops poison_ops = { .get = poison_get };
module_param_cb(poison, &poison_ops, NULL, 0444);

/* How many marks are gone from pages that are the device's now. */
static int check_get(char *buffer, const struct kernel_param *kp)
{
	unsigned long pfn, gone = 0, n = 0;

	mutex_lock(&lock);
	for_each_set_bit(pfn, given, given_max) {
		n++;
		gone += *(u64 *)phys_to_virt(PFN_PHYS(pfn)) != MARK;
	}
	mutex_unlock(&lock);
	return sprintf(buffer, "given=%lu gone=%lu\n", n, gone);
}

static const struct kernel_param_ops check_ops = { .get = check_get };
module_param_cb(check, &check_ops, NULL, 0444);

static bool is_memory(unsigned long pfn)
{
	return pfn < given_max && pfn_valid(pfn);
}

static void mark(unsigned long pfn)
{
	if (!is_memory(pfn) || test_and_set_bit(pfn, given)) {
		bad++;
		return;
	}
	*(u64 *)phys_to_virt(PFN_PHYS(pfn)) = MARK;
}

static void unmark(unsigned long pfn)
{
	if (!is_memory(pfn) || !test_and_clear_bit(pfn, given)) {
		bad++;
		return;
	}
	early += *(u64 *)phys_to_virt(PFN_PHYS(pfn)) != MARK;
}

/* Pages are the device's as soon as it may look, and the guest's when they are acknowledged. */
static void take_pfns(struct ring *r, const struct vring_desc *d)
{
	const __le32 *pfns = phys_to_virt(le64_to_cpu((__force __le64)d->addr));
	unsigned int i, n = d->len / sizeof(*pfns);

	if (pfns_limit && n > pfns_limit) {
		oversized++;
		mute = r->kind;
		return;
	}
	for (i = 0; i < n; i++) {
		unordered += i && le32_to_cpu(pfns[i]) <= le32_to_cpu(pfns[i - 1]);
		if (r->kind == INFLATE)
			mark(le32_to_cpu(pfns[i]));
		else
			unmark(le32_to_cpu(pfns[i]));
	}
	if (r->kind == INFLATE)
		inflated += n;
	else
		deflated += n;
}

/* What the guest has told to be in its free pages is in them again, or the next one who gets them is surprised. */
static void give_back(unsigned long pfn)
{
	unmark(pfn);
	if (is_memory(pfn) && virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		*(u64 *)phys_to_virt(PFN_PHYS(pfn)) = le32_to_cpu(config.poison_val) * 0x100000001ull;
}

/* Ranges come back without a word, when they are acknowledged. */
static void take_range(const struct vring_desc *d, bool done)
{
	unsigned long pfn = d->addr >> PAGE_SHIFT, end = (d->addr + d->len) >> PAGE_SHIFT;

	if (!done) {
		reported += end - pfn;
		widest = max(widest, end - pfn);
		crossing += pfn / BORDER != (end - 1) / BORDER;
		mixed += end - pfn > HUGE && (pfn % HUGE || end % HUGE);
	}
	for (; pfn < end; pfn++) {
		if (!done)
			mark(pfn);
		else
			give_back(pfn);
	}
}

/* Entries of 10 bytes, each tag once, total memory among them and filled, the same tags each time. */
static void take_stats(const struct vring_desc *d)
{
	const struct virtio_balloon_stat *stat = phys_to_virt(le64_to_cpu((__force __le64)d->addr));
	unsigned int i, n = d->len / sizeof(*stat);
	static unsigned long tags_before;
	unsigned long tags = 0;
	bool total = false;

	for (i = 0; i < n; i++) {
		u16 tag = le16_to_cpu((__force __le16)stat[i].tag);

		if (tag >= BITS_PER_LONG || __test_and_set_bit(tag, &tags))
			stats_bad++;
		if (tag == VIRTIO_BALLOON_S_MEMTOT)
			total = le64_to_cpu((__force __le64)stat[i].val) >> PAGE_SHIFT;
	}
	if (d->len % sizeof(*stat) || (d->flags & VRING_DESC_F_WRITE) || !total ||
	    (stats_seen && tags != tags_before))
		stats_bad++;
	tags_before = tags;
	stats_seen++;
}

/* A hinted block is nobody's until the device has returned it. */
static void take_hinted(const struct vring_desc *d, bool done)
{
	unsigned long pfn = d->addr >> PAGE_SHIFT, end = (d->addr + d->len) >> PAGE_SHIFT;

	if (!done)
		hint_pages += end - pfn;
	for (; pfn < end; pfn++) {
		if (!done)
			mark(pfn);
		else
			unmark(pfn);
	}
}

/* A number of 4 bytes, blocks, the number STOP. */
static void take_hint(const struct vring_desc *d, bool done)
{
	static bool answering;
	u32 id;

	if (d->flags & VRING_DESC_F_WRITE) {
		hint_bad += !done && (!answering || !is_memory(d->addr >> PAGE_SHIFT));
		take_hinted(d, done);
		return;
	}
	if (done)
		return;
	id = le32_to_cpu(*(__le32 *)phys_to_virt(le64_to_cpu((__force __le64)d->addr)));
	if (d->len != sizeof(id))
		hint_bad++;
	if (id == VIRTIO_BALLOON_CMD_ID_STOP) {
		hint_stops++;
		answering = false;
	} else {
		hint_starts++;
		hint_bad += answering || id != asked_id;
		answering = true;
	}
}

static void push(struct ring *r, u32 id)
{
	struct vring *v = &r->vring;
	u16 idx = v->used->idx;

	v->used->ring[idx % v->num].id = id;
	v->used->ring[idx % v->num].len = 0;
	smp_wmb(); /* the entry before the index */
	WRITE_ONCE(v->used->idx, idx + 1);
}

static void take(struct ring *r, unsigned int head, bool done)
{
	const struct vring_desc *d = &r->vring.desc[head];

	for (;; d = &r->vring.desc[d->next]) {
		if (r->kind == REPORT)
			take_range(d, done);
		else if ((r->kind == INFLATE && !done) || (r->kind == DEFLATE && done))
			take_pfns(r, d);
		else if (!done && r->kind == STATS)
			take_stats(d);
		else if (r->kind == HINT)
			take_hint(d, done);
		if (!(d->flags & VRING_DESC_F_NEXT))
			break;
	}
}

static void interrupt(struct ring *r)
{
	unsigned long flags;

	local_irq_save(flags);
	vring_interrupt(0, r->vq);
	local_irq_restore(flags);
}

static bool silent(const struct ring *r)
{
	return ack == ACK_NEVER || mute == r->kind || (r->kind == INFLATE && !inflate_acks);
}

/* Keep a report for a while, and leave the guest little besides. Small ones go at once: nobody would miss those. */
static void be_late(unsigned long size)
{
	struct page *page, *next;
	LIST_HEAD(eaten);

	if (size < LATE_SIZE)
		return;
	while (si_mem_available() > LATE_LEFT) {
		page = alloc_page(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!page)
			break;
		list_add(&page->lru, &eaten);
	}
	late_reports += si_mem_available() <= LATE_LEFT;
	msleep(late);
	list_for_each_entry_safe(page, next, &eaten, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static void serve_ring(struct ring *r)
{
	struct vring *v = &r->vring;
	unsigned long before = reported;
	unsigned int head;

	while (r->vq && r->seen != READ_ONCE(v->avail->idx)) {
		smp_rmb(); /* the index before the entry */
		take(r, v->avail->ring[r->seen % v->num], false);
		r->seen++;
	}
	/* Statistics stay with the device until the next request. */
	if (!r->vq || r->kind == STATS)
		return;
	/* Time for those to show who use a page before it is acknowledged. */
	cond_resched();
	if (late)
		be_late(reported - before);
	for (; r->acked != r->seen && !silent(r); r->acked++) {
		head = v->avail->ring[r->acked % v->num];
		take(r, head, true);
		if (breaks && r->kind == INFLATE) {
			push(&rings[DEFLATE], rings[DEFLATE].vring.num + 77);
			breaks = false;
		}
		push(r, ack == ACK_WRONG ? v->num + 77 : head);
		if (ack == ACK_TWICE)
			push(r, head);
		if (r->kind == INFLATE && inflate_acks > 0)
			inflate_acks--;
		interrupt(r);
	}
	held += (u16)(r->seen - r->acked);
}

static int stats_ask_set(const char *value, const struct kernel_param *kp)
{
	struct ring *r = &rings[STATS];

	if (!wq)
		return -EINVAL;
	mutex_lock(&lock);
	if (r->vq && r->seen != r->vring.used->idx) {
		push(r, r->vring.avail->ring[(u16)(r->seen - 1) % r->vring.num]);
		interrupt(r);
	}
	mutex_unlock(&lock);
	return 0;
}

static void serve(struct work_struct *unused)
{
	int i;

	mutex_lock(&lock);
	held = 0;
	for (i = 0; i < QUEUES; i++)
		if (device_status & VIRTIO_CONFIG_S_DRIVER_OK)
			serve_ring(&rings[i]);
	mutex_unlock(&lock);
}

static bool notify(struct virtqueue *vq)
{
	queue_work(wq, &work);
	return true;
}

/* The transport. */

static void get(struct virtio_device *d, unsigned int offset, void *buffer, unsigned int len)
{
	if (offset + len <= sizeof(config))
		memcpy(buffer, (u8 *)&config + offset, len);
}

/* As in QEMU, what the device was doing is done by then. */
static void set(struct virtio_device *d, unsigned int offset, const void *buffer, unsigned int len)
{
	size_t actual = offsetof(struct virtio_balloon_config, actual);

	if (offset + len > sizeof(config))
		return;
	if (offset < actual + 4 && offset + len > actual && (offset != actual || len != 4))
		torn++;
	if (offset == offsetof(struct virtio_balloon_config, poison_val) &&
	    (device_status & VIRTIO_CONFIG_S_DRIVER_OK))
		poison_late++;
	mutex_lock(&lock);
	memcpy((u8 *)&config + offset, buffer, len);
	mutex_unlock(&lock);
}

static u8 get_status(struct virtio_device *d)
{
	return device_status;
}

static void set_status(struct virtio_device *d, u8 status)
{
	device_status = status;
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		queue_work(wq, &work);
}

/* All pages are the guest's again from here on. */
static void reset(struct virtio_device *d)
{
	int i;

	mutex_lock(&lock);
	device_status = 0;
	resets++;
	for (i = 0; i < QUEUES; i++)
		rings[i].seen = rings[i].acked = 0;
	bitmap_zero(given, given_max);
	config.actual = 0;
	mutex_unlock(&lock);
}

static void del_vqs(struct virtio_device *d)
{
	struct ring *r;

	mutex_lock(&lock);
	for (r = rings; r < rings + QUEUES; r++) {
		if (!r->vq)
			continue;
		vring_del_virtqueue(r->vq);
		free_pages_exact(r->pages, r->bytes);
		r->vq = NULL;
	}
	mutex_unlock(&lock);
}

static struct virtqueue *add_vq(unsigned int i, vq_callback_t *callback, const char *name, bool ctx)
{
	unsigned int size = i == REPORT ? report_size : SIZE;
	struct ring *r = &rings[i];

	r->bytes = PAGE_ALIGN(vring_size(size, PAGE_SIZE));
	r->pages = alloc_pages_exact(r->bytes, GFP_KERNEL | __GFP_ZERO);
	if (!r->pages)
		return ERR_PTR(-ENOMEM);
	vring_init(&r->vring, size, r->pages, PAGE_SIZE);
	r->seen = r->acked = 0;
	r->kind = i;
	r->vq = vring_new_virtqueue(i, size, PAGE_SIZE, vdev, true, ctx, r->pages, notify, callback, name);
	if (!r->vq) {
		free_pages_exact(r->pages, r->bytes);
		return ERR_PTR(-ENOMEM);
	}
	return r->vq;
}

/* Queues are found by their place in the list of the specification, as QEMU's transport does. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static int find_vqs(struct virtio_device *d, unsigned int n, struct virtqueue *vqs[],
		    struct virtqueue_info info[], struct irq_affinity *desc)
#else
static int find_vqs(struct virtio_device *d, unsigned int n, struct virtqueue *vqs[],
		    vq_callback_t *callbacks[], const char * const names[], const bool *ctx,
		    struct irq_affinity *desc)
#endif
{
	unsigned int i;
	int rc;

	if (n > QUEUES)
		return -EINVAL;
	for (i = 0; i < n; i++) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
		vqs[i] = info[i].name ? add_vq(i, info[i].callback, info[i].name, info[i].ctx) : NULL;
#else
		vqs[i] = names[i] ? add_vq(i, callbacks[i], names[i], ctx && ctx[i]) : NULL;
#endif
		if (IS_ERR(vqs[i])) {
			rc = PTR_ERR(vqs[i]);
			del_vqs(d);
			return rc;
		}
	}
	return 0;
}

static u64 get_features(struct virtio_device *d)
{
	return features | (legacy ? 0 : BIT_ULL(VIRTIO_F_VERSION_1));
}

static int finalize_features(struct virtio_device *d)
{
	vring_transport_features(d);
	return 0;
}

static const char *bus_name(struct virtio_device *d)
{
	return "double";
}

static const struct virtio_config_ops ops = {
	.get = get,
	.set = set,
	.get_status = get_status,
	.set_status = set_status,
	.reset = reset,
	.find_vqs = find_vqs,
	.del_vqs = del_vqs,
	.get_features = get_features,
	.finalize_features = finalize_features,
	.bus_name = bus_name,
};

static void release(struct device *dev)
{
	kfree(dev_to_virtio(dev));
}

static int __init double_init(void)
{
	int rc = -ENOMEM;

	given_max = PFN_DOWN(virt_to_phys(high_memory - 1)) + 1;
	given = vzalloc(BITS_TO_LONGS(given_max) * sizeof(long));
	wq = alloc_workqueue("balloon_double", WQ_UNBOUND, 1);
	parent = root_device_register("balloon_double");
	if (!given || !wq || IS_ERR(parent))
		goto fail;
	vdev = kzalloc(sizeof(*vdev), GFP_KERNEL);
	if (!vdev)
		goto fail;
	vdev->id.device = VIRTIO_ID_BALLOON;
	vdev->id.vendor = 0x1af4;
	vdev->config = &ops;
	vdev->dev.parent = parent;
	vdev->dev.release = release;
	rc = register_virtio_device(vdev);
	if (!rc)
		return 0;
	put_device(&vdev->dev);
fail:
	vdev = NULL;
	if (!IS_ERR_OR_NULL(parent))
		root_device_unregister(parent);
	if (wq)
		destroy_workqueue(wq);
	vfree(given);
	return rc;
}

static void __exit double_exit(void)
{
	unregister_virtio_device(vdev);
	destroy_workqueue(wq);
	root_device_unregister(parent);
	vfree(given);
}

module_init(double_init);
module_exit(double_exit);
MODULE_DESCRIPTION("Test double of a virtio balloon device");
MODULE_LICENSE("GPL");
