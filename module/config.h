/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is said about a VM when it is registered.
 *
 * Apart from the VM itself, so that what reads it from text builds in userspace too.
 */
#ifndef PF_CONFIG_H
#define PF_CONFIG_H

#include <linux/types.h>

#define PF_NAME_MAX	64	/* with its NUL */

enum pf_policy {
	PF_POLICY_MADVISE,	/* only what the VMM offered: MADV_MERGEABLE */
	PF_POLICY_ALWAYS,	/* all anonymous memory that may be folded */
};

/**
 * struct pf_vm_config - what is said about a VM when it is registered
 * @pid: of the process, as seen from the initial namespace
 * @name: for people
 * @domain: name of the domain
 * @policy: which memory may be folded
 * @share: of the scan time
 */
struct pf_vm_config {
	pid_t pid;
	char name[PF_NAME_MAX];
	char domain[PF_NAME_MAX];
	enum pf_policy policy;
	u32 share;
};

#endif /* PF_CONFIG_H */
