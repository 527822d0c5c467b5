/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs.
 *
 * A verb gets its own name as argv[0] and returns an exit code of err.h. How many arguments there
 * may be and which options has been looked at before.
 */
#ifndef PF_CMD_H
#define PF_CMD_H

#include "err.h"
#include "options.h"
#include "sysfs.h"

#define PF_VERSION "0.1"

int cmd_status(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_register(int argc, char **argv);
int cmd_unregister(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_target(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_uevent(int argc, char **argv);

/* Print "pagefoldctl VERB: TEXT", or an object with --json, to standard error and return @code. */
int cmd_fail(const char *verb, int code, const struct err *e);

/* The exit code after printing, which returned 0 or -errno. */
int cmd_printed(const char *verb, int rc);

extern const struct errno_text register_errnos[];
extern const struct errno_text unregister_errnos[];

#endif
