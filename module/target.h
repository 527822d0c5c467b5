/* SPDX-License-Identifier: GPL-2.0-only */
/* How much host memory a VM should use, and what was done about it. */
#ifndef PF_TARGET_H
#define PF_TARGET_H

#include <linux/types.h>

/* As much as a signed number of 64 bits holds, which is what most readers have. */
#define PF_BYTES_MAX	((u64)S64_MAX)

/* What is being done about a VM. PF_STATE(enum name, word) */
#define PF_STATES(PF_STATE)						\
	PF_STATE(NONE, none)		/* nothing */			\
	PF_STATE(SHARE, share)		/* it is folded */		\
	PF_STATE(BALLOON, balloon)	/* its guest is asked */	\
	PF_STATE(PAGE, page)		/* it is paged out */		\
	PF_STATE(STUCK, stuck)		/* nothing helps */		\
	PF_STATE(UNTRUSTED, untrusted)	/* its balloon lies */		\
	PF_STATE(EMERGENCY, emergency)	/* the host needs it now */

#define PF_STATE_ENUM(name, word)	PF_STATE_##name,

enum pf_state {
	PF_STATES(PF_STATE_ENUM)
	PF_NR_STATES,
};

/**
 * struct pf_target - a VM's target, and what a daemon reports of it; for others to read
 * @bytes: host memory that the VM should use, 0 for no target
 * @balloon_bytes: what the guest's balloon holds
 * @achieved_bytes: how much less the VM uses since the target was set
 * @state: what is being done
 */
struct pf_target {
	u64 bytes;
	u64 balloon_bytes;
	u64 achieved_bytes;
	enum pf_state state;
};

extern const char * const pf_state_words[PF_NR_STATES];

struct pf_vm;

u64 pf_target_usage_bytes(struct pf_vm *vm);
bool pf_target_exceeded(struct pf_vm *vm);
void pf_target_set(struct pf_vm *vm, u64 bytes);

#endif /* PF_TARGET_H */
