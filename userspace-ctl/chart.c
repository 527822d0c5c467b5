// SPDX-License-Identifier: GPL-2.0-only
/*
 * A timeline as SVG.
 *
 * Own code rather than gnuplot, which the benchmarks use: an operator's host should not need it,
 * the page has to follow the reader's dark or light colours, and marks have to carry their reason
 * as a tooltip.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "chart.h"
#include "size.h"

#define WIDTH		900
#define LEFT		76	/* room for the values */
#define RIGHT		12
#define TOP		8
#define FOOT		34	/* room for the times */
#define DRAWN_MAX	600	/* points of a line; a pixel or two apart */
#define GRID		4

void html_text(const char *text, FILE *to)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", to);
		else if (*text == '>')
			fputs("&gt;", to);
		else if (*text == '&')
			fputs("&amp;", to);
		else if (*text == '"')
			fputs("&quot;", to);
		else
			fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', to);
	}
}

const char *rung_color(const char *name)
{
	static const struct {
		const char *name, *color;
	} colors[] = {
		{ "share", "#1b9e77" },
		{ "report", "#66a61e" },
		{ "balloon", "#7570b3" },
		{ "pageout", "#d95f02" },
		{ "emergency", "#c2185b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(colors); i++)
		if (!strcmp(name, colors[i].name))
			return colors[i].color;
	return "#777";
}

/* A round number, @value or above, of which GRID equal parts are round too, in bytes as well. */
static double round_top(double value, bool percent)
{
	static const double parts[] = { 2, 4, 6, 8, 10 };
	double step = 1;
	size_t i = 0;

	if (value <= 0)
		return percent ? 1 : 1 << 20;
	/* Bytes: round in their own unit; percent: in tens. */
	if (!percent)
		while (value / step >= 1024)
			step *= 1024;
	while (step * 10 < value)
		step *= 10;
	while (step >= value && step > 1e-3)
		step /= 10;
	while (i + 1 < ARRAY_SIZE(parts) && step * parts[i] < value)
		i++;
	return step * parts[i];
}

static double x_of(const struct chart *c, uint64_t time_ms)
{
	double span = c->to_ms > c->from_ms ? c->to_ms - c->from_ms : 1;
	double at = time_ms < c->from_ms ? 0 : time_ms - c->from_ms;

	return LEFT + (WIDTH - LEFT - RIGHT) * fmin(at / span, 1);
}

static double y_of(const struct chart *c, double top, double value)
{
	return TOP + c->height * (1 - fmin(value / top, 1));
}

/* Of more points than can be seen the largest of each neighbourhood: a spike must not get lost. */
static size_t pick(const struct series *s, size_t from, size_t *next)
{
	size_t step = s->count > DRAWN_MAX ? (s->count + DRAWN_MAX - 1) / DRAWN_MAX : 1;
	size_t best = from;

	*next = from + step < s->count ? from + step : s->count;
	for (size_t i = from; i < *next; i++)
		if (s->points[i].value > s->points[best].value)
			best = i;
	return best;
}

static void print_path(const struct chart *c, const struct chart_line *line, double top, FILE *to)
{
	const struct series *s = line->series;
	bool pen = false;
	double x = LEFT, y, last_y = 0;

	for (size_t at = 0, next; at < s->count; at = next) {
		const struct point *p = &s->points[pick(s, at, &next)];

		x = x_of(c, p->time_ms);
		y = y_of(c, top, p->value);
		if (line->shape == SHAPE_STEP && pen)
			fprintf(to, "H%.1f", x);
		if (line->shape == SHAPE_STEP && p->value == 0) {
			pen = false;
			continue;
		}
		if (!pen && line->shape == SHAPE_AREA)
			fprintf(to, "M%.1f %.1fL%.1f %.1f", x, y_of(c, top, 0), x, y);
		else if (line->shape == SHAPE_STEP && pen && y == last_y)
			continue;
		else
			fprintf(to, "%c%.1f %.1f", pen ? 'L' : 'M', x, y);
		pen = true;
		last_y = y;
	}
	if (line->shape == SHAPE_AREA && pen)
		fprintf(to, "L%.1f %.1fZ", x, y_of(c, top, 0));
}

static void print_line(const struct chart *c, const struct chart_line *line, double top, FILE *to)
{
	if (!line->series->count)
		return;
	fputs("<path d=\"", to);
	print_path(c, line, top, to);
	if (line->shape == SHAPE_AREA)
		fprintf(to, "\" fill=\"%s\" fill-opacity=\".25\" stroke=\"%s\"/>\n", line->color,
			line->color);
	else
		fprintf(to, "\" fill=\"none\" stroke=\"%s\" "
			    "stroke-width=\"1.6\"%s/>\n", line->color,
			line->shape == SHAPE_STEP ? " stroke-dasharray=\"6 3\"" : "");
}

static void print_grid(const struct chart *c, double top, FILE *to)
{
	for (int i = 0; i <= GRID; i++) {
		double value = top * i / GRID, y = y_of(c, top, value);

		fprintf(to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
			"text-anchor=\"end\">", LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4);
		if (c->percent)
			fprintf(to, "%.3g%%</text>\n", value);
		else
			fprintf(to, "%s</text>\n", i ? SIZE_TEXT(value) : "0");
	}
}

/* Times since the beginning, at round steps. */
static void print_times(const struct chart *c, FILE *to)
{
	static const unsigned int steps[] = {
		1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400,
	};
	uint64_t span = (c->to_ms - c->from_ms) / 1000, step;
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(steps) && span / steps[i] > 8)
		i++;
	for (step = steps[i]; span / step > 8; step *= 2)
		;
	for (uint64_t at = 0; at <= span; at += step) {
		double x = x_of(c, c->from_ms + at * 1000);

		fprintf(to, "<path class=\"grid\" d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\" "
			"text-anchor=\"middle\">", x, TOP + c->height, x, TOP + c->height + 18);
		if (span < 3600)
			fprintf(to, "%" PRIu64 ":%02" PRIu64 "</text>\n", at / 60, at % 60);
		else
			fprintf(to, "%" PRIu64 ":%02" PRIu64 " h</text>\n", at / 3600,
				at / 60 % 60);
	}
}

static void print_bands(const struct chart *c, FILE *to)
{
	static const char * const colors[STATES] = { NULL, "#f2c744", "#ef8a3c", "#d6342c" };
	const struct series *s = c->bands;

	for (size_t i = 0, end; s && i < s->count; i = end) {
		int state = s->points[i].value;
		double from = x_of(c, s->points[i].time_ms), until;

		for (end = i + 1; end < s->count && s->points[end].value == state; end++)
			;
		until = end < s->count ? x_of(c, s->points[end].time_ms) : x_of(c, c->to_ms);
		if (colors[state])
			fprintf(to, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
				"fill=\"%s\" fill-opacity=\".2\"><title>host state: "
				"%s</title></rect>\n",
				from, TOP, fmax(until - from, 1), c->height, colors[state],
				state_names[state]);
	}
}

static void print_marks(const struct chart *c, FILE *to)
{
	for (size_t i = 0; i < c->mark_count; i++) {
		const struct moment *m = &c->marks[i];

		if (m->type != RECORD_DECISION || m->pid != c->mark_pid ||
		    strcmp(m->name, c->mark_name))
			continue;
		fprintf(to, "<rect x=\"%.1f\" y=\"%d\" width=\"3\" height=\"8\" "
			    "fill=\"%s\"><title>",
			x_of(c, m->time_ms) - 1.5, TOP + c->height - 8, rung_color(m->word));
		html_text(m->word, to);
		fputs(": ", to);
		html_text(m->text, to);
		fputs("</title></rect>\n", to);
	}
}

static void print_legend(const struct chart *c, FILE *to)
{
	fputs("<p class=\"legend\">", to);
	for (const struct chart_line *line = c->lines; line->series; line++)
		if (line->series->count) {
			fprintf(to, "<span><i style=\"background:%s\"></i>", line->color);
			html_text(line->label, to);
			fputs("</span> ", to);
		}
	fputs("</p>\n", to);
}

void chart_print(const struct chart *c, FILE *to)
{
	double top = c->least_top;

	for (const struct chart_line *line = c->lines; line->series; line++)
		top = fmax(top, series_max(line->series));
	top = round_top(top, c->percent);
	print_legend(c, to);
	fprintf(to, "<div class=\"wide\"><svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH,
		TOP + c->height + FOOT);
	print_bands(c, to);
	print_grid(c, top, to);
	print_times(c, to);
	for (const struct chart_line *line = c->lines; line->series; line++)
		print_line(c, line, top, to);
	print_marks(c, to);
	fputs("</svg></div>\n", to);
}
