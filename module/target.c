// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much host memory a VM should use, and what was done about it.
 *
 * Targets come from outside, by a daemon or by hand, and the module does its part: a VM above its
 * target is scanned first, so that sharing has been tried before its guest is asked for memory.
 * What else is done for the target the daemon reports back here, so that there is one place to look
 * at.
 */
#include <linux/mm.h>

#include "scan.h"
#include "target.h"
#include "trace.h"
#include "vm.h"

/**
 * pf_target_usage_bytes() - resident host memory that a VM keeps for itself
 * @vm: the VM
 *
 * Its anonymous pages and its pages of shared memory. Frames are not in it, nor are pages of zeros
 * and files: these are there for others too, and taking memory from the VM does not free them.
 *
 * Return: bytes, exact from 6.2 on; before, each of its threads may hold back 64 pages.
 */
u64 pf_target_usage_bytes(struct pf_vm *vm)
{
	struct mm_struct *mm = vm->watch.mm;

	return (u64)(pf_rss_read(mm, MM_ANONPAGES) + pf_rss_read(mm, MM_SHMEMPAGES)) * PAGE_SIZE;
}

/**
 * pf_target_exceeded() - does a VM use more than it should
 * @vm: the VM
 */
bool pf_target_exceeded(struct pf_vm *vm)
{
	u64 target = READ_ONCE(vm->target.bytes);

	return target && pf_target_usage_bytes(vm) > target;
}

/**
 * pf_target_set() - say how much host memory a VM should use
 * @vm: the VM
 * @bytes: 0..PF_BYTES_MAX, 0 for no target
 *
 * If it uses more it is scanned now.
 */
void pf_target_set(struct pf_vm *vm, u64 bytes)
{
	WRITE_ONCE(vm->target.bytes, bytes);
	pf_scan_heed_target(vm);
	trace_pagefold_target(vm->pid, bytes, pf_target_usage_bytes(vm));
}
