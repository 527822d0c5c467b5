// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's monitor protocol, as far as balloons need it.
 *
 * The peer runs a guest that may have taken it over, so nothing that it sends is trusted: messages
 * are bounded in length, depth and rate, answers must have the number of the one command that is
 * under way, and what has the wrong type is a protocol error rather than a zero.
 *
 * One command at a time: what is wanted is kept as wishes, not as a queue, so a slow peer gets the
 * latest wish and never a backlog.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qmp.h"

#define DEPTH_MAX	16
#define OUT_MAX		512
#define ENTRIES_MAX	1024
/* Where QEMU keeps devices that have an id, and those that have none. */
static const char * const parents[] = { "/machine/peripheral", "/machine/peripheral-anon" };

enum command {
	CMD_NONE,
	CMD_GREETING,		/* no command, but something is owed */
	CMD_CAPABILITIES,
	CMD_LIST,
	CMD_REPORTING,
	CMD_INTERVAL,
	CMD_MEMORY,
	CMD_QUERY,
	CMD_STATS,
	CMD_BALLOON,
	CMD_STATUS,
	CMD_STOP,
	CMD_CONT,
	CMD_QUIT,
};

struct qmp {
	struct json_tokener *tokener;
	size_t message;			/* bytes of the message that is being read */
	uint64_t window_ms;
	size_t window;			/* bytes since then */
	enum command under_way;
	uint64_t asked_ms;
	uint64_t id;
	unsigned int parent;		/* which of parents[] is looked at */
	unsigned int interval_s;
	uint64_t stats_ms;		/* when statistics were asked for */
	char path[QOM_PATH_MAX];	/* the balloon's, empty: not found */
	char out[OUT_MAX];
	size_t out_len, out_sent;
	struct qmp_facts facts;
	uint64_t wish_bytes;
	bool wish_balloon, wish_quit, wish_paused;
	bool sent_quit;
	bool told_paused;		/* there is a wish, to run or not */
	bool is_paused, doubt_paused;	/* by what was answered for, not by what was sent */
	bool pause_refused;		/* not again before the next poll */
	bool may_cont;			/* it is paused, and that alone */
	bool due_query, due_stats, due_status, asked_memory;
};

struct qmp *qmp_new(unsigned int interval_s, uint64_t now_ms)
{
	struct qmp *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!q->tokener) {
		free(q);
		return NULL;
	}
	json_tokener_set_flags(q->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
					   JSON_TOKENER_VALIDATE_UTF8);
	q->under_way = CMD_GREETING;
	q->asked_ms = now_ms;
	q->window_ms = now_ms;
	q->interval_s = interval_s;
	return q;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	json_tokener_free(q->tokener);
	free(q);
}

const struct qmp_facts *qmp_facts(const struct qmp *q)
{
	return &q->facts;
}

size_t qmp_output(const struct qmp *q, const char **bytes)
{
	*bytes = q->out + q->out_sent;
	return q->out_len - q->out_sent;
}

void qmp_sent(struct qmp *q, size_t n)
{
	q->out_sent += n;
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, -EPROTO, "%s", what);
}

/* Send a command; @arguments are JSON. Paths in it were checked when they were taken. */
static void send_command(struct qmp *q, enum command command, uint64_t now_ms, const char *name,
			 const char *arguments)
{
	q->under_way = command;
	q->asked_ms = now_ms;
	q->out_len = snprintf(q->out, sizeof(q->out),
			      "{\"execute\":\"%s\",\"id\":%" PRIu64 "%s%s}\n", name, ++q->id,
			      *arguments ? ",\"arguments\":" : "", arguments);
	q->out_sent = 0;
}

static void send_property(struct qmp *q, enum command command, uint64_t now_ms, const char *name,
			  const char *property, const char *value)
{
	char arguments[QOM_PATH_MAX + 128];

	snprintf(arguments, sizeof(arguments), "{\"path\":\"%s\",\"property\":\"%s\"%s%s}", q->path,
		 property, *value ? ",\"value\":" : "", value);
	send_command(q, command, now_ms, name, arguments);
}

static void send_list(struct qmp *q, uint64_t now_ms)
{
	char arguments[64];

	snprintf(arguments, sizeof(arguments), "{\"path\":\"%s\"}", parents[q->parent]);
	send_command(q, CMD_LIST, now_ms, "qom-list", arguments);
}

static void send_interval(struct qmp *q, uint64_t now_ms)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", q->interval_s);
	send_property(q, CMD_INTERVAL, now_ms, "qom-set", "guest-stats-polling-interval", value);
}

static bool pause_is_due(const struct qmp *q)
{
	return q->told_paused && (q->doubt_paused || q->wish_paused != q->is_paused) &&
	       !q->pause_refused;
}

/* The next of what is wanted, the operator's and the host's needs before curiosity. */
static void send_wish(struct qmp *q, uint64_t now_ms)
{
	char arguments[48];

	if (q->wish_quit && !q->sent_quit) {
		q->sent_quit = true;
		send_command(q, CMD_QUIT, now_ms, "quit", "");
	} else if (pause_is_due(q) && q->wish_paused) {
		send_command(q, CMD_STOP, now_ms, "stop", "");
	} else if (pause_is_due(q) || q->due_status) {
		q->due_status = false;
		send_command(q, CMD_STATUS, now_ms, "query-status", "");
	} else if (q->wish_balloon && q->facts.balloon) {
		q->wish_balloon = false;
		snprintf(arguments, sizeof(arguments), "{\"value\":%" PRIu64 "}", q->wish_bytes);
		send_command(q, CMD_BALLOON, now_ms, "balloon", arguments);
	} else if (q->due_query) {
		q->due_query = false;
		send_command(q, CMD_QUERY, now_ms, "query-balloon", "");
	} else if (q->due_stats && *q->path) {
		q->due_stats = false;
		send_property(q, CMD_STATS, now_ms, "qom-get", "guest-stats", "");
	} else {
		q->under_way = CMD_NONE;
	}
}

int qmp_poll(struct qmp *q, uint64_t now_ms, struct err *e)
{
	if (q->under_way != CMD_NONE) {
		if (now_ms - q->asked_ms >= QMP_ANSWER_MS)
			return err_set(e, -ETIMEDOUT, "no %s within %d s",
				       q->under_way == CMD_GREETING ? "greeting" : "answer",
				       QMP_ANSWER_MS / 1000);
		return 0;
	}
	q->due_query = true;
	q->pause_refused = false;
	/* The guest sends none more often. */
	if (!q->stats_ms || now_ms - q->stats_ms >= q->interval_s * 1000ull) {
		q->stats_ms = now_ms;
		q->due_stats = true;
	}
	send_wish(q, now_ms);
	return 0;
}

void qmp_set_balloon(struct qmp *q, uint64_t bytes)
{
	q->wish_bytes = bytes;
	q->wish_balloon = true;
}

void qmp_set_paused(struct qmp *q, bool paused)
{
	q->wish_paused = paused;
	q->told_paused = true;
}

void qmp_doubt_paused(struct qmp *q)
{
	q->doubt_paused = true;
}

void qmp_ask_status(struct qmp *q)
{
	q->due_status = true;
}

bool qmp_is_running(const struct qmp *q)
{
	/* A stop that was sent may come true after it was called off, and the connection lost. */
	return !q->doubt_paused && !q->is_paused && q->under_way != CMD_STOP;
}

bool qmp_balloon_is_settled(const struct qmp *q)
{
	return !q->wish_balloon && q->under_way != CMD_BALLOON;
}

void qmp_set_quit(struct qmp *q, bool quit)
{
	q->wish_quit = quit;
	q->sent_quit &= quit;
}

static const char *member_string(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
		return NULL;
	return json_object_get_string(v);
}

static bool member_number(struct json_object *o, const char *key, uint64_t *value)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int) ||
	    json_object_get_int64(v) < 0)
		return false;
	*value = json_object_get_uint64(v);
	return true;
}

/* A statistic that the guest does not have is all ones. */
static bool has_statistic(struct json_object *o, const char *key, uint64_t *value)
{
	if (member_number(o, key, value) && *value != UINT64_MAX && *value != UINT32_MAX)
		return true;
	*value = 0;
	return false;
}

static uint64_t statistic(struct json_object *o, const char *key)
{
	uint64_t v;

	has_statistic(o, key, &v);
	return v;
}

static bool name_is_plain(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				"._-:[]");

	return n && !name[n] && n < QOM_PATH_MAX - 64;
}

/* Look for child<virtio-balloon…> among the devices. */
static int take_list(struct qmp *q, struct json_object *list, struct err *e)
{
	if (!json_object_is_type(list, json_type_array))
		return bad(e, "a list of devices is no list");
	if (json_object_array_length(list) > ENTRIES_MAX)
		return bad(e, "a list of devices is too long");
	for (size_t i = 0; i < json_object_array_length(list) && !*q->path; i++) {
		struct json_object *entry = json_object_array_get_idx(list, i);
		const char *name, *type;

		if (!json_object_is_type(entry, json_type_object))
			return bad(e, "a list of devices holds something else");
		name = member_string(entry, "name");
		type = member_string(entry, "type");
		if (!name || !type)
			return bad(e, "a device has no name or type");
		if (!strncmp(type, "child<virtio-balloon", 20) && name_is_plain(name))
			snprintf(q->path, sizeof(q->path), "%s/%s", parents[q->parent], name);
	}
	return 0;
}

static int take_query(struct qmp *q, struct json_object *answer, struct err *e)
{
	uint64_t actual;

	if (!json_object_is_type(answer, json_type_object) ||
	    !member_number(answer, "actual", &actual))
		return bad(e, "the balloon's size is no number");
	q->facts.actual = actual;
	q->facts.balloon = true;
	return 0;
}

static int take_memory(struct qmp *q, struct json_object *answer, struct err *e)
{
	uint64_t base, plugged = 0;

	if (!json_object_is_type(answer, json_type_object) ||
	    !member_number(answer, "base-memory", &base))
		return bad(e, "the memory's size is no number");
	member_number(answer, "plugged-memory", &plugged);
	if (__builtin_add_overflow(base, plugged, &q->facts.ram))
		return bad(e, "the memory's size is out of range");
	return 0;
}

static int take_stats(struct qmp *q, struct json_object *answer, struct err *e)
{
	struct json_object *stats;
	struct qmp_facts *f = &q->facts;
	uint64_t at;

	if (!json_object_is_type(answer, json_type_object) ||
	    !json_object_object_get_ex(answer, "stats", &stats) ||
	    !json_object_is_type(stats, json_type_object) ||
	    !member_number(answer, "last-update", &at))
		return bad(e, "statistics of another form");
	f->stats_at = at;
	f->stats = at > 0;
	f->total = statistic(stats, "stat-total-memory");
	f->has_available = has_statistic(stats, "stat-available-memory", &f->available);
	f->free = statistic(stats, "stat-free-memory");
	f->swap_in = statistic(stats, "stat-swap-in");
	f->swap_out = statistic(stats, "stat-swap-out");
	f->faults = statistic(stats, "stat-major-faults");
	return 0;
}

static int take_status(struct qmp *q, struct json_object *answer, struct err *e)
{
	struct json_object *runs;
	const char *status;

	if (!json_object_is_type(answer, json_type_object) ||
	    !json_object_object_get_ex(answer, "running", &runs) ||
	    !json_object_is_type(runs, json_type_boolean))
		return bad(e, "whether the guest runs is no boolean");
	status = member_string(answer, "status");
	if (!status)
		return bad(e, "the guest's status is no string");
	q->facts.knows_runs = true;
	q->facts.runs = json_object_get_boolean(runs);
	q->may_cont = !strcmp(status, "paused");
	return 0;
}

/* After the answer to the command that was under way: what comes next. */
static void go_on(struct qmp *q, enum command done, uint64_t now_ms)
{
	switch (done) {
	case CMD_GREETING:
		send_command(q, CMD_CAPABILITIES, now_ms, "qmp_capabilities", "");
		return;
	case CMD_LIST:
		q->parent++;
		if (*q->path) {
			send_property(q, CMD_REPORTING, now_ms, "qom-get", "free-page-reporting",
				      "");
			return;
		}
		if (q->parent == ARRAY_SIZE(parents))
			break;
		send_list(q, now_ms);
		return;
	case CMD_CAPABILITIES:
		send_list(q, now_ms);
		return;
	case CMD_REPORTING:
		send_interval(q, now_ms);
		return;
	case CMD_STATUS:
		if (!pause_is_due(q) || q->wish_paused)
			break;
		if (q->may_cont) {
			send_command(q, CMD_CONT, now_ms, "cont", "");
			return;
		}
		/* It goes on already, or does not stand because of us. */
		q->is_paused = false;
		q->doubt_paused = false;
		break;
	default:
		break;
	}
	if (!q->facts.ready && done != CMD_QUERY) {
		if (!q->asked_memory) {
			q->asked_memory = true;
			send_command(q, CMD_MEMORY, now_ms, "query-memory-size-summary", "");
			return;
		}
		q->due_query = true;
	}
	q->facts.ready |= done == CMD_QUERY;
	send_wish(q, now_ms);
}

/* A refusal is an answer too: an older QEMU, or no balloon. Only the handshake must not fail. */
static int take_error(struct qmp *q, struct err *e)
{
	if (q->under_way == CMD_CAPABILITIES)
		return bad(e, "the handshake was refused");
	if (q->under_way == CMD_QUERY)
		q->facts.balloon = false;
	if (q->under_way == CMD_STATS)
		q->facts.stats = false;
	if (q->under_way == CMD_STATUS) {
		q->facts.knows_runs = true;
		q->facts.runs = false;
	}
	if (q->under_way == CMD_STOP || q->under_way == CMD_CONT || q->under_way == CMD_STATUS)
		q->pause_refused = true;
	return 0;
}

static int take_return(struct qmp *q, struct json_object *answer, struct err *e)
{
	switch (q->under_way) {
	case CMD_LIST:
		return take_list(q, answer, e);
	case CMD_QUERY:
		return take_query(q, answer, e);
	case CMD_STATS:
		return take_stats(q, answer, e);
	case CMD_MEMORY:
		return take_memory(q, answer, e);
	case CMD_REPORTING:
		q->facts.reports = json_object_is_type(answer, json_type_boolean) &&
				   json_object_get_boolean(answer);
		return 0;
	case CMD_STATUS:
		return take_status(q, answer, e);
	case CMD_STOP:
	case CMD_CONT:
		q->is_paused = q->under_way == CMD_STOP;
		q->facts.runs = !q->is_paused;
		q->doubt_paused = false;
		return 0;
	default:
		return 0;
	}
}

static int take_event(struct qmp *q, struct json_object *message, struct err *e)
{
	const char *event = member_string(message, "event");
	struct json_object *data;

	if (!event)
		return bad(e, "an event has no name");
	if (!strcmp(event, "STOP") || !strcmp(event, "RESUME"))
		q->facts.runs = *event == 'R';
	if (!strcmp(event, "BALLOON_CHANGE") && json_object_object_get_ex(message, "data", &data) &&
	    json_object_is_type(data, json_type_object) && q->facts.balloon)
		return take_query(q, data, e);
	return 0;
}

static int take_message(struct qmp *q, struct json_object *message, uint64_t now_ms, struct err *e)
{
	struct json_object *answer = NULL;
	enum command done = q->under_way;
	uint64_t id;
	int rc;

	if (json_object_object_get_ex(message, "event", NULL))
		return take_event(q, message, e);
	if (done == CMD_GREETING) {
		if (!json_object_object_get_ex(message, "QMP", NULL))
			return bad(e, "a greeting without QMP");
		go_on(q, done, now_ms);
		return 0;
	}
	if (done == CMD_NONE || !member_number(message, "id", &id) || id != q->id ||
	    q->out_sent < q->out_len)
		return bad(e, "an answer to nothing that was asked");
	if (json_object_object_get_ex(message, "return", &answer))
		rc = take_return(q, answer, e);
	else if (json_object_object_get_ex(message, "error", NULL))
		rc = take_error(q, e);
	else
		rc = bad(e, "an answer that is neither return nor error");
	if (!rc)
		go_on(q, done, now_ms);
	return rc;
}

/* Limits, before a byte is looked at. */
static int charge(struct qmp *q, size_t n, uint64_t now_ms, struct err *e)
{
	if (now_ms - q->window_ms >= QMP_WINDOW_MS) {
		q->window_ms = now_ms;
		q->window = 0;
	}
	q->window += n;
	if (q->window > QMP_WINDOW_MAX)
		return err_set(e, -EPROTO, "more than %d bytes within %d s", QMP_WINDOW_MAX,
			       QMP_WINDOW_MS / 1000);
	return 0;
}

static const char *skip_space(const char *bytes, const char *end)
{
	while (bytes < end && strchr(" \t\r\n", *bytes) && *bytes)
		bytes++;
	return bytes;
}

int qmp_feed(struct qmp *q, const char *bytes, size_t n, uint64_t now_ms, struct err *e)
{
	const char *end = bytes + n;
	int rc = charge(q, n, now_ms, e);

	while (!rc) {
		struct json_object *message;
		size_t used;

		if (!q->message)
			bytes = skip_space(bytes, end);
		if (bytes == end)
			break;
		if (!q->message && *bytes != '{')
			return bad(e, "a message is no object");
		message = json_tokener_parse_ex(q->tokener, bytes, end - bytes);
		used = json_tokener_get_parse_end(q->tokener);
		if (!message && json_tokener_get_error(q->tokener) != json_tokener_continue)
			return bad(e, "what it sends is not JSON");
		q->message += used;
		bytes += used;
		if (q->message > QMP_MESSAGE_MAX) {
			json_object_put(message);
			return err_set(e, -EPROTO, "a message is longer than %d bytes",
				       QMP_MESSAGE_MAX);
		}
		if (!message)
			break;
		q->message = 0;
		rc = take_message(q, message, now_ms, e);
		json_object_put(message);
	}
	return rc;
}
