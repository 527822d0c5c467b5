// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes in bytes as people write and read them.
 *
 * libsmartcols' neighbours in util-linux have such a parser, but it is not in a library, and it
 * takes what is refused here: MB, hexadecimal numbers, leading space, a sign.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "size.h"

#define STEP_BITS	10
/* Digits after the point that count; a size has no more that matter below 2^64 bytes. */
#define FRACTION_DIGITS	18

static const char units[] = "BKMGTPE";

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The power of 1024 that a suffix stands for, -1 when it is none. */
static int unit_power(const char *s)
{
	const char *at;
	char letter = *s;

	if (!letter || !strcmp(s, "B"))
		return 0;
	if (letter >= 'a' && letter <= 'z')
		letter -= 'a' - 'A';
	at = strchr(units + 1, letter);
	if (!at || (s[1] && strcmp(s + 1, "iB")))
		return -1;
	return at - units;
}

int size_parse(const char *s, uint64_t min, uint64_t max, uint64_t *bytes)
{
	uint64_t whole = 0, part = 0, divisor = 1, v;
	int overflow = 0, digits = 0, power;

	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++) {
		overflow |= __builtin_mul_overflow(whole, 10, &whole);
		overflow |= __builtin_add_overflow(whole, *s - '0', &whole);
	}
	if (*s == '.') {
		if (!is_digit(*++s))
			return -EINVAL;
		for (; is_digit(*s); s++)
			if (digits++ < FRACTION_DIGITS) {
				part = part * 10 + (*s - '0');
				divisor *= 10;
			}
	}
	power = unit_power(s);
	if (power < 0 || (!power && digits))
		return -EINVAL;
	overflow |= __builtin_mul_overflow(whole, 1ULL << power * STEP_BITS, &v);
	part = ((unsigned __int128)part << power * STEP_BITS) / divisor;
	overflow |= __builtin_add_overflow(v, part, &v);
	if (overflow || v < min || v > max)
		return -ERANGE;
	*bytes = v;
	return 0;
}

int size_take(const char *what, const char *s, uint64_t min, uint64_t max, uint64_t *bytes,
	      struct err *e)
{
	if (!size_parse(s, min, max, bytes))
		return EX_DONE;
	return err_set(e, EX_BAD_INPUT, "%s %s: want a size like 512M or 1.5GiB, %s to %s", what,
		       QUOTE(s), SIZE_TEXT(min), SIZE_TEXT(max));
}

const char *size_format(char buf[SIZE_TEXT_MAX], uint64_t bytes)
{
	unsigned int power = 0;
	unsigned int tenths;
	uint64_t unit;

	while (power + 2 < sizeof(units) && bytes >> power * STEP_BITS >= 1024)
		power++;
	unit = 1ULL << power * STEP_BITS;
	tenths = ((unsigned __int128)bytes * 10 + unit / 2) / unit;
	if (tenths >= 10240 && power + 2 < sizeof(units)) {
		power++;
		unit <<= STEP_BITS;
		tenths = ((unsigned __int128)bytes * 10 + unit / 2) / unit;
	}
	if (bytes % unit)
		snprintf(buf, SIZE_TEXT_MAX, "%u.%u%ciB", tenths / 10, tenths % 10, units[power]);
	else if (power)
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "%ciB", bytes / unit, units[power]);
	else
		snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "B", bytes);
	return buf;
}
