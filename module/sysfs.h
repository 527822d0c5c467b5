/* SPDX-License-Identifier: GPL-2.0-only */
/* /sys/kernel/pagefold/: only translates text. */
#ifndef PF_SYSFS_H
#define PF_SYSFS_H

#include <linux/kobject.h>
#include <linux/sysfs.h>

#define PF_ATTR_RO(name) \
	static struct kobj_attribute pf_attr_##name = __ATTR(name, 0444, pf_##name##_show, NULL)
#define PF_ATTR_WO(name) \
	static struct kobj_attribute pf_attr_##name = __ATTR(name, 0200, NULL, pf_##name##_store)
#define PF_ATTR_RW(name) \
	static struct kobj_attribute pf_attr_##name = __ATTR(name, 0644, pf_##name##_show, \
							     pf_##name##_store)

int pf_sysfs_init(void);
struct kobject *pf_sysfs_root(void);
int pf_sysfs_add_files(void);
void pf_sysfs_del_files(void);
void pf_sysfs_exit(void);

/**
 * pf_saved_pages() - what a VM saves
 * @folded: its pages that map frames
 * @zero: its pages that map the kernel's zero page
 *
 * The frames themselves are charged to all folded pages alike.
 *
 * Return: pages.
 */
s64 pf_saved_pages(u64 folded, u64 zero);

#endif /* PF_SYSFS_H */
