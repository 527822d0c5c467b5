/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VMM has beside its guest's RAM: one place for whoever reckons with it.
 *
 * QEMU has 30 to 150 MiB, whatever the guest has, and something for each page of a large one. Who
 * divides memory counts with what is usual; who doubts a monitor's word lets twice that pass, but of a
 * small guest's not so much that half of its RAM could be hidden in it.
 */
#ifndef PF_BESIDE_H
#define PF_BESIDE_H

#include "arith.h"

#define VMM_LEAST	(64ull << 20)
#define VMM_MOST	(256ull << 20)

static inline uint64_t vmm_usual(uint64_t ram)
{
	return min_of(max_of(ram / 16, VMM_LEAST), VMM_MOST);
}

static inline uint64_t vmm_at_most(uint64_t ram)
{
	return max_of(min_of(2 * vmm_usual(ram), VMM_LEAST + ram / 8), ram / 64);
}

#endif
