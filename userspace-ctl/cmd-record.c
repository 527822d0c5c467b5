// SPDX-License-Identifier: GPL-2.0-only
/*
 * Record what the host and its VMs use, for report.
 *
 * pagefoldd records by itself, with its decisions; this is for hosts without it, and for baselines.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "record.h"
#include "sample.h"
#include "stop.h"

static int begin(int fd, struct err *e)
{
	struct record r = { .type = RECORD_START, .program = "pagefoldctl",
			    .interval_ms = options.interval_ms };
	struct utsname name;
	int rc;

	uname(&name);
	snprintf(r.kernel, sizeof(r.kernel), "%.*s", PF_NAME_MAX, name.release);
	rc = record_append(fd, &r);
	return rc ? err_set(e, EX_REFUSED, "cannot write: %s", strerror(-rc)) : EX_DONE;
}

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* Samples at whole intervals from the first, however long one takes; what is missed is left out. */
static int follow(int fd, int stop, struct err *e)
{
	uint64_t next = monotonic_ms(), now;
	struct pollfd wait = { .fd = stop, .events = POLLIN };
	int rc;

	for (uint64_t n = 1; ; n++) {
		rc = sample_append(fd, options.sysroot, e);
		if (rc || n == options.count)
			return rc;
		now = monotonic_ms();
		do
			next += options.interval_ms;
		while (next <= now);
		if (poll(&wait, 1, next - now) > 0)
			return EX_DONE;
	}
}

int cmd_record(int argc, char **argv)
{
	const char *path = options.output;
	int fd = STDOUT_FILENO, rc, stop;
	struct err e;

	(void)argc;
	rc = sysfs_present(options.sysroot, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	stop = stop_on_signals();
	if (stop < 0)
		return cmd_fail(argv[0], err_set(&e, EX_REFUSED, "signals: %s", strerror(-stop)),
				&e);
	if (path)
		fd = record_open(path);
	if (fd < 0)
		rc = err_set(&e, EX_REFUSED, "--output %s: cannot open to append: %s", QUOTE(path),
			     strerror(-fd));
	if (!rc)
		rc = begin(fd, &e);
	if (!rc)
		rc = follow(fd, stop, &e);
	if (path && fd >= 0 && close(fd) && !rc)
		rc = err_set(&e, EX_REFUSED, "%s: %s", QUOTE(path), strerror(errno));
	close(stop);
	return rc ? cmd_fail(argv[0], rc, &e) : EX_DONE;
}
