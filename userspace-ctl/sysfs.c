// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's attributes under /sys/kernel/pagefold.
 *
 * @sysroot stands before every path: empty on a host, a directory in tests and when looking at a
 * dump of another machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"

static int sysfs_open(const char *sysroot, const char *attr, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/%s", sysroot, attr);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysfs_present(const char *sysroot, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" SYSFS_DIR, sysroot);
	if (access(path, F_OK))
		return err_set(e, EX_NO_MODULE, "%s: %s; is the module loaded (modprobe pagefold)?",
			       path, strerror(errno));
	return EX_DONE;
}

static const char *meaning_of(const struct errno_text *meanings, int number)
{
	for (; meanings->number; meanings++)
		if (meanings->number == number)
			return meanings->meaning;
	return NULL;
}

int sysfs_write(const char *sysroot, const char *attr, const char *value,
		const struct errno_text *meanings, struct err *e)
{
	/* Truncated for a dump's plain files; sysfs does not mind. */
	int fd = sysfs_open(sysroot, attr, O_WRONLY | O_TRUNC);
	size_t len = strlen(value);
	const char *meaning;
	ssize_t n;
	int rc;

	if (fd < 0) {
		meaning = meaning_of(meanings, -fd);
		return err_set(e, -fd, "%s" SYSFS_DIR "/%s: cannot open for writing: %s%s%s",
			       sysroot, attr, strerror(-fd), meaning ? ": " : "",
			       meaning ? meaning : "");
	}
	n = write(fd, value, len);
	rc = n < 0 ? errno : 0;
	close(fd);
	if (!rc && (size_t)n != len)
		rc = EIO;
	if (!rc)
		return 0;
	meaning = meaning_of(meanings, rc);
	return err_set(e, rc, "writing %s to %s" SYSFS_DIR "/%s: %s%s%s", QUOTE(value), sysroot,
		       attr, strerror(rc), meaning ? ": " : "", meaning ? meaning : "");
}

int sysfs_read(const char *sysroot, const char *attr, char *buf, size_t size)
{
	int fd = sysfs_open(sysroot, attr, O_RDONLY);
	ssize_t n;
	int rc;

	if (fd < 0)
		return -fd;
	n = read(fd, buf, size - 1);
	rc = n < 0 ? errno : 0;
	close(fd);
	if (rc)
		return rc;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}
