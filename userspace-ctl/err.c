// SPDX-License-Identifier: GPL-2.0-only
/*
 * An error as a sentence and an exit code.
 *
 * Names come from the command lines of other processes, so text that is repeated to a terminal or a
 * log is quoted: an escape sequence in a guest's name must not reach the reader's terminal.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

const char *quote(char *buf, size_t size, const char *s)
{
	static const char cut[] = "...\"";
	size_t n = 0;

	buf[n++] = '"';
	for (; *s; s++) {
		unsigned char c = *s;
		char one[5];
		int len = 1;

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
			one[0] = c;
		else
			len = snprintf(one, sizeof(one), "\\x%02x", c);
		if (n + len + sizeof(cut) > size) {
			memcpy(buf + n, cut, sizeof(cut));
			return buf;
		}
		memcpy(buf + n, one, len);
		n += len;
	}
	buf[n++] = '"';
	buf[n] = '\0';
	return buf;
}
