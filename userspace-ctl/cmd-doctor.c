// SPDX-License-Identifier: GPL-2.0-only
/*
 * Look at this host, and say what to do.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "cmd.h"
#include "doctor.h"
#include "table.h"

static const char * const words[] = { "ok", "note", "trouble" };

static const struct column columns[] = {
	{ "CHECK", "check", CELL_TEXT, false },
	{ "VERDICT", "verdict", CELL_TEXT, false },
	{ "FOUND", "found", CELL_TEXT, false },
	{ "WHAT TO DO", "advice", CELL_TEXT, false },
};

/* A table of sentences is too wide to read: advice gets a line of its own. */
static int print_text(const struct findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct finding *one = &f->list[i];

		printf("%-8s %-13s %s\n", words[one->verdict], one->check, one->found);
		if (*one->advice)
			printf("%22s %s\n", "->", one->advice);
	}
	return fflush(stdout) || ferror(stdout) ? -EIO : 0;
}

static int print_json(const struct findings *f)
{
	struct table *table = table_new(columns, ARRAY_SIZE(columns));
	struct json_object *object;
	int rc = table ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < f->count; i++) {
		const struct finding *one = &f->list[i];

		rc = table_add(table, (struct cell []) {
			CELL_OF_TEXT(one->check),
			CELL_OF_TEXT(words[one->verdict]),
			CELL_OF_TEXT(one->found),
			{ .present = *one->advice, .text = one->advice },
		});
	}
	if (!rc) {
		object = json_object_new_object();
		json_object_object_add(object, "findings", table_json(table));
		rc = json_print(object, stdout);
	}
	table_free(table);
	return rc;
}

int cmd_doctor(int argc, char **argv)
{
	static struct findings f;
	int code = EX_DONE, rc;

	(void)argc;
	doctor_look(options.sysroot, &f);
	for (size_t i = 0; i < f.count; i++)
		if (f.list[i].verdict == DOCTOR_TROUBLE)
			code = EX_TROUBLE;
	rc = cmd_printed(argv[0], options.json ? print_json(&f) : print_text(&f));
	return rc ? rc : code;
}
