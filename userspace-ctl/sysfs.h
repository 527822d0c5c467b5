/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's attributes under /sys/kernel/pagefold.
 */
#ifndef PF_SYSFS_H
#define PF_SYSFS_H

#include <stddef.h>

#include "err.h"

#define SYSFS_DIR "/sys/kernel/pagefold"

/* What an errno of one attribute means, for attributes where strerror() says too little. */
struct errno_text {
	int number;
	const char *meaning;
};

/*
 * Write @value to attribute @attr in one write, as sysfs wants it.
 * Return: 0, or the errno with a sentence in @e that takes its meaning from @meanings (ends with
 * number 0).
 */
int sysfs_write(const char *sysroot, const char *attr, const char *value,
		const struct errno_text *meanings, struct err *e);

/* Read attribute @attr, without its newline. Return: 0 or an errno; says nothing. */
int sysfs_read(const char *sysroot, const char *attr, char *buf, size_t size);

/* Whether the module is loaded. Return: EX_DONE, or EX_NO_MODULE with a sentence in @e. */
int sysfs_present(const char *sysroot, struct err *e);

#endif
