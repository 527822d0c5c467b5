// SPDX-License-Identifier: GPL-2.0-only
/*
 * Targets that the daemon wrote itself, kept over its own death with what else cannot be seen.
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

static bool state_of(const char *word, enum host_state *state)
{
	for (enum host_state s = HOST_HIGH; s < HOST_STATES; s++) {
		if (!strcmp(word, host_state_name(s))) {
			*state = s;
			return true;
		}
	}
	return false;
}

static bool parse_host(const char *line, struct given_host *host)
{
	char by_free[8], by_psi[8], rest;

	return sscanf(line, "host %7s %7s%c", by_free, by_psi, &rest) == 3 && rest == '\n' &&
	       state_of(by_free, &host->by_free) && state_of(by_psi, &host->by_psi);
}

static bool parse_vm(const char *line, struct given *g)
{
	char rest;

	return sscanf(line, "%d %" SCNu64 " %" SCNu64 " %" SCNu64 " %u %u%c", &g->pid, &g->start,
		      &g->last, &g->next, &g->paused, &g->untrusted, &rest) == 7 && rest == '\n' &&
	       g->paused <= 1 && g->untrusted <= 1;
}

size_t given_read(const char *sysroot, struct given_host *host, struct given *list, size_t max,
		  struct err *e)
{
	char path[PATH_MAX], line[LINE_BYTES];
	size_t n = 0, number = 0;
	FILE *f;

	*e->text = '\0';
	*host = (struct given_host){ 0 };
	snprintf(path, sizeof(path), "%s" GIVEN_PATH, sysroot);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (n < max && fgets(line, sizeof(line), f)) {
		number++;
		if (number == 1 && parse_host(line, host))
			continue;
		if (parse_vm(line, &list[n])) {
			n++;
			continue;
		}
		err_set(e, EX_BAD_INPUT, "%s:%zu: want \"host\" and two states in the first line, "
			"else four numbers and two of 0 or 1; what it says is forgotten, and "
			"targets that stand are taken for the operator's", path, number);
		*host = (struct given_host){ 0 };
		n = 0;
		break;
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

int given_write(const char *sysroot, const struct given_host *host, const struct given *list,
		size_t n, struct err *e)
{
	char *text = malloc((n + 1) * LINE_BYTES);
	size_t len;
	int rc;

	if (!text)
		return err_set(e, EX_REFUSED, "no memory");
	len = sprintf(text, "host %s %s\n", host_state_name(host->by_free),
		      host_state_name(host->by_psi));
	for (size_t i = 0; i < n; i++)
		len += sprintf(text + len, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %u\n",
			       list[i].pid, list[i].start, list[i].last, list[i].next,
			       list[i].paused, list[i].untrusted);
	rc = file_replace(sysroot, GIVEN_PATH, text, len, e);
	free(text);
	return rc;
}
