/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A timeline as SVG.
 */
#ifndef PF_CHART_H
#define PF_CHART_H

#include <stdio.h>

#include "timeline.h"

#define CHART_LINES_MAX	7

enum chart_shape {
	SHAPE_LINE,
	SHAPE_AREA,
	SHAPE_STEP,	/* stays as it is until it changes; 0 is a gap: there was none */
};

/**
 * struct chart_line - one figure in a chart
 * @label: in the legend
 * @color: of CSS
 * @shape: how it is drawn
 * @series: what is drawn
 */
struct chart_line {
	const char *label;
	const char *color;
	enum chart_shape shape;
	const struct series *series;
};

/**
 * struct chart - a chart
 * @from_ms: left edge
 * @to_ms: right edge
 * @least_top: the value axis reaches up to this at least
 * @percent: whether values are percent; else bytes
 * @height: in pixels, without the axis of time
 * @lines: what is in it, ended by one without series
 * @bands: states of the host to colour the ground by, or NULL
 * @marks: decisions to be marked at the foot, or NULL
 * @mark_count: how many
 * @mark_pid: only those of this VM
 * @mark_name: likewise
 */
struct chart {
	uint64_t from_ms;
	uint64_t to_ms;
	double least_top;
	bool percent;
	int height;
	struct chart_line lines[CHART_LINES_MAX];
	const struct series *bands;
	const struct moment *marks;
	size_t mark_count;
	int mark_pid;
	const char *mark_name;
};

/**
 * chart_print() - print a chart and its legend
 * @c: it
 * @to: where to
 */
void chart_print(const struct chart *c, FILE *to);

/**
 * html_text() - print text as HTML
 * @text: any bytes; what is not printable ASCII becomes ?
 * @to: where to
 */
void html_text(const char *text, FILE *to);

/**
 * rung_color() - the colour that a rung has everywhere
 * @name: of the rung
 *
 * Return: of CSS.
 */
const char *rung_color(const char *name);

#endif
