/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs.
 *
 * A verb gets its own name as argv[0] and returns an exit code of err.h.
 */
#ifndef PF_CMD_H
#define PF_CMD_H

#include "err.h"
#include "sysfs.h"

extern const char *sysroot;	/* --sysroot, or "" */

int cmd_register(int argc, char **argv);
int cmd_unregister(int argc, char **argv);
int cmd_uevent(int argc, char **argv);
int cmd_status(int argc, char **argv);

/* Print "pagefoldctl VERB: TEXT" to standard error and return @code. */
int cmd_fail(const char *verb, int code, const struct err *e);

extern const struct errno_text register_errnos[];
extern const struct errno_text unregister_errnos[];

#endif
