// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of the command line: one list for all verbs, each of which takes some.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "record.h"
#include "registration.h"
#include "size.h"

#define INTERVAL_MAX_MS	(3600 * 1000ULL)
#define COUNT_MAX	1000000000ULL
#define GUESTS_MAX	16383ULL
#define SIZE_MIN	(1ULL << 20)

struct options options = {
	.sysroot = "",
	.interval_ms = 1000,
	.record = RECORD_PATH,
	.reserve = UINT64_MAX,
	.risk_hundredths = 500,
};

enum id {
	ID_SYSROOT = 256, ID_JSON, ID_HELP, ID_VERSION, ID_MODULE, ID_TRACE, ID_INTERVAL, ID_COUNT,
	ID_OUTPUT, ID_RECORD, ID_SIZE, ID_RESERVE, ID_RISK, ID_GUESTS,
	ID_OVERCOMMIT,
};

static const struct option longs[] = {
	{ "sysroot", required_argument, NULL, ID_SYSROOT },
	{ "json", no_argument, NULL, ID_JSON },
	{ "help", no_argument, NULL, ID_HELP },
	{ "version", no_argument, NULL, ID_VERSION },
	{ "module", no_argument, NULL, ID_MODULE },
	{ "trace", no_argument, NULL, ID_TRACE },
	{ "interval", required_argument, NULL, ID_INTERVAL },
	{ "count", required_argument, NULL, ID_COUNT },
	{ "output", required_argument, NULL, ID_OUTPUT },
	{ "record", required_argument, NULL, ID_RECORD },
	{ "size", required_argument, NULL, ID_SIZE },
	{ "reserve", required_argument, NULL, ID_RESERVE },
	{ "risk", required_argument, NULL, ID_RISK },
	{ "guests", required_argument, NULL, ID_GUESTS },
	{ "overcommit", required_argument, NULL, ID_OVERCOMMIT },
	{ 0 }
};

static const struct {
	enum id id;
	unsigned int bit;
} bits[] = {
	{ ID_INTERVAL, OPT_INTERVAL },
	{ ID_COUNT, OPT_COUNT },
	{ ID_OUTPUT, OPT_OUTPUT },
	{ ID_RECORD, OPT_RECORD },
	{ ID_SIZE, OPT_PLAN },
	{ ID_RESERVE, OPT_PLAN },
	{ ID_RISK, OPT_PLAN },
	{ ID_GUESTS, OPT_PLAN },
	{ ID_OVERCOMMIT, OPT_PLAN },
	{ ID_MODULE, OPT_MODULE },
	{ ID_TRACE, OPT_TRACE },
};

/* "2", "0.5", "0.25" with up to @digits after the point, as a whole number of the last digit. */
static int take_decimal(const char *option, const char *text, unsigned int digits, uint64_t min,
			uint64_t max, const char *unit, uint64_t *value, struct err *e)
{
	unsigned long long scale = 1, number, low = min, high = max;
	char joined[24];
	const char *point = strchr(text, '.');
	size_t whole = point ? (size_t)(point - text) : strlen(text);
	size_t part = point ? strlen(point + 1) : 0;

	for (unsigned int i = 0; i < digits; i++)
		scale *= 10;
	if (whole && whole + digits < sizeof(joined) && part <= digits && (!point || part)) {
		snprintf(joined, sizeof(joined), "%.*s%s%.*s", (int)whole, text,
			 point ? point + 1 : "", (int)(digits - part), "000000");
		if (!parse_number(joined, min, max, &number)) {
			*value = number;
			return EX_DONE;
		}
	}
	return err_set(e, EX_BAD_INPUT, "%s %s: want %s, %g to %llu", option, QUOTE(text), unit,
		       (double)low / scale, high / scale);
}

static int take_count(const char *option, const char *text, uint64_t max, uint64_t *value,
		      struct err *e)
{
	unsigned long long v;

	if (parse_number(text, 1, max, &v))
		return err_set(e, EX_BAD_INPUT, "%s %s: want a number, 1 to %llu", option,
			       QUOTE(text), (unsigned long long)max);
	*value = v;
	return EX_DONE;
}

static int take_path(const char *option, const char *text, const char **path, struct err *e)
{
	if (!*text || strlen(text) > 1024)
		return err_set(e, EX_BAD_INPUT, "%s %s: want a path of 1 to 1024 bytes", option,
			       QUOTE(text));
	*path = text;
	return EX_DONE;
}

static int take_value(int id, const char *text, struct err *e)
{
	uint64_t v = 0;
	int rc;

	switch (id) {
	case ID_SYSROOT:
		return take_path("--sysroot", text, &options.sysroot, e);
	case ID_OUTPUT:
		return take_path("--output", text, &options.output, e);
	case ID_RECORD:
		return take_path("--record", text, &options.record, e);
	case ID_INTERVAL:
		return take_decimal("--interval", text, 3, 100, INTERVAL_MAX_MS, "seconds",
				    &options.interval_ms, e);
	case ID_COUNT:
		return take_count("--count", text, COUNT_MAX, &options.count, e);
	case ID_SIZE:
		return size_take("--size", text, SIZE_MIN, INT64_MAX, &options.size, e);
	case ID_RESERVE:
		return size_take("--reserve", text, 0, INT64_MAX, &options.reserve, e);
	case ID_GUESTS:
		rc = take_count("--guests", text, GUESTS_MAX, &v, e);
		options.guests = v;
		return rc;
	case ID_OVERCOMMIT:
		rc = take_decimal("--overcommit", text, 2, 10, 10000, "a number", &v, e);
		options.overcommit_hundredths = v;
		return rc;
	default:
		rc = take_decimal("--risk", text, 2, 1, 5000, "percent", &v, e);
		options.risk_hundredths = v;
		return rc;
	}
}

static void take_flag(int id)
{
	options.json |= id == ID_JSON;
	options.help |= id == ID_HELP;
	options.version |= id == ID_VERSION;
	options.module |= id == ID_MODULE;
	options.trace |= id == ID_TRACE;
}

int options_take(int *argc, char **argv, unsigned int *given, struct err *e)
{
	uint64_t seen = 0;
	int id, rc;

	*given = 0;
	opterr = 0;
	while ((id = getopt_long(*argc, argv, ":", longs, NULL)) != -1) {
		const char *word = argv[optind - 1];

		if (id == ':')
			return err_set(e, EX_BAD_INPUT, "%s: wants a value", QUOTE(word));
		if (id == '?')
			return err_set(e, EX_BAD_INPUT, "no such option: %s", QUOTE(word));
		if (seen >> (id - ID_SYSROOT) & 1)
			return err_set(e, EX_BAD_INPUT, "--%s: given twice",
				       longs[id - ID_SYSROOT].name);
		seen |= 1ULL << (id - ID_SYSROOT);
		for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
			if ((int)bits[i].id == id)
				*given |= bits[i].bit;
		take_flag(id);
		rc = longs[id - ID_SYSROOT].has_arg ? take_value(id, optarg, e) : EX_DONE;
		if (rc)
			return rc;
	}
	/* getopt has moved what is no option to the end. */
	memmove(argv + 1, argv + optind, (*argc - optind + 1) * sizeof(*argv));
	*argc -= optind - 1;
	return EX_DONE;
}

const char *options_name(unsigned int wanted)
{
	static char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (bits[i].bit & wanted) {
			snprintf(name, sizeof(name), "--%s", longs[bits[i].id - ID_SYSROOT].name);
			break;
		}
	return name;
}
