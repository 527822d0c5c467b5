/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in for the kernel's header of this name: what the kernel keeps when it switches tasks. */
#ifndef SHIM_ASM_FPU_TYPES_H
#define SHIM_ASM_FPU_TYPES_H

#define XFEATURE_MASK_SSE	2
#define XFEATURE_MASK_YMM	4

#endif /* SHIM_ASM_FPU_TYPES_H */
