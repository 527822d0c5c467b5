/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc tells of a VMM beyond process.h: since when it runs, whose it is, what is swapped.
 */
#ifndef PF_VMM_H
#define PF_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vmm {
	uint64_t start;		/* clock ticks after boot: with the pid, no other process has it */
	uid_t uid;
};

/* Return: false when there is no such process. */
bool vmm_read(const char *sysroot, int pid, struct vmm *vmm);

/* When process @pid was started, 0: there is none. */
uint64_t vmm_start(const char *sysroot, int pid);

/* Whether process @pid was started at @start; one that is there and cannot be read is taken for it. */
bool vmm_is(const char *sysroot, int pid, uint64_t start);

/* How much address space it has, in bytes; 0: there is no such process. */
uint64_t vmm_size(const char *sysroot, int pid);

/* What of it is in swap, in bytes; 0 also when nobody knows. */
uint64_t vmm_swapped(const char *sysroot, int pid);

/* The same. Return: whether it is known. */
bool vmm_knows_swapped(const char *sysroot, int pid, uint64_t *bytes);

#endif
