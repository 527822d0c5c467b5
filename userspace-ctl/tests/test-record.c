// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records: what is written is read as it was, and what is no record is refused with a reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "record.h"
#include "tap.h"

static bool read_back(struct record *r, struct record *back)
{
	char *line = record_format(r);
	struct err e = { "" };
	int rc;

	if (!line)
		return false;
	rc = record_parse(line, strlen(line) - 1, back, &e);
	if (rc || line[strlen(line) - 1] != '\n')
		printf("# %s: %s", e.text, line);
	free(line);
	return !rc;
}

static bool round_trip(void)
{
	struct record r = { .type = RECORD_VM, .time_ms = 1795262400123ULL };
	struct record back;

	r.vm.pid = 4194304;
	strcpy(r.vm.name, "web-1");
	strcpy(r.vm.domain, "a:b");
	strcpy(r.vm.policy, "always");
	strcpy(r.vm.state, "balloon");
	for (int i = 0; i < VM_NR; i++) {
		r.vm.value[i] = i % 3 ? 0 : INT64_MAX - i;
		r.vm.has |= (uint64_t)(i % 3 != 2) << i;
		if (i % 3 == 2)
			r.vm.value[i] = 0;
	}
	r.has_paged = true;
	r.swapped = 1 << 20;
	r.double_paged = INT64_MAX;
	EXPECT(read_back(&r, &back), "vm");
	EXPECT(!memcmp(&r, &back, sizeof(r)), "the vm is another");

	r = (struct record){ .type = RECORD_HOST, .time_ms = 1, .word = "soft" };
	r.memory = (struct memory){ 1 << 30, 1 << 20, 1 << 10, 7, true, 125, 10000 };
	r.host.has = 1ULL << HOST_FRAMES | 1ULL << HOST_RUN;
	r.host.value[HOST_FRAMES] = 77;
	EXPECT(read_back(&r, &back), "host");
	EXPECT(back.type == RECORD_HOST && !strcmp(back.word, "soft") &&
	       !memcmp(&r.memory, &back.memory, sizeof(r.memory)) &&
	       !memcmp(&r.host, &back.host, sizeof(r.host)), "the host is another");

	r = (struct record){ .type = RECORD_DECISION, .time_ms = 2, .word = "pageout",
			     .has_target = true, .from = 5, .to = 0,
			     .text = "beyond its \"deadline\" <b>&\\" };
	r.vm.pid = 12;
	EXPECT(read_back(&r, &back) && !strcmp(r.text, back.text) && back.to == 0 &&
	       back.from == 5 && back.has_target && !back.has_freed && back.vm.pid == 12,
	       "the decision is another: %s", back.text);

	r = (struct record){ .type = RECORD_START, .time_ms = 3, .program = "pagefoldd",
			     .kernel = "6.12.95 #1", .interval_ms = 1000 };
	EXPECT(read_back(&r, &back) && !memcmp(&r, &back, sizeof(r)), "the start is another");

	r = (struct record){ .type = RECORD_EVENT, .time_ms = 4, .word = "vm-add" };
	memset(r.text, 'x', sizeof(r.text) - 1);
	r.text[3] = '\n';
	EXPECT(read_back(&r, &back) && strlen(back.text) == RECORD_TEXT_MAX - 1 &&
	       back.text[3] == '?', "the event is another: %s", back.text);
	return true;
}

static bool newer(void)
{
	static const char * const lines[] = {
		"{\"type\":\"weather\",\"time_ms\":5,\"rain\":[1,{}]}",
		"{\"type\":\"vm\",\"time_ms\":5,\"pid\":1,\"a_new_bytes\":\"x\"}",
	};
	struct record r;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		EXPECT(!record_parse(lines[i], strlen(lines[i]), &r, &e) && r.time_ms == 5, "%s",
		       e.text);
	EXPECT(r.type == RECORD_VM && !r.vm.has, "made up");
	return true;
}

static bool refused(void)
{
	static const struct {
		const char *line, *complaint;
	} table[] = {
		{ "", "not JSON" },
		{ "{\"type\":\"vm\"", "not JSON" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":1} x", "not JSON" },
		{ "[[[[[[[[[[", "not JSON: nesting too deep" },
		{ "null ", "want a JSON object" },
		{ "[1]", "want a JSON object" },
		{ "{\"time_ms\":1}", "type: want one" },
		{ "{\"type\":1,\"time_ms\":1}", "type: want one, as text" },
		{ "{\"type\":\"vm\"}", "time_ms: want one" },
		{ "{\"type\":\"vm\",\"time_ms\":-1}", "time_ms \"-1\": want a number" },
		{ "{\"type\":\"vm\",\"time_ms\":1}", "pid: a vm must have one" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":4194305}",
		  "pid \"4194305\": want a number, 0 to 4194304" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":1.5}", "pid \"1.5\": want" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":1,\"wss_bytes\":\"7\"}",
		  "wss_bytes \"7\": want a number" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":1,\"share\":9223372036854775808}",
		  "share \"9223372036854775808\": want a number, 0 to 9223372036854775807" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":1,\"name\":\"a b\"}",
		  "name \"a b\": want 1 to 63" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":1,\"name\":\"a\\u0000b\"}",
		  "name \"a\": want a text" },
		{ "{\"type\":\"vm\",\"time_ms\":1,\"pid\":1,\"name\":7}",
		  "name \"7\": want a text" },
		{ "{\"type\":\"host\",\"time_ms\":1,\"psi_some_percent\":100.1}",
		  "psi_some_percent \"100.1\": want a number, 0 to 100" },
		{ "{\"type\":\"host\",\"time_ms\":1,\"psi_some_percent\":\"1\"}",
		  "psi_some_percent \"1\": want" },
		{ "{\"type\":\"start\",\"time_ms\":1}", "format: want one" },
		{ "{\"type\":\"start\",\"time_ms\":1,\"format\":2}",
		  "format 2: this program reads 1" },
	};
	static char longest[RECORD_LINE_MAX + 1];
	struct record r;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		e.text[0] = '\0';
		EXPECT(record_parse(table[i].line, strlen(table[i].line), &r, &e) == EX_BAD_INPUT,
		       "row %zu is taken", i);
		EXPECT(strstr(e.text, table[i].complaint), "row %zu says: %s", i, e.text);
	}
	memset(longest, ' ', RECORD_LINE_MAX);
	EXPECT(record_parse(longest, RECORD_LINE_MAX, &r, &e) == EX_BAD_INPUT &&
	       strstr(e.text, "longer than 8191"), "%s", e.text);
	return true;
}

static bool appending(void)
{
	char path[] = "/tmp/test-record.XXXXXX", text[4096];
	struct record r = { .type = RECORD_EVENT, .word = "run" };
	int fd = mkstemp(path), full = open("/dev/full", O_WRONLY);
	ssize_t n;

	fcntl(fd, F_SETFL, O_APPEND);
	EXPECT(!record_append(fd, &r) && r.time_ms > 1700000000000ULL, "first");
	EXPECT(!record_append(fd, &r), "second");
	n = pread(fd, text, sizeof(text) - 1, 0);
	unlink(path);
	close(fd);
	EXPECT(n > 0, "nothing was written");
	text[n] = '\0';
	EXPECT(n % 2 == 0 && text[n - 1] == '\n' && text[n / 2 - 1] == '\n' &&
	       !memcmp(text, text + n / 2, n / 2), "%s", text);
	EXPECT(record_append(full, &r) == -ENOSPC, "a full disk is no error");
	close(full);
	return true;
}

/* What a crash cut off must not take the next line with it. */
static bool cut_off(void)
{
	char path[] = "/tmp/test-record.XXXXXX", text[4096];
	struct record r = { .type = RECORD_EVENT, .word = "run", .time_ms = 1 };
	int fd = mkstemp(path);
	ssize_t n;

	EXPECT(write(fd, "{\"type\":\"ev", 11) == 11, "write");
	close(fd);
	for (int i = 0; i < 2; i++) {
		fd = record_open(path);
		EXPECT(fd >= 0, "open: %d", fd);
		EXPECT(!record_append(fd, &r), "append");
		n = pread(fd, text, sizeof(text) - 1, 0);
		close(fd);
	}
	unlink(path);
	EXPECT(n > 0, "nothing was written");
	text[n] = '\0';
	EXPECT(!strcmp(text, "{\"type\":\"ev\n"
		       "{\"type\":\"event\",\"time_ms\":1,\"event\":\"run\"}\n"
		       "{\"type\":\"event\",\"time_ms\":1,\"event\":\"run\"}\n"), "%s", text);
	EXPECT(record_open("/dev/null") == -EINVAL, "a device is no record");
	EXPECT(record_open("/nonexistent/x") == -ENOENT, "no directory");
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "what is written is read as it was", round_trip },
		{ "types and keys of newer programs are skipped", newer },
		{ "what is no record is refused with key, value and range", refused },
		{ "records are appended whole", appending },
		{ "a line that a crash cut off spoils no other", cut_off },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
