// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make a process's memory foldable.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "registration.h"

const struct errno_text register_errnos[] = {
	{ ESRCH, "no process has this id" },
	{ EINVAL, "a kernel thread, or a line that the module does not take" },
	{ EEXIST, "registered already, or shares its memory with a process that is" },
	{ EBUSY, "it moves its memory all the time, and may still share with another domain" },
	{ ENOSPC, "16383 VMs are registered, which is the limit" },
	{ ENOMEM, "not enough memory for its bookkeeping, or to unfold what it shares elsewhere" },
	{ EINTR, "a signal came first" },
	{ ERANGE, "the process id or a value is out of range" },
	{ EACCES, "only root may register a VM" },
	{ 0 }
};

static int take_setting(struct registration *r, const char *arg, struct err *e)
{
	const char *eq = strchr(arg, '=');
	char key[16] = "";

	if (!eq || (size_t)(eq - arg) >= sizeof(key))
		return err_set(e, EX_BAD_INPUT,
			       "%s: want name=N, domain=D, policy=madvise|always or share=1..%d",
			       QUOTE(arg), PF_SHARE_MAX);
	memcpy(key, arg, eq - arg);
	return registration_set(r, key, eq + 1, e);
}

int cmd_register(int argc, char **argv)
{
	struct registration r = { 0 };
	char line[REGISTRATION_LINE_MAX];
	struct err e;
	int rc;

	if (argc < 2)
		return cmd_fail(argv[0], err_set(&e, EX_BAD_INPUT, "want a PID"), &e);
	rc = parse_pid(argv[1], &r.pid, &e);
	for (int i = 2; !rc && i < argc; i++)
		rc = take_setting(&r, argv[i], &e);
	if (!rc)
		rc = sysfs_present(options.sysroot, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	registration_format(&r, line, sizeof(line));
	if (sysfs_write(options.sysroot, "register", line, register_errnos, &e))
		return cmd_fail(argv[0], EX_REFUSED, &e);
	return EX_DONE;
}
