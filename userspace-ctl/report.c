// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page of a record: self-contained HTML, timelines as SVG, no script.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "chart.h"
#include "report.h"
#include "size.h"

#define DECISIONS_SHOWN	200
#define BAR_WIDTH	600

static const char style[] =
	":root{color-scheme:light dark;--fg:#1d2430;"
	"--soft:#667085;--line:#d9dee7;--bg:#fff;--box:#f6f8fb}"
	"@media(prefers-color-scheme:dark){:root{--fg:#e6e9ef;--soft:#9aa4b5;--line:#39414f;"
	"--bg:#14181f;--box:#1d232d}}"
	"body{font:15px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);"
	"max-width:980px;margin:2em auto;padding:0 1em}"
	"h1{font-size:1.6em;margin:0}h2{font-size:1.15em;margin:2em 0 .3em}"
	"p{margin:.2em 0 .6em}.soft,.legend{color:var(--soft);font-size:.9em}"
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:.7em;"
	"margin:1.2em 0}.tile{background:var(--box);border-radius:8px;padding:.7em .9em}"
	".tile b{display:block;font-size:1.35em}.legend span{margin-right:1.2em;"
	"white-space:nowrap}"
	".legend i{display:inline-block;width:14px;height:4px;border-radius:2px;margin-right:5px;"
	"vertical-align:middle}svg{width:100%;height:auto;display:block}"
	"svg text{font-size:11px;fill:var(--soft)}.grid{stroke:var(--line);fill:none}"
	"table{border-collapse:collapse;width:100%;font-size:.88em}"
	"th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid var(--line)}"
	"td.n,th.n{text-align:right;white-space:nowrap}td.w{white-space:nowrap}"
	".warn{background:#fff3cd;color:#5c4500;border-radius:8px;padding:.6em .9em}"
	/* On a telephone what is wide is moved sideways: shrunk, nobody could read it. */
	".wide{overflow-x:auto}@media(max-width:640px){.wide svg{min-width:600px}"
	".wide table{min-width:760px}svg text{font-size:14px}}";

static void print_clock(uint64_t time_ms, FILE *to)
{
	time_t seconds = time_ms / 1000;
	char text[40];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%F %T", &tm))
		fputs(text, to);
}

static void print_tile(const char *label, const char *value, FILE *to)
{
	fprintf(to, "<div class=\"tile\"><b>%s</b>%s</div>\n", value, label);
}

/* RAM that is promised at the end, as far as VMs said. */
static double promised(const struct timeline *t)
{
	double sum = 0;

	for (size_t i = 0; i < t->vm_count; i++)
		sum += t->vms[i].last.value[VM_ELIGIBLE];
	return sum;
}

static void print_tiles(const struct timeline *t, FILE *to)
{
	uint64_t seconds = (t->last_ms - t->first_ms) / 1000;
	char text[64];

	fputs("<div class=\"tiles\">\n", to);
	snprintf(text, sizeof(text), "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600,
		 seconds / 60 % 60, seconds % 60);
	print_tile("recorded", text, to);
	snprintf(text, sizeof(text), "%zu", t->vm_count);
	print_tile(t->vm_count == 1 ? "guest" : "guests", text, to);
	if (t->total) {
		print_tile("memory of the host", SIZE_TEXT(t->total), to);
		snprintf(text, sizeof(text), "%.2f&times;", promised(t) / t->total);
		/* Which the module tells once it has looked at them. */
		if (promised(t) > 0)
			print_tile("of it promised as RAM", text, to);
		print_tile("most in use", SIZE_TEXT(series_max(&t->host[SERIES_IN_USE])), to);
		print_tile("most swapped", SIZE_TEXT(series_max(&t->host[SERIES_SWAP])), to);
	}
	print_tile("most saved by sharing", SIZE_TEXT(series_max(&t->host[SERIES_SAVED])), to);
	fputs("</div>\n", to);
}

static void print_head(const struct timeline *t, FILE *to)
{
	fprintf(to, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n"
		"<title>Pagefold: a recorded run</title>\n<style>%s</style></head><body>\n", style);
	fputs("<h1>Pagefold: a recorded run</h1>\n<p class=\"soft\">", to);
	print_clock(t->first_ms, to);
	fputs(" to ", to);
	print_clock(t->last_ms, to);
	fputs(" UTC", to);
	if (*t->kernel) {
		fputs(", Linux ", to);
		html_text(t->kernel, to);
	}
	if (*t->program) {
		fputs(", recorded by ", to);
		html_text(t->program, to);
	}
	fputs("</p>\n", to);
	if (!t->bad_lines)
		return;
	fprintf(to, "<p class=\"warn\">%zu line%s could not be read and %s missing "
		"here; the first is line %zu: ", t->bad_lines, t->bad_lines == 1 ? "" : "s",
		t->bad_lines == 1 ? "is" : "are", t->bad_line);
	html_text(t->bad_why, to);
	fputs("</p>\n", to);
}

static void print_host(const struct timeline *t, FILE *to)
{
	struct chart memory = {
		.from_ms = t->first_ms, .to_ms = t->last_ms, .least_top = t->total, .height = 220,
		.bands = &t->host[SERIES_STATE],
		.lines = {
			{ "in use", "#4269d0", SHAPE_AREA, &t->host[SERIES_IN_USE] },
			{ "swapped", "#d95f02", SHAPE_LINE, &t->host[SERIES_SWAP] },
			{ "saved by sharing", "#1b9e77", SHAPE_LINE, &t->host[SERIES_SAVED] },
		},
	};
	struct chart pressure = {
		.from_ms = t->first_ms, .to_ms = t->last_ms, .least_top = 1, .percent = true,
		.height = 90,
		.lines = {
			{ "some task waited for memory", "#4269d0", SHAPE_AREA,
			  &t->host[SERIES_SOME] },
			{ "all did", "#c2185b", SHAPE_LINE, &t->host[SERIES_FULL] },
		},
	};

	fputs("<h2>The host</h2>\n", to);
	if (t->host[SERIES_STATE].count)
		fputs("<p class=\"soft\">The ground is yellow while pagefoldd is in state soft, "
		      "orange in hard, red in low.</p>\n", to);
	chart_print(&memory, to);
	if (t->host[SERIES_SOME].count) {
		fputs("<h2>Pressure, percent of time</h2>\n", to);
		chart_print(&pressure, to);
	}
}

static void print_bar(const char *name, uint64_t bytes, double most, int row, FILE *to)
{
	double width = most > 0 ? BAR_WIDTH * (bytes / most) : 0;

	fprintf(to, "<text x=\"90\" y=\"%d\" text-anchor=\"end\">", row * 24 + 16);
	html_text(name, to);
	fprintf(to, "</text><rect x=\"98\" y=\"%d\" width=\"%.1f\" height=\"14\" rx=\"3\" "
		    "fill=\"%s\"/>"
		"<text x=\"%.1f\" y=\"%d\">%s</text>\n", row * 24 + 5, width, rung_color(name),
		104 + width, row * 24 + 16, SIZE_TEXT(bytes));
}

static bool is_shown(const struct rung *rung)
{
	return rung->freed && strcmp(rung->name, "share");
}

/* Sharing frees all the time without deciding anything: what it has saved at most stands for it. */
static void print_rungs(const struct timeline *t, FILE *to)
{
	double saved = series_max(&t->host[SERIES_SAVED]), most = saved;
	int row = saved > 0, rows = row;

	for (size_t i = 0; i < t->rung_count; i++) {
		rows += is_shown(&t->rungs[i]);
		most = fmax(most, t->rungs[i].freed);
	}
	if (!rows)
		return;
	fprintf(to, "<h2>What each rung gave back</h2>\n<p class=\"soft\">Sharing: the most that "
		"it saved at once. Others: all that they freed, added up.</p>\n"
		"<div class=\"wide\"><svg viewBox=\"0 0 900 %d\" role=\"img\">\n", rows * 24 + 8);
	if (saved > 0)
		print_bar("share", saved, most, 0, to);
	for (size_t i = 0; i < t->rung_count; i++)
		if (is_shown(&t->rungs[i]))
			print_bar(t->rungs[i].name, t->rungs[i].freed, most, row++, to);
	fputs("</svg></div>\n", to);
}

static void print_vm(const struct timeline *t, const struct timeline_vm *vm, FILE *to)
{
	struct chart chart = {
		.from_ms = t->first_ms, .to_ms = t->last_ms,
		.least_top = vm->last.value[VM_ELIGIBLE], .height = 130,
		.marks = t->moments, .mark_count = t->moment_count, .mark_pid = vm->last.pid,
		.mark_name = vm->last.name,
		.lines = {
			{ "used", "#4269d0", SHAPE_AREA, &vm->series[SERIES_USED] },
			{ "working set", "#66a61e", SHAPE_LINE, &vm->series[SERIES_WSS] },
			{ "balloon", "#7570b3", SHAPE_LINE, &vm->series[SERIES_BALLOON] },
			{ "saved by sharing", "#1b9e77", SHAPE_LINE, &vm->series[SERIES_VM_SAVED] },
			{ "in swap", "#d95f02", SHAPE_LINE, &vm->series[SERIES_SWAPPED] },
			{ "target", "#e6ab02", SHAPE_STEP, &vm->series[SERIES_TARGET] },
		},
	};

	fputs("<h2>", to);
	html_text(vm->last.name, to);
	fprintf(to, " <span class=\"soft\">process %d", vm->last.pid);
	if (*vm->last.domain) {
		fputs(", domain ", to);
		html_text(vm->last.domain, to);
	}
	if (vm->last.value[VM_ELIGIBLE])
		fprintf(to, ", %s of RAM", SIZE_TEXT(vm->last.value[VM_ELIGIBLE]));
	if (vm->double_paged)
		fprintf(to, ", %s paged out in vain at most", SIZE_TEXT(vm->double_paged));
	fputs("</span></h2>\n", to);
	chart_print(&chart, to);
}

static void print_moment(const struct timeline *t, const struct moment *m, FILE *to)
{
	uint64_t at = (m->time_ms - t->first_ms) / 1000;

	fprintf(to, "<tr><td class=\"n\">%" PRIu64 ":%02" PRIu64 ":%02" PRIu64 "</td>"
		"<td class=\"w\">",
		at / 3600, at / 60 % 60, at % 60);
	html_text(m->pid ? m->name : "host", to);
	fputs("</td><td class=\"w\">", to);
	/* It has what it is to have: its target alone was decided. */
	html_text(m->has_target && !strcmp(m->word, "none") ? "no rung" : m->word, to);
	fputs("</td><td class=\"n\">", to);
	if (m->has_target && m->from != m->to)
		fprintf(to, "%s &rarr; ", m->from ? SIZE_TEXT(m->from) : "none");
	if (m->has_target)
		fputs(m->to ? SIZE_TEXT(m->to) : "none", to);
	fprintf(to, "</td><td class=\"n\">%s</td><td>", m->has_freed && m->freed ? SIZE_TEXT(m->freed) : "");
	html_text(m->text, to);
	fputs("</td></tr>\n", to);
}

static void print_moments(const struct timeline *t, FILE *to)
{
	size_t first = t->moment_count > DECISIONS_SHOWN ? t->moment_count - DECISIONS_SHOWN : 0;

	if (!t->moment_count)
		return;
	fputs("<h2>Decisions and events</h2>\n", to);
	if (first)
		fprintf(to, "<p class=\"soft\">The last %d of %zu.</p>\n", DECISIONS_SHOWN,
			t->moment_count);
	fputs("<div class=\"wide\"><table><tr><th class=\"n\">after</th><th>who</th><th>what</th>"
	      "<th class=\"n\">target</th><th class=\"n\">freed</th><th>why</th></tr>\n", to);
	for (size_t i = first; i < t->moment_count; i++)
		print_moment(t, &t->moments[i], to);
	fputs("</table></div>\n", to);
}

int report_print(const struct timeline *t, FILE *to)
{
	print_head(t, to);
	print_tiles(t, to);
	print_host(t, to);
	print_rungs(t, to);
	if (t->moment_count && t->vm_count)
		fputs("<h2>The guests</h2>\n<p class=\"soft\">Each mark at the foot of a chart is a "
		      "decision, in its rung's colour; point at it to read why.</p>\n", to);
	for (size_t i = 0; i < t->vm_count; i++)
		print_vm(t, &t->vms[i], to);
	print_moments(t, to);
	fputs("</body></html>\n", to);
	return fflush(to) || ferror(to) ? -EIO : 0;
}
