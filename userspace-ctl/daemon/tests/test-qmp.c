// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor's protocol: a QEMU as it is, and peers as they should not be.
 */
#include <errno.h>
#include <stdlib.h>

#include "err.h"
#include "daemon/qmp.h"
#include "tests/tap.h"

#define GREETING "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":22,\"minor\":2,\"major\":7}}," \
		 "\"capabilities\":[\"oob\"]}}\r\n"

#define PAUSED "{\"return\":{\"status\":\"paused\",\"running\":false},\"id\":"

/* One line of a dialogue: what must be sent, and what is answered. */
struct line {
	const char *sent, *answer;
};

static const struct line handshake[] = {
	{ "{\"execute\":\"qmp_capabilities\",\"id\":1}\n", "{\"return\":{},\"id\":1}\r\n" },
	{ "{\"execute\":\"qom-list\",\"id\":2,\"arguments\":{\"path\":\"/machine/peripheral\"}}\n",
	  "{\"return\":[{\"name\":\"type\",\"type\":\"string\"}],\"id\":2}" },
	{ "{\"execute\":\"qom-list\",\"id\":3,"
	  "\"arguments\":{\"path\":\"/machine/peripheral-anon\"}}\n",
	  "{\"return\":[{\"name\":\"device[0]\",\"type\":\"child<isa-serial>\"},"
	  "{\"name\":\"device[1]\",\"type\":\"child<virtio-balloon-pci>\"}],\"id\":3}" },
	{ "{\"execute\":\"qom-get\",\"id\":4,\"arguments\":{\"path\":"
	  "\"/machine/peripheral-anon/device[1]\",\"property\":\"free-page-reporting\"}}\n",
	  "{\"return\":true,\"id\":4}" },
	{ "{\"execute\":\"qom-set\",\"id\":5,\"arguments\":{\"path\":"
	  "\"/machine/peripheral-anon/device[1]\",\"property\":\"guest-stats-polling-interval\","
	  "\"value\":5}}\n", "{\"return\":{},\"id\":5}" },
	{ "{\"execute\":\"query-memory-size-summary\",\"id\":6}\n",
	  "{\"return\":{\"base-memory\":1073741824,\"plugged-memory\":0},\"id\":6}" },
	{ "{\"execute\":\"query-balloon\",\"id\":7}\n",
	  "{\"timestamp\":{\"seconds\":1,\"microseconds\":2},\"event\":\"RESUME\"}\r\n"
	  "{\"return\":{\"actual\":805306368},\"id\":7}" },
};

static struct err e;

static int feed(struct qmp *q, const char *text, uint64_t now)
{
	/* In pieces of one byte, exact on the heap: no piece may be read beyond, nor kept. */
	for (; *text; text++) {
		char *byte = malloc(1);
		int rc;

		*byte = *text;
		rc = qmp_feed(q, byte, 1, now, &e);
		free(byte);
		if (rc)
			return rc;
	}
	return 0;
}

static bool sends(struct qmp *q, const char *want)
{
	const char *bytes;
	size_t n = qmp_output(q, &bytes);

	EXPECT(n == strlen(want) && !memcmp(bytes, want, n), "sends %.*s, want %s", (int)n, bytes,
	       want);
	qmp_sent(q, n);
	return true;
}

static bool speak(struct qmp *q, const struct line *lines, size_t n, uint64_t now)
{
	for (size_t i = 0; i < n; i++) {
		if (!sends(q, lines[i].sent))
			return false;
		EXPECT(!feed(q, lines[i].answer, now), "line %zu: %s", i, e.text);
	}
	return true;
}

static struct qmp *greeted(size_t lines)
{
	struct qmp *q = qmp_new(5, 1);

	if (q && !feed(q, GREETING, 1) && speak(q, handshake, lines, 1))
		return q;
	qmp_free(q);
	return NULL;
}

static bool handshake_finds_the_balloon(void)
{
	struct qmp *q = greeted(ARRAY_SIZE(handshake));
	const struct qmp_facts *f;

	EXPECT(q, "no handshake: %s", e.text);
	f = qmp_facts(q);
	EXPECT(f->ready && f->balloon && f->reports && f->actual == 805306368 &&
	       f->ram == 1 << 30, "ready %d, "
	       "balloon %d, reports %d, %llu", f->ready, f->balloon, f->reports,
	       (unsigned long long)f->actual);
	EXPECT(sends(q, ""), "more");
	qmp_free(q);
	return true;
}

static bool statistics_are_read(void)
{
	static const struct line lines[] = {
		{ "{\"execute\":\"query-balloon\",\"id\":8}\n",
		  "{\"return\":{\"actual\":1},\"id\":8}" },
		{ "{\"execute\":\"qom-get\",\"id\":9,\"arguments\":{\"path\":"
		  "\"/machine/peripheral-anon/device[1]\",\"property\":\"guest-stats\"}}\n",
		  "{\"return\":{\"stats\":{\"stat-swap-out\":0,\"stat-free-memory\":11,"
		  "\"stat-available-memory\":22,\"stat-total-memory\":33,\"stat-major-faults\":44,"
		  "\"stat-swap-in\":18446744073709551615},\"last-update\":1700000000},\"id\":9}" },
	};
	struct qmp *q = greeted(ARRAY_SIZE(handshake));
	const struct qmp_facts *f;

	EXPECT(q, "no handshake: %s", e.text);
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	EXPECT(speak(q, lines, ARRAY_SIZE(lines), 2), "%s", e.text);
	f = qmp_facts(q);
	EXPECT(f->stats && f->stats_at == 1700000000 && f->free == 11 && f->available == 22 &&
	       f->total == 33 && f->faults == 44 && !f->swap_in, "free %llu",
	       (unsigned long long)f->free);
	qmp_free(q);
	return true;
}

/* A guest that has nothing left says 0, and one that cannot tell says all ones, or nothing. */
static bool nothing_left_is_not_unknown(void)
{
	static const struct {
		const char *says;
		bool has;
	} table[] = {
		{ "\"stat-available-memory\":0", true },
		{ "\"stat-available-memory\":18446744073709551615", false },
		{ "\"stat-available-memory\":4294967295", false },
		{ "\"stat-free-memory\":1", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct qmp *q = greeted(ARRAY_SIZE(handshake));
		const char *bytes;
		char text[256];

		EXPECT(q, "no handshake: %s", e.text);
		EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
		qmp_sent(q, qmp_output(q, &bytes));
		EXPECT(!feed(q, "{\"return\":{\"actual\":1},\"id\":8}", 2), "%s", e.text);
		qmp_sent(q, qmp_output(q, &bytes));
		snprintf(text, sizeof(text),
			 "{\"return\":{\"stats\":{%s},\"last-update\":1},\"id\":9}", table[i].says);
		EXPECT(!feed(q, text, 2), "%s", e.text);
		EXPECT(qmp_facts(q)->stats && qmp_facts(q)->has_available == table[i].has, "%s",
		       table[i].says);
		qmp_free(q);
	}
	return true;
}

static bool the_latest_wish_is_sent(void)
{
	struct qmp *q = greeted(ARRAY_SIZE(handshake));

	EXPECT(q, "no handshake: %s", e.text);
	qmp_poll(q, 2, &e);
	EXPECT(qmp_balloon_is_settled(q), "not settled at first");
	qmp_set_balloon(q, 111);
	EXPECT(!qmp_balloon_is_settled(q), "settled by a wish");
	qmp_set_balloon(q, 222);
	qmp_set_paused(q, true);
	EXPECT(sends(q, "{\"execute\":\"query-balloon\",\"id\":8}\n"), "order");
	EXPECT(!feed(q, "{\"return\":{\"actual\":1},\"id\":8}", 2), "%s", e.text);
	EXPECT(sends(q, "{\"execute\":\"stop\",\"id\":9}\n"), "order");
	EXPECT(!feed(q, "{\"return\":{},\"id\":9}", 2), "%s", e.text);
	EXPECT(sends(q, "{\"execute\":\"balloon\",\"id\":10,\"arguments\":{\"value\":222}}\n"),
	       "order");
	EXPECT(!qmp_balloon_is_settled(q), "settled before the answer");
	EXPECT(!feed(q, "{\"event\":\"BALLOON_CHANGE\",\"data\":{\"actual\":222}}"
			"{\"return\":{},\"id\":10}", 2), "%s", e.text);
	EXPECT(qmp_balloon_is_settled(q), "not settled by the answer");
	EXPECT(qmp_facts(q)->actual == 222, "the event is not heard");
	qmp_free(q);
	return true;
}

static bool converse(struct qmp *q, const char *sent, const char *answer)
{
	const struct line line = { sent, answer };

	return speak(q, &line, 1, 2);
}

/* What was sent may be lost: a stop counts when it is answered for, and so does going on. */
static bool stops_count_when_answered(void)
{
	struct qmp *q = greeted(ARRAY_SIZE(handshake));

	EXPECT(q, "no handshake: %s", e.text);
	EXPECT(qmp_is_running(q), "stopped from the beginning");
	qmp_set_paused(q, true);
	EXPECT(qmp_is_running(q), "stopped by a wish");
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	/* What is under way may come true, so it must not be forgotten that it was sent. */
	EXPECT(!qmp_is_running(q), "runs while a stop is under way");
	qmp_set_paused(q, false);
	EXPECT(!qmp_is_running(q), "runs, and the stop that is under way is only called off");
	qmp_set_paused(q, true);
	EXPECT(converse(q, "{\"execute\":\"stop\",\"id\":8}\n", "{\"return\":{},\"id\":8}"),
	       "stop");
	EXPECT(!qmp_is_running(q), "not stopped");
	EXPECT(converse(q, "{\"execute\":\"query-balloon\",\"id\":9}\n",
			"{\"return\":{\"actual\":1},\"id\":9}"), "query");
	qmp_free(q);

	/* One that was called off is taken back before the guest counts as running. */
	q = greeted(ARRAY_SIZE(handshake));
	EXPECT(q, "no handshake: %s", e.text);
	qmp_set_paused(q, true);
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	qmp_set_paused(q, false);
	EXPECT(converse(q, "{\"execute\":\"stop\",\"id\":8}\n", "{\"return\":{},\"id\":8}"),
	       "stop");
	EXPECT(!qmp_is_running(q), "runs after the stop came true");
	EXPECT(converse(q, "{\"execute\":\"query-status\",\"id\":9}\n", PAUSED "9}"), "status");
	EXPECT(converse(q, "{\"execute\":\"cont\",\"id\":10}\n", "{\"return\":{},\"id\":10}"),
	       "cont");
	EXPECT(qmp_is_running(q), "does not run");
	qmp_free(q);

	/* A stop that is refused leaves it running. */
	q = greeted(ARRAY_SIZE(handshake));
	EXPECT(q, "no handshake: %s", e.text);
	qmp_set_paused(q, true);
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	EXPECT(converse(q, "{\"execute\":\"stop\",\"id\":8}\n", "{\"error\":{},\"id\":8}"), "stop");
	EXPECT(qmp_is_running(q), "stopped by a refusal");
	qmp_free(q);

	/* A refusal is tried again, but not at once. */
	q = greeted(ARRAY_SIZE(handshake));
	EXPECT(q, "no handshake: %s", e.text);
	qmp_doubt_paused(q);
	EXPECT(!qmp_is_running(q), "no doubt");
	qmp_set_paused(q, false);
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	EXPECT(converse(q, "{\"execute\":\"query-status\",\"id\":8}\n", PAUSED "8}"), "status");
	EXPECT(converse(q, "{\"execute\":\"cont\",\"id\":9}\n", "{\"error\":{},\"id\":9}"), "cont");
	EXPECT(!qmp_is_running(q), "runs, and that was refused");
	EXPECT(converse(q, "{\"execute\":\"query-balloon\",\"id\":10}\n",
			"{\"return\":{\"actual\":1},\"id\":10}"), "query");
	EXPECT(converse(q, "{\"execute\":\"qom-get\",\"id\":11,\"arguments\":{\"path\":"
			"\"/machine/peripheral-anon/device[1]\",\"property\":\"guest-stats\"}}\n",
			"{\"error\":{},\"id\":11}"), "statistics");
	EXPECT(!qmp_poll(q, 3, &e), "%s", e.text);
	EXPECT(converse(q, "{\"execute\":\"query-status\",\"id\":12}\n", PAUSED "12}"), "status");
	EXPECT(converse(q, "{\"execute\":\"cont\",\"id\":13}\n", "{\"return\":{},\"id\":13}"),
	       "cont");
	EXPECT(qmp_is_running(q) && qmp_facts(q)->runs, "does not run");
	qmp_free(q);
	return true;
}

/* What stands for another reason than that it was paused is not ours to let go on. */
static bool only_the_paused_go_on(void)
{
	static const struct {
		const char *says;
		bool cont, runs;
	} table[] = {
		{ PAUSED "8}", true, false },
		{ "{\"return\":{\"status\":\"running\",\"running\":true},\"id\":8}", false, true },
		{ "{\"return\":{\"status\":\"postmigrate\",\"running\":false},\"id\":8}", false, false },
		{ "{\"return\":{\"status\":\"io-error\",\"running\":false},\"id\":8}", false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct qmp *q = greeted(ARRAY_SIZE(handshake));

		EXPECT(q, "no handshake: %s", e.text);
		qmp_doubt_paused(q);
		qmp_set_paused(q, false);
		EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
		EXPECT(converse(q, "{\"execute\":\"query-status\",\"id\":8}\n", table[i].says),
		       "row %zu", i);
		EXPECT(sends(q, table[i].cont ? "{\"execute\":\"cont\",\"id\":9}\n" :
			     "{\"execute\":\"query-balloon\",\"id\":9}\n"), "row %zu", i);
		EXPECT(qmp_is_running(q) != table[i].cont && qmp_facts(q)->runs == table[i].runs,
		       "row %zu: ours %d, runs %d", i, qmp_is_running(q), qmp_facts(q)->runs);
		qmp_free(q);
	}
	return true;
}

/* Whoever is to be stopped is asked first; between two questions events tell. */
static bool whether_it_runs_is_known(void)
{
	struct qmp *q = greeted(2);
	const char *bytes;

	EXPECT(q && !qmp_facts(q)->runs && !qmp_facts(q)->knows_runs, "known before it was asked");
	qmp_free(q);
	q = greeted(ARRAY_SIZE(handshake));
	EXPECT(q, "no handshake: %s", e.text);
	qmp_ask_status(q);
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	EXPECT(converse(q, "{\"execute\":\"query-status\",\"id\":8}\n", PAUSED "8}"), "status");
	EXPECT(!qmp_facts(q)->runs, "runs, and is paused");
	EXPECT(!feed(q, "{\"event\":\"RESUME\"}", 2) && qmp_facts(q)->runs, "RESUME: %s", e.text);
	EXPECT(!feed(q, "{\"event\":\"STOP\"}", 2) && !qmp_facts(q)->runs, "STOP: %s", e.text);
	/* Asked once, and in no need of another. */
	EXPECT(converse(q, "{\"execute\":\"query-balloon\",\"id\":9}\n",
			"{\"return\":{\"actual\":1},\"id\":9}"), "query");
	qmp_ask_status(q);
	qmp_sent(q, qmp_output(q, &bytes));
	EXPECT(!feed(q, "{\"error\":{},\"id\":10}", 2), "%s", e.text);
	EXPECT(sends(q, "{\"execute\":\"query-status\",\"id\":11}\n"), "not asked");
	EXPECT(qmp_facts(q)->knows_runs, "not known after an answer");
	EXPECT(feed(q, "{\"return\":{\"running\":1,\"status\":\"running\"},\"id\":11}", 2) == -EPROTO,
	       "a number is taken");
	qmp_free(q);
	return true;
}

/* Who hears it late need not end any more; and who heard it and is there still, hears it again. */
static bool the_end_can_be_called_off(void)
{
	struct qmp *q = greeted(ARRAY_SIZE(handshake));

	EXPECT(q, "no handshake: %s", e.text);
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	qmp_set_quit(q, true);
	qmp_set_quit(q, false);
	EXPECT(converse(q, "{\"execute\":\"query-balloon\",\"id\":8}\n",
			"{\"return\":{\"actual\":1},\"id\":8}"), "query");
	qmp_set_quit(q, true);
	qmp_set_quit(q, true);
	EXPECT(converse(q, "{\"execute\":\"qom-get\",\"id\":9,\"arguments\":{\"path\":"
			"\"/machine/peripheral-anon/device[1]\",\"property\":\"guest-stats\"}}\n",
			"{\"error\":{},\"id\":9}"), "statistics");
	EXPECT(converse(q, "{\"execute\":\"quit\",\"id\":10}\n", "{\"return\":{},\"id\":10}"),
	       "quit");
	qmp_set_quit(q, true);
	EXPECT(sends(q, ""), "more than once");
	qmp_set_quit(q, false);
	qmp_set_quit(q, true);
	EXPECT(!qmp_poll(q, 3, &e), "%s", e.text);
	EXPECT(sends(q, "{\"execute\":\"quit\",\"id\":11}\n"), "not again");
	qmp_free(q);
	return true;
}

static bool refusals_are_answers(void)
{
	static const char no[] = "{\"error\":{\"class\":\"DeviceNotActive\",\"desc\":\"no\"},";
	struct qmp *q = qmp_new(5, 1);
	char text[128];

	EXPECT(!feed(q, GREETING, 1), "%s", e.text);
	EXPECT(sends(q, handshake[0].sent), "capabilities");
	EXPECT(!feed(q, handshake[0].answer, 1), "%s", e.text);
	for (int id = 2; id <= 5; id++) {
		const char *bytes;

		qmp_sent(q, qmp_output(q, &bytes));
		snprintf(text, sizeof(text), "%s\"id\":%d}", no, id);
		EXPECT(!feed(q, text, 1), "%s", e.text);
	}
	EXPECT(qmp_facts(q)->ready && !qmp_facts(q)->balloon, "a balloon from nowhere");
	qmp_set_balloon(q, 1);
	EXPECT(!qmp_poll(q, 2, &e), "%s", e.text);
	EXPECT(sends(q, "{\"execute\":\"query-balloon\",\"id\":6}\n"), "asks a balloon not there");
	qmp_free(q);
	return true;
}

static bool silence_is_noticed(void)
{
	struct qmp *q = qmp_new(5, 1000);

	EXPECT(!qmp_poll(q, 5999, &e), "too early: %s", e.text);
	EXPECT(qmp_poll(q, 6000, &e) == -ETIMEDOUT && strstr(e.text, "no greeting"), "%s", e.text);
	qmp_free(q);
	q = greeted(3);
	EXPECT(q, "no handshake");
	EXPECT(qmp_poll(q, 5001, &e) == -ETIMEDOUT && strstr(e.text, "no answer"), "%s", e.text);
	qmp_free(q);
	return true;
}

/* Each says something wrong after so many lines of the handshake. */
static bool malformed_peers_are_left(void)
{
	static const struct {
		size_t after;
		const char *says, *complaint;
	} table[] = {
		{ 0, "HTTP/1.1 400 Bad Request\r\n", "no object" },
		{ 0, "[]", "no object" },
		{ 0, "null", "no object" },
		{ 0, "{null}", "not JSON" },
		{ 0, "{\"QMP\":'a'}", "not JSON" },
		{ 0, "{\"QMP\":{}}{\"return\":{},\"id\":1}", "nothing that was asked" },
		{ 0, "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[", "not JSON" },
		{ 1, "{\"return\":[],\"id\":7}", "nothing that was asked" },
		{ 1, "{\"return\":[]}", "nothing that was asked" },
		{ 1, "{\"return\":{},\"id\":2}", "no list" },
		{ 1, "{\"return\":[1],\"id\":2}", "something else" },
		{ 1, "{\"return\":[{\"name\":\"a\"}],\"id\":2}", "no name or type" },
		{ 1, "{\"id\":2}", "neither return nor error" },
		{ 1, "{\"event\":7}", "no name" },
		{ 5, "{\"return\":{\"base-memory\":\"1\"},\"id\":6}", "no number" },
		{ 5, "{\"return\":{\"base-memory\":9223372036854775808,"
		  "\"plugged-memory\":9223372036854775808},\"id\":6}", "out of range" },
		{ 6, "{\"return\":{\"actual\":-1},\"id\":7}", "no number" },
		{ 6, "{\"return\":{\"actual\":\"1\"},\"id\":7}", "no number" },
		{ 6, "{\"return\":{},\"id\":7}", "no number" },
		{ 6, "{\"return\":[],\"id\":7}", "no number" },
		{ 7, "{\"event\":\"BALLOON_CHANGE\",\"data\":{\"actual\":\"1\"}}", "no number" },
		{ 7, "{\"event\":\"BALLOON_CHANGE\",\"data\":{\"actual\":-1}}", "no number" },
		{ 7, "{\"event\":\"BALLOON_CHANGE\",\"data\":{}}", "no number" },
		{ 7, "{\"event\":\"NICE\"}{\"return\":{},\"id\":7}", "nothing that was asked" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct qmp *q = table[i].after ? greeted(table[i].after) : qmp_new(5, 1);
		const char *bytes;

		EXPECT(q, "row %zu: no handshake", i);
		if (table[i].after)
			qmp_sent(q, qmp_output(q, &bytes));
		e.text[0] = '\0';
		EXPECT(feed(q, table[i].says, 1) == -EPROTO, "row %zu is taken", i);
		EXPECT(strstr(e.text, table[i].complaint), "row %zu: %s", i, e.text);
		qmp_free(q);
	}
	return true;
}

static bool names_cannot_inject(void)
{
	struct qmp *q = greeted(2);
	const char *bytes;

	EXPECT(q, "no handshake");
	qmp_sent(q, qmp_output(q, &bytes));
	EXPECT(!feed(q, "{\"return\":[{\"name\":\"x\\\",\\\"a\\\":\\\"\","
			"\"type\":\"child<virtio-balloon-pci>\"}],\"id\":3}", 1), "%s", e.text);
	EXPECT(sends(q, "{\"execute\":\"query-memory-size-summary\",\"id\":4}\n"), "took the name");
	qmp_free(q);
	return true;
}

static bool giants_and_floods_are_cut_off(void)
{
	static const char event[] = "{\"event\":\"NICE\"}\n";
	static char big[QMP_MESSAGE_MAX];
	struct qmp *q = qmp_new(5, 1);
	size_t events = 0;
	int rc;

	memset(big, ' ', sizeof(big));
	EXPECT(!qmp_feed(q, "{", 1, 1, &e), "%s", e.text);
	rc = qmp_feed(q, big, sizeof(big), 1, &e);
	EXPECT(rc == -EPROTO && strstr(e.text, "longer than"), "%d %s", rc, e.text);
	qmp_free(q);

	q = qmp_new(5, 1);
	for (rc = 0; !rc && events < QMP_WINDOW_MAX; events++)
		rc = qmp_feed(q, event, sizeof(event) - 1, 1, &e);
	EXPECT(rc == -EPROTO && events == QMP_WINDOW_MAX / (sizeof(event) - 1) + 1, "%d, %zu: %s",
	       rc, events, e.text);
	qmp_free(q);
	/* As many, but in their time, are no flood. */
	q = qmp_new(5, 1);
	for (rc = 0, events = 0; !rc && events < 100000; events++)
		rc = qmp_feed(q, event, sizeof(event) - 1, 1 + events, &e);
	EXPECT(!rc, "%s", e.text);
	qmp_free(q);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "the handshake finds the balloon", handshake_finds_the_balloon },
		{ "statistics are read, what a guest lacks is 0", statistics_are_read },
		{ "nothing left is not unknown", nothing_left_is_not_unknown },
		{ "the latest wish is sent, one at a time", the_latest_wish_is_sent },
		{ "a stop counts when it is answered for", stops_count_when_answered },
		{ "only the paused go on", only_the_paused_go_on },
		{ "whether it runs is known", whether_it_runs_is_known },
		{ "the end can be called off", the_end_can_be_called_off },
		{ "refusals are answers", refusals_are_answers },
		{ "silence is noticed", silence_is_noticed },
		{ "malformed peers are left", malformed_peers_are_left },
		{ "a device's name cannot inject a command", names_cannot_inject },
		{ "giant messages and floods are cut off", giants_and_floods_are_cut_off },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
