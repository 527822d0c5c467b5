/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An error as a sentence and an exit code.
 *
 * Parsers do not print: they fill a struct err and return the code, so that the same parser serves
 * the command line, the configuration file and the tests, and whoever calls it adds where the text
 * came from.
 */
#ifndef PF_ERR_H
#define PF_ERR_H

#include <stddef.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Exit codes; the man page lists them. */
enum {
	EX_DONE = 0,
	EX_REFUSED = 1,		/* the kernel or the module said no, or reading failed */
	EX_BAD_INPUT = 2,	/* arguments, environment or configuration are malformed */
	EX_NO_MODULE = 3,	/* /sys/kernel/pagefold is not there */
	EX_NO_VM = 4,		/* no VM is called so */
	EX_TROUBLE = 5,		/* doctor found what has to be done */
};

struct err {
	char text[512];
};

int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Copy @s in double quotes, what is unprintable as \xNN, cut with "..." when it does not fit. */
const char *quote(char *buf, size_t size, const char *s);

#define QUOTED_MAX 96
#define QUOTE(s) quote((char [QUOTED_MAX]) { 0 }, QUOTED_MAX, (s))

#endif
