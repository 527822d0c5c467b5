// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register and unregister guests as KVM says that they come and go.
 *
 * KVM sends a change uevent of its misc device for every VM with EVENT=create or destroy and PID=
 * the thread that created it. Events are handled some time later, so everything may have changed
 * meanwhile; what has settled itself by then (the process has gone, is registered, is not
 * registered) is no error.
 *
 * At create time the guest's memory is not set up yet. That is no matter: the module finds memory
 * by scanning.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "config.h"
#include "process.h"
#include "registration.h"

#define DEFAULT_DOMAIN "default"

static int event_create(int tid, struct err *e)
{
	struct registration r = { 0 };
	char line[REGISTRATION_LINE_MAX];
	char path[4096];
	int rc;

	snprintf(path, sizeof(path), "%s" CONFIG_PATH, options.sysroot);
	rc = config_read(path, &r, e);
	if (rc)
		return rc;
	if (!*r.domain)
		snprintf(r.domain, sizeof(r.domain), "%s", DEFAULT_DOMAIN);

	r.pid = process_of_thread(options.sysroot, tid);
	/* KVM sends the event before the VM has its file descriptor: the device's must do. */
	if (!r.pid || !process_has_kvm(options.sysroot, r.pid, true))
		return EX_DONE;
	process_vm_name(options.sysroot, r.pid, r.name);
	registration_format(&r, line, sizeof(line));
	rc = sysfs_write(options.sysroot, "register", line, register_errnos, e);
	return !rc || rc == EEXIST || rc == ESRCH ? EX_DONE : EX_REFUSED;
}

static int event_destroy(int tid, struct err *e)
{
	int pid = process_of_thread(options.sysroot, tid);
	char line[32];
	int rc;

	/* Gone: so is its entry. Still with a VM: it had several, or the id is another's now. */
	if (!pid || process_has_kvm(options.sysroot, pid, false))
		return EX_DONE;
	snprintf(line, sizeof(line), "%d", pid);
	rc = sysfs_write(options.sysroot, "unregister", line, unregister_errnos, e);
	return !rc || rc == ENOENT ? EX_DONE : EX_REFUSED;
}

int cmd_uevent(int argc, char **argv)
{
	const char *event = getenv("EVENT"), *id = getenv("PID");
	struct err e;
	int rc, tid;

	if (argc > 1)
		rc = err_set(&e, EX_BAD_INPUT, "%s: want no arguments: the event is environment",
			     QUOTE(argv[1]));
	else if (!event || !id)
		rc = err_set(&e, EX_BAD_INPUT, "%s is not set, as it is in the uevents of KVM",
			     event ? "PID" : "EVENT");
	else
		rc = parse_pid(id, &tid, &e);
	if (!rc)
		rc = sysfs_present(options.sysroot, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);

	if (!strcmp(event, "create"))
		rc = event_create(tid, &e);
	else if (!strcmp(event, "destroy"))
		rc = event_destroy(tid, &e);
	else
		rc = err_set(&e, EX_BAD_INPUT, "EVENT %s: want create or destroy", QUOTE(event));
	return rc ? cmd_fail(argv[0], rc, &e) : EX_DONE;
}
