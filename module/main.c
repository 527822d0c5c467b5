// SPDX-License-Identifier: GPL-2.0-only
/*
 * pagefold.ko: folds equal pages of KVM guests, copy-on-write.
 *
 * What it does and how stands in Documentation/design.rst; the lock order stands in fold.c.
 */
#include <linux/module.h>

#include "scan.h"
#include "store.h"
#include "sysfs.h"
#include "vm.h"
#include "wide.h"
#include "wss.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int __init pf_init(void)
{
	int err;

	pf_wide_init();
	err = pf_store_init();
	if (err)
		return err;
	err = pf_sysfs_init();
	if (err)
		goto exit_store;
	err = pf_vm_init(pf_sysfs_root());
	if (err)
		goto exit_sysfs;
	err = pf_wss_start();
	if (err)
		goto exit_vm;
	err = pf_sysfs_add_files();
	if (err)
		goto stop_wss;
	return 0;

stop_wss:
	/* Files that were there for a moment may have been written. */
	pf_scan_stop();
	pf_wss_stop();
exit_vm:
	pf_vm_exit();
	pf_scan_exit();
exit_sysfs:
	pf_sysfs_exit();
exit_store:
	pf_store_exit();
	return err;
}

/*
 * First nobody can ask for anything, then nothing runs, then nothing is known. What is folded stays
 * so.
 */
static void __exit pf_exit(void)
{
	pf_sysfs_del_files();
	pf_wss_stop();
	pf_vm_exit();
	pf_scan_exit();
	pf_sysfs_exit();
	pf_store_exit();
}

module_init(pf_init);
module_exit(pf_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Folds equal pages of KVM guests copy-on-write");
