/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is said of a VM when it is registered.
 *
 * One grammar, key=value, for the command line, the configuration file and
 * /sys/kernel/pagefold/register.
 */
#ifndef PF_REGISTRATION_H
#define PF_REGISTRATION_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define PF_NAME_MAX	63		/* longest name or domain, without the NUL */
#define PF_SHARE_MAX	10000
#define PF_PID_MAX	4194304		/* PID_MAX_LIMIT of a 64-bit kernel */

struct registration {
	int pid;
	char name[PF_NAME_MAX + 1];	/* empty: the module's default, here and below */
	char domain[PF_NAME_MAX + 1];
	const char *policy;		/* NULL: the module's default */
	unsigned int share;		/* 0: the module's default */
};

/*
 * Read a decimal number from @s: digits only, no sign, no space, nothing after them.
 * Return: 0, -EINVAL when it is not such a number, -ERANGE when it is outside @min..@max.
 */
int parse_number(const char *s, unsigned long long min, unsigned long long max,
		 unsigned long long *value);

int parse_pid(const char *s, int *pid, struct err *e);

bool name_is_valid(const char *s);

/* Make a valid name of any text: what is not allowed becomes '-', what is too long is cut. */
void name_sanitize(const char *s, char name[PF_NAME_MAX + 1]);

/*
 * Take "key" = "value" into @r. A key given twice is an error, for nobody can know which was meant.
 * Return: EX_DONE, or EX_BAD_INPUT with the reason in @e.
 */
int registration_set(struct registration *r, const char *key, const char *value, struct err *e);

/* The line to write to .../register, without a newline. Return: its length. */
int registration_format(const struct registration *r, char *buf, size_t size);

/* The longest such line fits: "PID name=.. domain=.. policy=madvise share=10000". */
#define REGISTRATION_LINE_MAX 256

#endif
