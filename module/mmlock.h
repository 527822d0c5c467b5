/* SPDX-License-Identifier: GPL-2.0-only */
/* Wait for the lock of an address space, but not for ever. */
#ifndef PF_MMLOCK_H
#define PF_MMLOCK_H

#include <linux/types.h>

struct mm_struct;

int pf_mm_read_lock(struct mm_struct *mm);
int pf_mm_read_try(struct mm_struct *mm);
int pf_mm_read_soon(struct mm_struct *mm);
int pf_mm_write_soon(struct mm_struct *mm);
void pf_mm_exit(void);
bool pf_mm_exiting(void);

#endif /* PF_MMLOCK_H */
