// SPDX-License-Identifier: GPL-2.0-only
/*
 * Take a process out of folding.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "registration.h"

const struct errno_text unregister_errnos[] = {
	{ ENOENT, "no VM with this id is registered" },
	{ EINVAL, "a line that the module does not take" },
	{ EINTR, "interrupted; what was not unfolded yet stays folded" },
	{ ENOMEM, "not enough free memory to unfold it" },
	{ EACCES, "only root may unregister a VM" },
	{ 0 }
};

int cmd_unregister(int argc, char **argv)
{
	char line[32];
	struct err e;
	int pid, rc;

	if (argc < 2)
		return cmd_fail(argv[0], err_set(&e, EX_BAD_INPUT, "want a PID"), &e);
	rc = parse_pid(argv[1], &pid, &e);
	if (!rc && (argc > 3 || (argc == 3 && strcmp(argv[2], "unfold"))))
		rc = err_set(&e, EX_BAD_INPUT, "%s: want nothing or unfold after the PID",
			     QUOTE(argv[argc - 1]));
	if (!rc)
		rc = sysfs_present(options.sysroot, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	snprintf(line, sizeof(line), "%d%s", pid, argc == 3 ? " unfold" : "");
	if (sysfs_write(options.sysroot, "unregister", line, unregister_errnos, &e))
		return cmd_fail(argv[0], EX_REFUSED, &e);
	return EX_DONE;
}
