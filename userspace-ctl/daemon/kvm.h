/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a VM's process has KVM: looked at aside, and remembered.
 */
#ifndef PF_KVM_H
#define PF_KVM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct kvm_look;

/* Of one process; all zeroes at first. */
struct kvm {
	struct kvm_look *look;	/* that is not over */
	uint64_t again_ms;	/* when to look again */
	bool has;
};

/**
 * kvm_is_there() - whether process @pid has a KVM VM, as far as is known
 * @k: what is known of it
 * @sysroot: where /proc is; kept by the caller
 * @pid: the process
 * @uid: whose it is
 * @now_ms: the time
 */
bool kvm_is_there(struct kvm *k, const char *sysroot, int pid, uid_t uid, uint64_t now_ms);

/* Nobody wants to know any more. */
void kvm_leave(struct kvm *k);

#endif
