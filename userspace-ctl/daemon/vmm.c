// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc tells of a VMM beyond its name: since when it runs, whose it is, where its monitor is.
 *
 * A command line is whatever its process wants it to be. It only says where to look: who answers
 * there is checked by link.c.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "vmm.h"

#define CMDLINE_MAX	131072
#define ELEMENT_MAX	256
#define CHARDEVS	16

/* Take the next element off QEMU's a=b,c=d list; a doubled comma is a comma. */
static const char *next_element(const char *list, char element[ELEMENT_MAX])
{
	size_t n = 0;

	for (; *list && (*list != ',' || list[1] == ','); list++) {
		if (n < ELEMENT_MAX - 1)
			element[n++] = *list;
		list += *list == ',';
	}
	element[n] = '\0';
	return list + (*list == ',');
}

static bool option_value(const char *list, const char *key, char *value, size_t size)
{
	size_t n = strlen(key);
	char element[ELEMENT_MAX];

	while (*list) {
		list = next_element(list, element);
		if (!strncmp(element, key, n) && element[n] == '=' &&
		    strlen(element + n + 1) < size) {
			strcpy(value, element + n + 1);
			return true;
		}
	}
	return false;
}

struct sockets {
	struct {
		char id[64], path[VMM_PATH_MAX];
	} chardevs[CHARDEVS];
	size_t nchardevs, npaths;
	char (*paths)[VMM_PATH_MAX];
};

static void add_path(struct sockets *s, const char *path)
{
	if (s->npaths < VMM_PATHS && *path)
		snprintf(s->paths[s->npaths++], VMM_PATH_MAX, "%s", path);
}

/* -qmp unix:PATH,server=on or -qmp chardev:ID */
static void take_qmp(struct sockets *s, const char *value)
{
	char first[ELEMENT_MAX];

	next_element(value, first);
	if (!strncmp(first, "unix:", 5) && strlen(first + 5) < VMM_PATH_MAX)
		add_path(s, first + 5);
}

static void take_chardev(struct sockets *s, const char *value)
{
	char kind[ELEMENT_MAX];
	size_t n = s->nchardevs;

	next_element(value, kind);
	if (n < CHARDEVS && !strcmp(kind, "socket") &&
	    option_value(value, "id", s->chardevs[n].id, sizeof(s->chardevs[n].id)) &&
	    option_value(value, "path", s->chardevs[n].path, sizeof(s->chardevs[n].path)))
		s->nchardevs++;
}

static void take_mon(struct sockets *s, const char *value)
{
	char id[64], mode[16] = "";

	if (!option_value(value, "mode", mode, sizeof(mode)) || strcmp(mode, "control") ||
	    !option_value(value, "chardev", id, sizeof(id)))
		return;
	for (size_t i = 0; i < s->nchardevs; i++)
		if (!strcmp(s->chardevs[i].id, id))
			add_path(s, s->chardevs[i].path);
}

static void each_option(const char *cmdline, size_t len, const char *option,
			void (*take)(struct sockets *s, const char *value), struct sockets *s)
{
	const char *end = cmdline + len, *arg = cmdline, *nul;
	bool is_value = false;

	/* An argument without its NUL was cut off: not to be trusted. */
	for (; arg < end && (nul = memchr(arg, '\0', end - arg)); arg = nul + 1) {
		if (is_value)
			take(s, arg);
		is_value = !is_value && *arg == '-' &&
			   (!strcmp(arg + 1, option) ||
			    (arg[1] == '-' && !strcmp(arg + 2, option)));
	}
}

size_t cmdline_qmp_paths(const char *cmdline, size_t len, char paths[VMM_PATHS][VMM_PATH_MAX])
{
	struct sockets s = { .paths = paths };

	each_option(cmdline, len, "chardev", take_chardev, &s);
	each_option(cmdline, len, "qmp", take_qmp, &s);
	each_option(cmdline, len, "mon", take_mon, &s);
	return s.npaths;
}

/* Like file_read(), but a command line holds NULs, so its length is what counts. */
static size_t read_cmdline(const char *sysroot, int pid, char *buf, size_t size)
{
	char path[PATH_MAX];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/cmdline", sysroot, pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(buf, 1, size, f);
		fclose(f);
	}
	return n;
}

uint64_t vmm_start(const char *sysroot, int pid)
{
	char path[64], stat[2048], *at;
	uint64_t start;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read(sysroot, path, stat, sizeof(stat)))
		return 0;
	/* The name may hold anything, a bracket too: what counts stands after the last. */
	at = strrchr(stat, ')');
	if (!at || sscanf(at + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			  "%*s %*s %*s %*s %20" SCNu64, &start) != 1)
		return 0;
	return start;
}

static bool status_number(const char *sysroot, int pid, const char *key, uint64_t *value)
{
	char path[64], status[8192], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read(sysroot, path, status, sizeof(status)))
		return false;
	at = strstr(status, key);
	return at && sscanf(at + strlen(key), "%20" SCNu64, value) == 1;
}

uint64_t vmm_swapped(const char *sysroot, int pid)
{
	uint64_t kib;

	return status_number(sysroot, pid, "\nVmSwap:", &kib) ? kib * 1024 : 0;
}

bool vmm_read(const char *sysroot, int pid, struct vmm *vmm)
{
	static char cmdline[CMDLINE_MAX];
	uint64_t uid;
	size_t n;

	*vmm = (struct vmm){ .start = vmm_start(sysroot, pid) };
	if (!vmm->start || !status_number(sysroot, pid, "\nUid:", &uid))
		return false;
	vmm->uid = uid;
	n = read_cmdline(sysroot, pid, cmdline, sizeof(cmdline));
	vmm->npaths = cmdline_qmp_paths(cmdline, n, vmm->paths);
	return true;
}
