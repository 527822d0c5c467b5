// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output from one description: a table for people or JSON for programs.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "size.h"
#include "table.h"

struct table {
	const struct column *columns;
	size_t width;
	struct cell *cells;	/* texts are ours */
	size_t rows;
};

struct table *table_new(const struct column *columns, size_t count)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->width = count;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->rows * table->width; i++)
		free((char *)table->cells[i].text);
	free(table->cells);
	free(table);
}

int table_add(struct table *table, const struct cell *cells)
{
	size_t width = table->width;
	struct cell *row, *grown;

	grown = reallocarray(table->cells, (table->rows + 1) * width, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	table->cells = grown;
	row = grown + table->rows * width;
	for (size_t i = 0; i < width; i++) {
		row[i] = cells[i];
		row[i].text = cells[i].text ? strdup(cells[i].text) : NULL;
		if (cells[i].text && !row[i].text) {
			while (i--)
				free((char *)row[i].text);
			return -ENOMEM;
		}
	}
	table->rows++;
	return 0;
}

const char *cell_text(enum cell_kind kind, const struct cell *cell, char *buf, size_t size)
{
	char bytes[SIZE_TEXT_MAX];

	if (!cell->present)
		return "-";
	switch (kind) {
	case CELL_TEXT:
		return cell->text;
	case CELL_BYTES:
		snprintf(buf, size, "%s", size_format(bytes, cell->number));
		break;
	case CELL_TENTHS:
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64, cell->number / 10, cell->number % 10);
		break;
	case CELL_BOOL:
		return cell->number ? "yes" : "no";
	case CELL_COUNT:
		snprintf(buf, size, "%" PRIu64, cell->number);
		break;
	}
	return buf;
}

static bool has_sums(const struct table *table)
{
	for (size_t i = 0; i < table->width; i++)
		if (table->columns[i].sum)
			return true;
	return false;
}

/* The sum of those cells of a column that are there; none when none is, or when it is no number. */
static struct cell sum_of(const struct table *table, size_t column)
{
	struct cell sum = { 0 };

	for (size_t row = 0; row < table->rows; row++) {
		const struct cell *cell = &table->cells[row * table->width + column];

		sum.present |= cell->present;
		if (cell->present &&
		    __builtin_add_overflow(sum.number, cell->number, &sum.number))
			return CELL_NONE;
	}
	return sum;
}

static int add_line(struct libscols_table *out, const struct table *table,
		    const struct cell *cells, bool sums)
{
	struct libscols_line *line = scols_table_new_line(out, NULL);

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < table->width; i++) {
		struct cell cell = sums ? sum_of(table, i) : cells[i];
		const char *text;
		char buf[32];

		if (sums && !table->columns[i].sum)
			text = i ? "" : "total";
		else
			text = cell_text(table->columns[i].kind, &cell, buf, sizeof(buf));
		if (scols_line_set_data(line, i, text))
			return -ENOMEM;
	}
	return 0;
}

static int add_columns(struct libscols_table *out, const struct table *table)
{
	for (size_t i = 0; i < table->width; i++) {
		bool left = table->columns[i].kind == CELL_TEXT;

		if (!scols_table_new_column(out, table->columns[i].header, 0,
					    left ? 0 : SCOLS_FL_RIGHT))
			return -ENOMEM;
	}
	return 0;
}

int table_print(const struct table *table, FILE *to)
{
	struct libscols_table *out = scols_new_table();
	int rc = -ENOMEM;

	if (!out)
		return rc;
	scols_table_set_stream(out, to);
	/* Never cut for a narrow terminal, and no spaces that nobody sees at the end of a line. */
	scols_table_set_termforce(out, SCOLS_TERMFORCE_NEVER);
	scols_table_enable_minout(out, 1);
	rc = add_columns(out, table);
	for (size_t row = 0; !rc && row < table->rows; row++)
		rc = add_line(out, table, table->cells + row * table->width, false);
	if (!rc && has_sums(table))
		rc = add_line(out, table, NULL, true);
	/* Without lines libsmartcols prints nothing, not even what the columns are. */
	if (!rc && !table->rows && !has_sums(table)) {
		for (size_t i = 0; i < table->width; i++)
			fprintf(to, "%s%s", i ? " " : "", table->columns[i].header);
		fputc('\n', to);
	} else if (!rc) {
		rc = scols_print_table(out);
	}
	scols_unref_table(out);
	if (!rc && (fflush(to) || ferror(to)))
		rc = -EIO;
	return rc;
}

static struct json_object *cell_json(enum cell_kind kind, const struct cell *cell)
{
	char text[32];

	if (!cell->present)
		return NULL;
	switch (kind) {
	case CELL_TEXT:
		return json_object_new_string(cell->text);
	case CELL_BOOL:
		return json_object_new_boolean(cell->number != 0);
	case CELL_TENTHS:
		return json_object_new_double_s(cell->number / 10.0,
						cell_text(kind, cell, text, sizeof(text)));
	default:
		return json_object_new_uint64(cell->number);
	}
}

static int add_member(struct json_object *object, const struct column *column,
		      const struct cell *cell)
{
	struct json_object *value = cell_json(column->kind, cell);

	if (cell->present && !value)
		return -ENOMEM;
	if (json_object_object_add(object, column->key, value)) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

struct json_object *table_json(const struct table *table)
{
	struct json_object *array = json_object_new_array(), *object;
	const struct cell *cell = table->cells;

	for (size_t row = 0; array && row < table->rows; row++) {
		object = json_object_new_object();
		if (!object || json_object_array_add(array, object))
			goto no_memory;
		for (size_t i = 0; i < table->width; i++)
			if (add_member(object, &table->columns[i], cell++))
				goto no_memory_member;
	}
	return array;
no_memory:
	json_object_put(object);
no_memory_member:
	json_object_put(array);
	return NULL;
}

struct json_object *table_sums_json(const struct table *table)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; object && i < table->width; i++) {
		struct cell sum = sum_of(table, i);

		if (table->columns[i].sum && add_member(object, &table->columns[i], &sum)) {
			json_object_put(object);
			return NULL;
		}
	}
	return object;
}

int json_print(struct json_object *object, FILE *to)
{
	const char *text = NULL;

	if (object)
		text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_SPACED |
						      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text) {
		json_object_put(object);
		return -ENOMEM;
	}
	fprintf(to, "%s\n", text);
	json_object_put(object);
	return fflush(to) || ferror(to) ? -EIO : 0;
}
