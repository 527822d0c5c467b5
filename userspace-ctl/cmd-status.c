// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of the registered VMs.
 *
 * Columns are rows of one array. The table is printed by hand rather than by libsmartcols because
 * the binary is static, to run where no library is: in the virtual host and in an initramfs.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "registration.h"

#define PAGE_BYTES	4096
#define MIB		(1024.0 * 1024.0)

enum unit { TEXT, BYTES, PAGES };

static const struct column {
	const char *header;
	const char *attr;	/* NULL: the directory's name, the process id */
	enum unit unit;		/* BYTES and PAGES are shown in MiB and summed up */
	int width;		/* negative: to the left */
} columns[] = {
	{ "PID",	NULL,			TEXT,	7 },
	{ "NAME",	"name",			TEXT,	-12 },
	{ "DOMAIN",	"domain",		TEXT,	-10 },
	{ "RAM",	"eligible_bytes",	BYTES,	8 },
	{ "RESIDENT",	"resident_bytes",	BYTES,	8 },
	{ "FOLDED",	"folded_pages",		PAGES,	8 },
	{ "ZERO",	"zero_pages",		PAGES,	8 },
	{ "SAVED",	"saved_bytes",		BYTES,	8 },
};

#define COLUMNS ARRAY_SIZE(columns)

static int is_pid_dir(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]);
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	int x = atoi((*a)->d_name), y = atoi((*b)->d_name);

	return (x > y) - (x < y);
}

/* Read one row before any of it is printed: a VM may go while it is read. Return: 0 or an errno. */
static int read_row(const char *pid, char cells[COLUMNS][PF_NAME_MAX + 1])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		char attr[PATH_MAX];
		int rc;

		if (!columns[i].attr) {
			snprintf(cells[i], sizeof(cells[i]), "%.10s", pid);
			continue;
		}
		snprintf(attr, sizeof(attr), "vms/%s/%s", pid, columns[i].attr);
		rc = sysfs_read(sysroot, attr, cells[i], sizeof(cells[i]));
		if (rc)
			return rc;
	}
	return 0;
}

static void print_row(char cells[COLUMNS][PF_NAME_MAX + 1], double totals[COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		double bytes;

		if (columns[i].unit == TEXT) {
			printf("%*s ", columns[i].width, cells[i]);
			continue;
		}
		bytes = strtod(cells[i], NULL) * (columns[i].unit == PAGES ? PAGE_BYTES : 1);
		totals[i] += bytes;
		printf("%*.1f ", columns[i].width, bytes / MIB);
	}
	putchar('\n');
}

static void print_totals(const double totals[COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++)
		if (columns[i].unit == TEXT)
			printf("%*s ", columns[i].width, i == 0 ? "total" : i == 1 ? "MiB" : "");
		else
			printf("%*.1f ", columns[i].width, totals[i] / MIB);
	putchar('\n');
}

int cmd_status(int argc, char **argv)
{
	char cells[COLUMNS][PF_NAME_MAX + 1];
	double totals[COLUMNS] = { 0 };
	struct dirent **vms;
	char path[PATH_MAX];
	struct err e;
	int n, rc;

	rc = sysfs_present(sysroot, &e);
	if (!rc && argc > 1)
		rc = err_set(&e, EX_BAD_INPUT, "%s: want no arguments", QUOTE(argv[1]));
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms", sysroot);
	n = scandir(path, &vms, is_pid_dir, by_number);
	if (n < 0)
		return cmd_fail(argv[0], err_set(&e, EX_REFUSED, "%s: %s", path, strerror(errno)),
				&e);

	for (size_t i = 0; i < COLUMNS; i++)
		printf("%*s ", columns[i].width, columns[i].header);
	putchar('\n');
	for (int i = 0; i < n; i++) {
		/* A VM that went meanwhile has no row; any other trouble shows as one missing. */
		if (!read_row(vms[i]->d_name, cells))
			print_row(cells, totals);
		free(vms[i]);
	}
	free(vms);
	print_totals(totals);
	return fflush(stdout) ? EX_REFUSED : EX_DONE;
}
