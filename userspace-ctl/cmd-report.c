// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make a page with timelines of a record.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "record.h"
#include "report.h"

/* The page appears whole or not at all: under another name first. */
static int print_file(const struct timeline *t, const char *path, struct err *e)
{
	char *new;
	FILE *to;
	int fd, rc;

	if (asprintf(&new, "%s.XXXXXX", path) < 0)
		return err_set(e, EX_REFUSED, "no memory");
	fd = mkostemp(new, O_CLOEXEC);
	to = fd < 0 ? NULL : fdopen(fd, "w");
	if (!to) {
		rc = err_set(e, EX_REFUSED, "--output %s: cannot make: %s", QUOTE(path),
			     strerror(errno));
		goto out;
	}
	fchmod(fd, 0644);
	rc = report_print(t, to);
	if (fclose(to) && !rc)
		rc = -errno;
	if (!rc && rename(new, path))
		rc = -errno;
	if (rc) {
		unlink(new);
		rc = err_set(e, EX_REFUSED, "--output %s: cannot write: %s", QUOTE(path),
			     strerror(-rc));
	}
out:
	free(new);
	return rc;
}

/* What pagefoldd put aside when the record was full. */
static FILE *open_older(const char *path)
{
	FILE *older = NULL;
	char *name;

	if (asprintf(&name, "%s.old", path) < 0)
		return NULL;
	older = fopen(name, "re");
	free(name);
	return older;
}

int cmd_report(int argc, char **argv)
{
	struct timeline t = { 0 };
	struct err e, why;
	FILE *from, *older;
	int rc;

	(void)argc;
	if (options.json)
		return cmd_fail(argv[0], err_set(&e, EX_BAD_INPUT,
						 "--json: a report is a page; the record itself "
						 "is JSON"),
				&e);
	from = fopen(options.record, "re");
	if (!from)
		return cmd_fail(argv[0], err_set(&e, EX_REFUSED, "--record %s: cannot open: %s",
						 QUOTE(options.record), strerror(errno)), &e);
	older = open_older(options.record);
	rc = timeline_read(older, from, &t, &why);
	if (older)
		fclose(older);
	fclose(from);
	if (rc)
		rc = err_set(&e, rc, "--record %s: %s", QUOTE(options.record), why.text);
	else if (options.output)
		rc = print_file(&t, options.output, &e);
	else if (report_print(&t, stdout))
		rc = err_set(&e, EX_REFUSED, "cannot write");
	if (!rc && t.bad_lines)
		fprintf(stderr, "pagefoldctl report: %zu lines left out, the first is line %zu: "
				"%s\n",
			t.bad_lines, t.bad_line, t.bad_why);
	timeline_free(&t);
	return rc ? cmd_fail(argv[0], rc, &e) : EX_DONE;
}
