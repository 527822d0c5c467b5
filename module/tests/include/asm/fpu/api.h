/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in for the kernel's header of this name.
 *
 * A test can take the registers away, and sees whether they were asked for and given back.
 */
#ifndef SHIM_ASM_FPU_API_H
#define SHIM_ASM_FPU_API_H

#include <linux/types.h>

/**
 * struct shim_fpu - who has the wide registers
 * @kept: features that the kernel keeps when it switches tasks
 * @taken: by somebody else on this CPU
 * @ours: between begin and end
 * @begun: how often they were asked for
 */
struct shim_fpu {
	u64 kept;
	bool taken;
	bool ours;
	unsigned int begun;
};

extern struct shim_fpu shim_fpu;

void kernel_fpu_begin(void);
void kernel_fpu_end(void);

static inline bool irq_fpu_usable(void)
{
	return !shim_fpu.taken;
}

static inline int cpu_has_xfeatures(u64 features, const char **name)
{
	return (shim_fpu.kept & features) == features;
}

#endif /* SHIM_ASM_FPU_API_H */
