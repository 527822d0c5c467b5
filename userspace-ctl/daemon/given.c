// SPDX-License-Identifier: GPL-2.0-only
/*
 * Targets that the daemon wrote itself, kept over its own death.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "given.h"

#define LINE_BYTES	96

uint64_t given_hand(const struct given *g, uint64_t target)
{
	return target && target != g->last && target != g->next ? target : 0;
}

size_t given_read(const char *sysroot, struct given *list, size_t max, struct err *e)
{
	char path[PATH_MAX], line[LINE_BYTES], rest;
	size_t n = 0;
	FILE *f;

	*e->text = '\0';
	snprintf(path, sizeof(path), "%s" GIVEN_PATH, sysroot);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (n < max && fgets(line, sizeof(line), f)) {
		struct given g;

		if (sscanf(line, "%d %" SCNu64 " %" SCNu64 " %" SCNu64 " %u%c", &g.pid,
			   &g.start, &g.last, &g.next, &g.paused, &rest) != 6 || rest != '\n') {
			err_set(e, EX_BAD_INPUT, "%s:%zu: want five numbers; what it says is "
				"forgotten, and targets that stand are taken for the operator's",
				path, n + 1);
			n = 0;
			break;
		}
		list[n++] = g;
	}
	fclose(f);
	return n;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		text += n;
		len -= n;
	}
	return 0;
}

int file_replace(const char *sysroot, const char *path, const char *text, size_t len,
		 struct err *e)
{
	char full[PATH_MAX], fresh[PATH_MAX + 8];
	int fd, rc;

	snprintf(full, sizeof(full), "%s%s", sysroot, path);
	snprintf(fresh, sizeof(fresh), "%s.new", full);
	/* A link that somebody laid there is not followed. */
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_set(e, EX_REFUSED, "%s: %s", fresh, strerror(errno));
	rc = write_all(fd, text, len);
	if (close(fd) && !rc)
		rc = errno;
	if (!rc && rename(fresh, full))
		rc = errno;
	if (rc) {
		unlink(fresh);
		return err_set(e, EX_REFUSED, "%s: %s", full, strerror(rc));
	}
	return EX_DONE;
}

int given_write(const char *sysroot, const struct given *list, size_t n, struct err *e)
{
	char *text = malloc(n * LINE_BYTES + 1);
	size_t len = 0;
	int rc;

	if (!text)
		return err_set(e, EX_REFUSED, "no memory");
	for (size_t i = 0; i < n; i++)
		len += sprintf(text + len, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %u\n",
			       list[i].pid, list[i].start, list[i].last, list[i].next,
			       list[i].paused);
	rc = file_replace(sysroot, GIVEN_PATH, text, len, e);
	free(text);
	return rc;
}
