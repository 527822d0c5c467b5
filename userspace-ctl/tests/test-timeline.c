// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading records for the report: order, VMs that take another's process id, lines that are none;
 * and the bars of top.
 */
#include <stdlib.h>

#include "chart.h"
#include "history.h"
#include "tap.h"
#include "timeline.h"

#define START "{\"type\":\"start\",\"time_ms\":1,\"format\":1}\n"

static int read_text(const char *text, struct timeline *t, struct err *e)
{
	FILE *from = fmemopen((char *)text, strlen(text), "r");
	int rc = timeline_read(NULL, from, t, e);

	fclose(from);
	return rc;
}

static bool order(void)
{
	struct timeline t;
	struct err e;
	bool good;

	EXPECT(!read_text(START
		"{\"type\":\"vm\",\"time_ms\":30,\"pid\":7,\"name\":\"a\",\"resident_bytes\":3,\"wss_bytes\":9,\"swapped_bytes\":4,\"double_paged_bytes\":2}\n"
		"{\"type\":\"vm\",\"time_ms\":10,\"pid\":7,\"name\":\"a\",\"resident_bytes\":1}\n"
		"{\"type\":\"vm\",\"time_ms\":20,\"pid\":7,\"name\":\"b\",\"usage_bytes\":2,\"resident_bytes\":5}\n"
		"\n"
		"{\"type\":\"decision\",\"time_ms\":25,\"pid\":7,\"name\":\"b\",\"rung\":\"balloon\",\"freed_bytes\":5}\n"
		"{\"type\":\"decision\",\"time_ms\":24,\"pid\":7,\"name\":\"b\",\"rung\":\"balloon\",\"freed_bytes\":6}\n"
		"{\"type\":\"weather\",\"time_ms\":99}\n"
		"{\"type\":\"host\",\"time_ms\":28", &t, &e), "%s", e.text);
	good = t.vm_count == 2 && t.vms[0].series[SERIES_USED].count == 2 &&
	       t.vms[0].series[SERIES_USED].points[0].value == 1 &&
	       t.vms[0].series[SERIES_USED].points[1].time_ms == 30 &&
	       t.vms[0].series[SERIES_WSS].count == 1 && t.vms[0].double_paged == 2 &&
	       t.vms[0].series[SERIES_SWAPPED].count == 1 &&
	       t.vms[0].series[SERIES_SWAPPED].points[0].value == 4 &&
	       t.vms[1].series[SERIES_USED].points[0].value == 2 && t.moment_count == 2 &&
	       t.moments[0].time_ms == 24 && t.rung_count == 1 && t.rungs[0].freed == 11 &&
	       t.rungs[0].decisions == 2 && t.first_ms == 1 && t.last_ms == 30 && !t.bad_lines;
	timeline_free(&t);
	EXPECT(good, "not as it was recorded");
	return true;
}

static bool bad_lines(void)
{
	static char line[2 * RECORD_LINE_MAX];
	struct timeline t;
	struct err e;
	bool good;

	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, START, sizeof(START) - 1);
	line[sizeof(line) - 2] = '\n';
	EXPECT(!read_text(line, &t, &e), "%s", e.text);
	good = t.bad_lines == 1 && t.bad_line == 2 && strstr(t.bad_why, "longer than");
	timeline_free(&t);
	EXPECT(good, "an endless line is taken");
	EXPECT(read_text("{\"type\":\"vm\",\"time_ms\":1,\"pid\":1}\n", &t, &e) == EX_BAD_INPUT &&
	       strstr(e.text, "want a start"), "%s", e.text);
	timeline_free(&t);
	EXPECT(read_text("{\"type\":\"start\",\"time_ms\":1,\"format\":9}\n", &t, &e) ==
	       EX_BAD_INPUT && strstr(e.text, "format 9"), "%s", e.text);
	timeline_free(&t);
	return true;
}

/* Of very many points a spike of one must still be drawn. */
static bool spike(void)
{
	static struct point points[100000];
	struct series s = { points, 100000, 100000 };
	struct chart c = { .from_ms = 0, .to_ms = 100000, .height = 100,
			   .lines = { { "x", "red", SHAPE_LINE, &s } } };
	char *text = NULL;
	size_t size;
	FILE *to;
	bool seen;

	for (size_t i = 0; i < s.count; i++)
		points[i] = (struct point){ i, i == 54321 ? 1 << 20 : 1 };
	to = open_memstream(&text, &size);
	chart_print(&c, to);
	fclose(to);
	/* At the top of the chart, and nowhere near as long as the points are many. */
	seen = strstr(text, " 8.0L") && size < 20000;
	if (!seen)
		printf("# %zu bytes: %.300s\n", size, text);
	free(text);
	EXPECT(seen, "the spike is lost");
	return true;
}

/* The largest that stands at the axis of a chart of nothing but @value percent. */
static double top_of(double value)
{
	struct point point = { 0, value };
	struct series s = { &point, 1, 1 };
	struct chart c = { .to_ms = 1000, .height = 100, .percent = true,
			   .lines = { { "x", "red", SHAPE_LINE, &s } } };
	char *text = NULL, *at;
	double top = 0, label;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	chart_print(&c, to);
	fclose(to);
	for (at = text; (at = strstr(at, "\"end\">")); at++)
		if (sscanf(at, "\"end\">%lf%%", &label) == 1 && label > top)
			top = label;
	free(text);
	return top;
}

/* But not so far below it that nothing can be seen. */
static bool nothing_is_above_the_axis(void)
{
	for (double value = 0.5; value < 5000; value *= 1.03) {
		double top = top_of(value);

		/* Labels have three digits. */
		EXPECT(top >= value * 0.99 && top <= value * 2.01, "%g on an axis to %g", value, top);
	}
	return true;
}

static bool escaping(void)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	bool same;

	html_text("<script>\"&\033\xc3", to);
	fclose(to);
	same = !strcmp(text, "&lt;script&gt;&quot;&amp;??");
	if (!same)
		printf("# %s\n", text);
	free(text);
	EXPECT(same, "not escaped");
	return true;
}

static bool bars(void)
{
	struct vm list[2] = { { .pid = 7 }, { .pid = 9 } };
	struct vms vms = { list, 2 };
	struct history h = { 0 };
	char buf[HISTORY_TEXT_MAX];
	bool good;

	list[0].value[VM_ELIGIBLE] = 800;
	list[1].value[VM_ELIGIBLE] = 100;
	for (int i = 0; i <= 8; i++) {
		list[0].value[VM_RESIDENT] = i * 100;
		list[1].value[VM_RESIDENT] = 5000;
		history_add(&h, &vms);
	}
	good = !strcmp(history_bar(&h, 7, false, buf), "_.-=+*%##") &&
	       !strcmp(history_bar(&h, 9, false, buf), "#########") &&
	       !strcmp(history_bar(&h, 7, true, buf), "▁▂▃▄▅▆▇██") &&
	       !*history_bar(&h, 8, false, buf);
	vms.count = 1;
	for (int i = 0; i < 100; i++)
		history_add(&h, &vms);
	good = good && strlen(history_bar(&h, 7, false, buf)) == HISTORY_SAMPLES &&
	       !*history_bar(&h, 9, false, buf) &&
	       strlen(history_bar(&h, 7, true, buf)) == HISTORY_SAMPLES * 3;
	history_free(&h);
	EXPECT(good, "%s", buf);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "records in order, VMs apart, a cut line skipped", order },
		{ "lines that are none are counted, files that are none refused", bad_lines },
		{ "a spike among very many points is drawn", spike },
		{ "nothing is above the axis", nothing_is_above_the_axis },
		{ "text becomes HTML that does nothing", escaping },
		{ "bars of top", bars },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
