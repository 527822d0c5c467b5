// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's memory as /proc tells it: how much, how much is left, swap, and pressure.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

#define MEMINFO		"/proc/meminfo"
#define PRESSURE	"/proc/pressure/memory"

int file_read(const char *sysroot, const char *path, char *buf, size_t size)
{
	char full[PATH_MAX];
	size_t len = 0;
	ssize_t n;
	int fd, rc;

	snprintf(full, sizeof(full), "%s%s", sysroot, path);
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno;
	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += n;
	rc = len == size ? EFBIG : n < 0 ? errno : 0;
	close(fd);
	if (!rc)
		buf[len] = '\0';
	return rc;
}

/* The value of the line "KEY:   N kB" in bytes. */
static int meminfo_value(const char *sysroot, const char *text, const char *key, uint64_t *bytes,
			 struct err *e)
{
	const char *at = strstr(text, key);
	uint64_t kib;
	char unit[3];

	/* A key begins a line: "SwapTotal:" is no "Total:". */
	while (at && at != text && at[-1] != '\n')
		at = strstr(at + 1, key);
	if (!at || sscanf(at + strlen(key), ": %18" SCNu64 " %2s", &kib, unit) != 2 ||
	    strcmp(unit, "kB") || kib > UINT64_MAX / 1024)
		return err_set(e, EX_BAD_INPUT, "%s" MEMINFO ": no line \"%s: N kB\"", sysroot,
			       key);
	*bytes = kib * 1024;
	return EX_DONE;
}

/* "some avg10=1.25 ..." as 125. Return: whether it is there. */
static bool pressure_value(const char *text, const char *key, unsigned int *hundredths)
{
	const char *at = strstr(text, key);
	unsigned int whole, part;

	if (!at || sscanf(at + strlen(key), " avg10=%3u.%2u", &whole, &part) != 2 || whole > 100)
		return false;
	*hundredths = whole * 100 + part;
	return true;
}

int memory_read(const char *sysroot, struct memory *m, struct err *e)
{
	uint64_t swap_free = 0;
	char text[16384];
	int rc;

	*m = (struct memory){ 0 };
	rc = file_read(sysroot, MEMINFO, text, sizeof(text));
	if (rc)
		return err_set(e, EX_REFUSED, "%s" MEMINFO ": cannot read: %s", sysroot,
			       strerror(rc));
	rc = meminfo_value(sysroot, text, "MemTotal", &m->total, e);
	if (!rc)
		rc = meminfo_value(sysroot, text, "MemAvailable", &m->available, e);
	if (!rc)
		rc = meminfo_value(sysroot, text, "SwapTotal", &m->swap_total, e);
	if (!rc)
		rc = meminfo_value(sysroot, text, "SwapFree", &swap_free, e);
	if (rc)
		return rc;
	if (swap_free > m->swap_total)
		return err_set(e, EX_BAD_INPUT,
			       "%s" MEMINFO ": SwapFree %" PRIu64
			       " is more than SwapTotal %" PRIu64, sysroot, swap_free, m->swap_total);
	m->swap_used = m->swap_total - swap_free;
	if (!file_read(sysroot, PRESSURE, text, sizeof(text)))
		m->has_psi = pressure_value(text, "some", &m->psi_some) &&
			     pressure_value(text, "full", &m->psi_full);
	return EX_DONE;
}
