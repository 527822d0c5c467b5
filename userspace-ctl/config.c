// SPDX-License-Identifier: GPL-2.0-only
/*
 * /etc/pagefold/register.conf, what guests get that register themselves.
 *
 * Lines of "key = value", blank lines, and comments that begin with # or ;. Three keys and no
 * sections do not pay for a library in a static binary, and inih's lenience (unknown keys, long
 * lines and bytes after a NUL pass in silence) is wrong here: a misspelt domain would let tenants
 * share memory who must not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#define SPACE " \t\r"

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, SPACE);
	for (n = strlen(s); n && strchr(SPACE, s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

static int config_line(char *line, struct registration *r, struct err *e)
{
	char *key = trim(line), *eq;

	if (!*key || *key == '#' || *key == ';')
		return EX_DONE;
	eq = strchr(key, '=');
	if (!eq)
		return err_set(e, EX_BAD_INPUT, "%s: want key = value", QUOTE(key));
	*eq = '\0';
	key = trim(key);
	if (!strcmp(key, "name"))
		return err_set(e, EX_BAD_INPUT, "key \"name\": a name belongs to one guest; "
			       "want domain, policy or share");
	return registration_set(r, key, trim(eq + 1), e);
}

int config_parse(char *text, size_t len, struct registration *r, struct err *e)
{
	char *line = text;
	struct err why;
	int number = 0;
	int rc;

	if (memchr(text, '\0', len))
		return err_set(e, EX_BAD_INPUT, "holds a NUL byte, so it is not a text file");
	text[len] = '\0';
	while (line) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		number++;
		rc = config_line(line, r, &why);
		if (rc)
			return err_set(e, rc, "line %d: %s", number, why.text);
		line = end;
	}
	return EX_DONE;
}

int config_read(const char *path, struct registration *r, struct err *e)
{
	char text[CONFIG_MAX + 2];
	struct err why;
	size_t len = 0;
	ssize_t n;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT)
			return EX_DONE;
		return err_set(e, EX_BAD_INPUT, "%s: cannot open: %s", path, strerror(errno));
	}
	while ((n = read(fd, text + len, CONFIG_MAX + 1 - len)) > 0)
		len += n;
	rc = n < 0 ? errno : 0;
	close(fd);
	if (rc)
		return err_set(e, EX_BAD_INPUT, "%s: cannot read: %s", path, strerror(rc));
	if (len > CONFIG_MAX)
		return err_set(e, EX_BAD_INPUT, "%s: longer than %d bytes", path, CONFIG_MAX);
	rc = config_parse(text, len, r, &why);
	return rc ? err_set(e, rc, "%s: %s", path, why.text) : EX_DONE;
}
