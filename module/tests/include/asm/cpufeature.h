/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: what this CPU has, unless a test says otherwise. */
#ifndef SHIM_ASM_CPUFEATURE_H
#define SHIM_ASM_CPUFEATURE_H

#include <linux/types.h>

#define X86_FEATURE_AVX		"avx"
#define X86_FEATURE_AVX2	"avx2"

/* A CPU without wide registers. */
extern bool shim_cpu_is_plain;

#define boot_cpu_has(feature)	(__builtin_cpu_supports(feature) && !shim_cpu_is_plain)

#endif /* SHIM_ASM_CPUFEATURE_H */
