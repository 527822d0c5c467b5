/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output from one description: a table for people or JSON for programs.
 *
 * A column is described once. Its cells keep what they are, bytes or counts, and only printing
 * decides whether that becomes "1.5GiB" or 1610612736. libsmartcols prints tables; its own JSON
 * knows no nesting, so JSON is made by json-c, which also reads it.
 */
#ifndef PF_TABLE_H
#define PF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_object;
struct table;

enum cell_kind {
	CELL_TEXT,
	CELL_COUNT,	/* a number that stays a number */
	CELL_BYTES,	/* 1.5GiB in the table, bytes in JSON */
	CELL_TENTHS,	/* a number of tenths: 12.5 for 125 */
	CELL_BOOL,	/* yes or no, true or false */
};

/**
 * struct column - what a column is
 * @header: over the column, for people
 * @key: in JSON
 * @kind: of its cells
 * @sum: whether the last row of the table has the sum of the column
 */
struct column {
	const char *header;
	const char *key;
	enum cell_kind kind;
	bool sum;
};

/**
 * struct cell - one value
 * @present: whether there is one: "-" in the table, null in JSON when there is none
 * @text: of CELL_TEXT; copied
 * @number: of all others
 */
struct cell {
	bool present;
	const char *text;
	uint64_t number;
};

#define CELL_OF_TEXT(s)		((struct cell){ .present = true, .text = (s) })
#define CELL_OF(n)		((struct cell){ .present = true, .number = (n) })
#define CELL_OF_IF(has, n)	((struct cell){ .present = (has), .number = (n) })
#define CELL_NONE		((struct cell){ 0 })

/**
 * table_new() - make an empty table
 * @columns: described for as long as the table is there
 * @count: how many they are
 *
 * Return: the table, to be freed with table_free(), or NULL without memory.
 */
struct table *table_new(const struct column *columns, size_t count);

/**
 * table_free() - free a table
 * @table: it, or NULL
 */
void table_free(struct table *table);

/**
 * table_add() - add a row
 * @table: to this
 * @cells: as many as the table has columns
 *
 * Return: 0, or -ENOMEM.
 */
int table_add(struct table *table, const struct cell *cells);

/**
 * table_print() - print for people
 * @table: it
 * @to: where to
 *
 * Colours and the width of a terminal do not matter to it: the same bytes come out everywhere.
 *
 * Return: 0, or -errno.
 */
int table_print(const struct table *table, FILE *to);

/**
 * table_json() - the rows as JSON
 * @table: it
 *
 * Return: an array of objects, to be put or to become part of another; NULL without memory.
 */
struct json_object *table_json(const struct table *table);

/**
 * table_sums_json() - the sums as JSON
 * @table: it
 *
 * Return: an object with the columns that are summed up, NULL without memory.
 */
struct json_object *table_sums_json(const struct table *table);

/**
 * cell_text() - a cell as people read it
 * @kind: of its column
 * @cell: it
 * @buf: where it may be made
 * @size: of @buf, 32 is enough for all but CELL_TEXT, which is not copied
 *
 * Return: the text.
 */
const char *cell_text(enum cell_kind kind, const struct cell *cell, char *buf, size_t size);

/**
 * json_print() - print JSON, indented and with a newline, and put it
 * @object: it; NULL is taken as lack of memory
 * @to: where to
 *
 * Return: 0, or -errno.
 */
int json_print(struct json_object *object, FILE *to);

#endif
