// SPDX-License-Identifier: GPL-2.0-only
/*
 * One description, two outputs.
 */
#include <json-c/json.h>
#include <stdlib.h>

#include "err.h"
#include "table.h"
#include "tap.h"

static const struct column columns[] = {
	{ "NAME", "name", CELL_TEXT, false },
	{ "PID", "pid", CELL_COUNT, false },
	{ "RAM", "ram_bytes", CELL_BYTES, true },
	{ "LOAD", "load", CELL_TENTHS, false },
	{ "OWN", "own", CELL_BOOL, false },
};

static struct table *two_rows(void)
{
	struct table *table = table_new(columns, ARRAY_SIZE(columns));
	char name[] = "first";
	struct cell one[] = {
		CELL_OF_TEXT(name), CELL_OF(7), CELL_OF(1610612736), CELL_OF(125), CELL_OF(1),
	};
	struct cell two[] = {
		CELL_OF_TEXT("x\"\033"), CELL_OF(18446744073709551615ULL),
		CELL_OF_IF(false, 99), CELL_NONE, CELL_OF(0),
	};

	table_add(table, one);
	/* Copied, so that the caller's buffer may be used for the next row. */
	name[0] = 'w';
	table_add(table, two);
	return table;
}

static bool prints(const struct table *table, const char *want)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	int rc = table_print(table, to);
	bool same;

	fclose(to);
	same = !rc && !strcmp(text, want);
	if (!same)
		printf("# returned %d and printed\n%s", rc, text);
	free(text);
	return same;
}

static bool text(void)
{
	struct table *table = two_rows();
	bool same = prints(table,
		"NAME                    PID    RAM LOAD OWN\n"
		"first                     7 1.5GiB 12.5 yes\n"
		"x\"\\x1b 18446744073709551615      -    -  no\n"
		"total                       1.5GiB\n");

	table_free(table);
	EXPECT(same, "not as wanted");
	return true;
}

static bool json(void)
{
	static const char want[] =
		"[{\"name\":\"first\",\"pid\":7,\"ram_bytes\":1610612736,\"load\":12.5,\"own\":true},"
		"{\"name\":\"x\\\"\\u001b\",\"pid\":18446744073709551615,\"ram_bytes\":null,"
		"\"load\":null,\"own\":false}]";
	struct table *table = two_rows();
	struct json_object *rows = table_json(table), *sums = table_sums_json(table);
	const char *got = json_object_to_json_string_ext(rows, JSON_C_TO_STRING_PLAIN);
	bool same = !strcmp(got, want);

	if (!same)
		printf("# %s\n", got);
	got = json_object_to_json_string_ext(sums, JSON_C_TO_STRING_PLAIN);
	if (strcmp(got, "{\"ram_bytes\":1610612736}")) {
		printf("# %s\n", got);
		same = false;
	}
	json_object_put(rows);
	json_object_put(sums);
	table_free(table);
	EXPECT(same, "not as wanted");
	return true;
}

static bool empty(void)
{
	struct table *summed = table_new(columns, ARRAY_SIZE(columns));
	struct table *plain = table_new(columns, 2);
	struct json_object *rows = table_json(plain);
	bool same;

	same = prints(summed, "NAME  PID RAM LOAD OWN\ntotal       -\n") &&
	       prints(plain, "NAME PID\n") && json_object_array_length(rows) == 0;
	json_object_put(rows);
	table_free(summed);
	table_free(plain);
	EXPECT(same, "not as wanted");
	return true;
}

static bool sum_is_too_large(void)
{
	struct table *table = table_new(columns, ARRAY_SIZE(columns));
	struct cell row[] = {
		CELL_OF_TEXT("a"), CELL_OF(1), CELL_OF(UINT64_MAX), CELL_OF(1), CELL_OF(1),
	};
	bool same;

	table_add(table, row);
	table_add(table, row);
	same = prints(table, "NAME  PID     RAM LOAD OWN\n"
			     "a       1 16.0EiB  0.1 yes\n"
			     "a       1 16.0EiB  0.1 yes\n"
			     "total           -\n");
	table_free(table);
	EXPECT(same, "not as wanted");
	return true;
}

static bool full_disk(void)
{
	struct table *table = two_rows();
	FILE *to = fopen("/dev/full", "w");
	int table_rc = table_print(table, to);
	int json_rc = json_print(table_json(table), to);

	fclose(to);
	table_free(table);
	EXPECT(table_rc < 0, "the table is said to be written");
	EXPECT(json_rc < 0, "JSON is said to be written");
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "a table with units, sums and what is not there", text },
		{ "JSON with numbers, null and escapes", json },
		{ "nothing but the columns", empty },
		{ "a sum that is no number any more is none", sum_is_too_large },
		{ "what cannot be written is told", full_disk },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
