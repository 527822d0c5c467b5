// SPDX-License-Identifier: GPL-2.0-only
/*
 * A recorded run, as JSON lines; the format is in record.h.
 *
 * One list says which member of struct record is which key of which type; writer and reader both
 * follow it, so that they cannot part.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

enum kind {
	KIND_WORD,		/* characters of names alone; empty: not there */
	KIND_TEXT,		/* any text; empty: not there */
	KIND_NUMBER,
	KIND_NONZERO,		/* 0: not there */
	KIND_PID,
	KIND_PERCENT,		/* hundredths of a percent */
};

#define NONE	((size_t)-1)
#define AT(member)	offsetof(struct record, member)
#define TYPES(a, b)	(1U << RECORD_##a | 1U << RECORD_##b)

static const struct member {
	unsigned int types;	/* bits by enum record_type */
	const char *key;
	enum kind kind;
	size_t at;
	size_t has;		/* a bool that says whether it is there, or NONE */
} members[] = {
	{ TYPES(START, START), "program", KIND_WORD, AT(program), NONE },
	{ TYPES(START, START), "kernel", KIND_TEXT, AT(kernel), NONE },
	{ TYPES(START, START), "interval_ms", KIND_NUMBER, AT(interval_ms), NONE },
	{ TYPES(HOST, HOST), "state", KIND_WORD, AT(word), NONE },
	{ TYPES(HOST, HOST), "mem_total_bytes", KIND_NUMBER, AT(memory.total), NONE },
	{ TYPES(HOST, HOST), "mem_available_bytes", KIND_NUMBER, AT(memory.available), NONE },
	{ TYPES(HOST, HOST), "swap_total_bytes", KIND_NUMBER, AT(memory.swap_total), NONE },
	{ TYPES(HOST, HOST), "swap_used_bytes", KIND_NUMBER, AT(memory.swap_used), NONE },
	{ TYPES(HOST, HOST), "psi_some_percent", KIND_PERCENT, AT(memory.psi_some),
	  AT(memory.has_psi) },
	{ TYPES(HOST, HOST), "psi_full_percent", KIND_PERCENT, AT(memory.psi_full),
	  AT(memory.has_psi) },
	{ TYPES(VM, DECISION) | TYPES(EVENT, EVENT), "pid", KIND_PID, AT(vm.pid), NONE },
	{ TYPES(VM, DECISION) | TYPES(EVENT, EVENT), "name", KIND_WORD, AT(vm.name), NONE },
	{ TYPES(VM, VM), "domain", KIND_WORD, AT(vm.domain), NONE },
	{ TYPES(VM, VM), "policy", KIND_WORD, AT(vm.policy), NONE },
	{ TYPES(VM, VM), "state", KIND_WORD, AT(vm.state), NONE },
	{ TYPES(VM, VM), "swapped_bytes", KIND_NUMBER, AT(swapped), AT(has_paged) },
	{ TYPES(VM, VM), "double_paged_bytes", KIND_NUMBER, AT(double_paged), AT(has_paged) },
	{ TYPES(DECISION, DECISION), "rung", KIND_WORD, AT(word), NONE },
	{ TYPES(DECISION, DECISION), "from_bytes", KIND_NUMBER, AT(from), AT(has_target) },
	{ TYPES(DECISION, DECISION), "to_bytes", KIND_NUMBER, AT(to), AT(has_target) },
	{ TYPES(DECISION, DECISION), "freed_bytes", KIND_NUMBER, AT(freed), AT(has_freed) },
	{ TYPES(DECISION, DECISION), "why", KIND_TEXT, AT(text), NONE },
	{ TYPES(EVENT, EVENT), "event", KIND_WORD, AT(word), NONE },
	{ TYPES(EVENT, EVENT), "text", KIND_TEXT, AT(text), NONE },
};

static const char * const type_names[] = {
	[RECORD_START] = "start", [RECORD_HOST] = "host", [RECORD_VM] = "vm",
	[RECORD_DECISION] = "decision", [RECORD_EVENT] = "event",
};

static size_t text_size(size_t at)
{
	return at == AT(text) ? RECORD_TEXT_MAX : PF_NAME_MAX + 1;
}

/* A copy of a text with what is not printable ASCII replaced: it goes to terminals and pages. */
static struct json_object *text_json(const char *text, size_t size)
{
	char clean[RECORD_TEXT_MAX];
	size_t n;

	for (n = 0; n + 1 < size && text[n]; n++)
		clean[n] = text[n] >= 0x20 && text[n] < 0x7f ? text[n] : '?';
	return json_object_new_string_len(clean, n);
}

/* NULL: not there. */
static struct json_object *member_json(const struct member *m, const struct record *r)
{
	const char *p = (const char *)r + m->at;
	unsigned int hundredths;
	char text[16];

	if (m->has != NONE && !*(const bool *)((const char *)r + m->has))
		return NULL;
	switch (m->kind) {
	case KIND_WORD:
	case KIND_TEXT:
		return *p ? text_json(p, text_size(m->at)) : NULL;
	case KIND_PID:
		return *(const int *)p ? json_object_new_int(*(const int *)p) : NULL;
	case KIND_PERCENT:
		hundredths = *(const unsigned int *)p;
		snprintf(text, sizeof(text), "%u.%02u", hundredths / 100, hundredths % 100);
		return json_object_new_double_s(hundredths / 100.0, text);
	default:
		return json_object_new_uint64(*(const uint64_t *)p);
	}
}

static int add(struct json_object *line, const char *key, struct json_object *value)
{
	return value ? json_object_object_add(line, key, value) : 0;
}

static int add_numbers(struct json_object *line, const struct attr_info *attrs, size_t count,
		       const uint64_t *value, uint64_t has)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++)
		if (has >> i & 1)
			rc = add(line, attrs[i].file, json_object_new_uint64(value[i]));
	return rc;
}

static struct json_object *record_json(const struct record *r)
{
	struct json_object *line = json_object_new_object();
	int rc;

	if (!line)
		return NULL;
	rc = add(line, "type", json_object_new_string(type_names[r->type]));
	if (!rc)
		rc = add(line, "time_ms", json_object_new_uint64(r->time_ms));
	if (!rc && r->type == RECORD_START)
		rc = add(line, "format", json_object_new_int(RECORD_FORMAT));
	for (size_t i = 0; !rc && i < ARRAY_SIZE(members); i++)
		if (members[i].types >> r->type & 1)
			rc = add(line, members[i].key, member_json(&members[i], r));
	if (!rc && r->type == RECORD_VM)
		rc = add_numbers(line, vm_attrs, VM_NR, r->vm.value, r->vm.has);
	if (!rc && r->type == RECORD_HOST)
		rc = add_numbers(line, host_attrs, HOST_NR, r->host.value, r->host.has);
	if (rc) {
		json_object_put(line);
		return NULL;
	}
	return line;
}

char *record_format(const struct record *r)
{
	struct json_object *object = record_json(r);
	char *line = NULL;
	const char *text;

	if (!object)
		return NULL;
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
					      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	json_object_put(object);
	return line;
}

uint64_t record_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

int record_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		      0640);
	struct stat st;
	char last;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	else if (st.st_size && (pread(fd, &last, 1, st.st_size - 1) != 1 ||
				(last != '\n' && write(fd, "\n", 1) != 1)))
		rc = -EIO;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

int record_append(int fd, struct record *r)
{
	ssize_t n;
	char *line;
	int rc = 0;

	if (!r->time_ms)
		r->time_ms = record_now();
	line = record_format(r);
	if (!line)
		return -ENOMEM;
	do
		n = write(fd, line, strlen(line));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		rc = -errno;
	else if ((size_t)n != strlen(line))
		rc = -EIO;
	free(line);
	return rc;
}

static int take_number(const char *key, struct json_object *value, uint64_t max, uint64_t *number,
		       struct err *e)
{
	const char *text = json_object_get_string(value);

	/* json-c gives the largest number for what is larger, and 0 for what is below. */
	if (!json_object_is_type(value, json_type_int) || *text == '-' ||
	    json_object_get_uint64(value) > max)
		return err_set(e, EX_BAD_INPUT, "%s %s: want a number, 0 to %" PRIu64, key,
			       QUOTE(text), max);
	*number = json_object_get_uint64(value);
	return EX_DONE;
}

static int take_text(const struct member *m, struct json_object *value, char *at, struct err *e)
{
	size_t size = text_size(m->at), len = json_object_get_string_len(value);
	const char *text = json_object_get_string(value);

	if (!json_object_is_type(value, json_type_string) || strlen(text) != len || len >= size)
		return err_set(e, EX_BAD_INPUT, "%s %s: want a text of up to %zu bytes", m->key,
			       QUOTE(text), size - 1);
	if (m->kind == KIND_WORD && !name_is_valid(text))
		return err_set(e, EX_BAD_INPUT,
			       "%s %s: want 1 to %zu characters of A-Z a-z 0-9 . _ : -", m->key,
			       QUOTE(text), size - 1);
	memcpy(at, text, len + 1);
	return EX_DONE;
}

static int take_percent(const char *key, struct json_object *value, unsigned int *hundredths,
			struct err *e)
{
	double percent = json_object_get_double(value);

	if ((!json_object_is_type(value, json_type_double) &&
	     !json_object_is_type(value, json_type_int)) || !(percent >= 0 && percent <= 100))
		return err_set(e, EX_BAD_INPUT, "%s %s: want a number, 0 to 100", key,
			       QUOTE(json_object_get_string(value)));
	/* Without the library of mathematics, which the daemon has no other use for. */
	*hundredths = percent * 100 + 0.5;
	return EX_DONE;
}

static int take_member(const struct member *m, struct json_object *value, struct record *r,
		       struct err *e)
{
	void *at = (char *)r + m->at;
	uint64_t number;
	int rc;

	if (m->has != NONE)
		*(bool *)((char *)r + m->has) = true;
	switch (m->kind) {
	case KIND_WORD:
	case KIND_TEXT:
		return take_text(m, value, at, e);
	case KIND_PERCENT:
		return take_percent(m->key, value, at, e);
	case KIND_PID:
		rc = take_number(m->key, value, PF_PID_MAX, &number, e);
		if (!rc)
			*(int *)at = number;
		return rc;
	default:
		return take_number(m->key, value, INT64_MAX, at, e);
	}
}

static int take_numbers(struct json_object *line, const struct attr_info *attrs, size_t count,
			uint64_t *value, uint64_t *has, struct err *e)
{
	struct json_object *member;
	int rc;

	for (size_t i = 0; i < count; i++) {
		if (!json_object_object_get_ex(line, attrs[i].file, &member))
			continue;
		rc = take_number(attrs[i].file, member, INT64_MAX, &value[i], e);
		if (rc)
			return rc;
		*has |= 1ULL << i;
	}
	return EX_DONE;
}

/* Members of the type that is set. */
static int take_members(struct json_object *line, struct record *r, struct err *e)
{
	struct json_object *member;
	int rc = EX_DONE;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(members); i++)
		if (members[i].types >> r->type & 1 &&
		    json_object_object_get_ex(line, members[i].key, &member))
			rc = take_member(&members[i], member, r, e);
	if (!rc && r->type == RECORD_VM)
		rc = take_numbers(line, vm_attrs, VM_NR, r->vm.value, &r->vm.has, e);
	if (!rc && r->type == RECORD_HOST)
		rc = take_numbers(line, host_attrs, HOST_NR, r->host.value, &r->host.has, e);
	if (!rc && r->type == RECORD_VM && !r->vm.pid)
		rc = err_set(e, EX_BAD_INPUT, "pid: a vm must have one");
	return rc;
}

static int take_type(struct json_object *line, struct record *r, struct err *e)
{
	struct json_object *type, *time_ms, *format;
	uint64_t number;
	int rc;

	if (!json_object_is_type(line, json_type_object))
		return err_set(e, EX_BAD_INPUT, "want a JSON object in every line");
	if (!json_object_object_get_ex(line, "type", &type) ||
	    !json_object_is_type(type, json_type_string))
		return err_set(e, EX_BAD_INPUT, "type: want one, as text");
	if (!json_object_object_get_ex(line, "time_ms", &time_ms))
		return err_set(e, EX_BAD_INPUT, "time_ms: want one");
	rc = take_number("time_ms", time_ms, INT64_MAX, &r->time_ms, e);
	for (size_t i = RECORD_START; i < ARRAY_SIZE(type_names); i++)
		if (!strcmp(json_object_get_string(type), type_names[i]))
			r->type = i;
	if (rc || r->type != RECORD_START)
		return rc;
	if (!json_object_object_get_ex(line, "format", &format))
		return err_set(e, EX_BAD_INPUT, "format: want one");
	rc = take_number("format", format, INT64_MAX, &number, e);
	if (!rc && number != RECORD_FORMAT)
		rc = err_set(e, EX_BAD_INPUT, "format %" PRIu64 ": this program reads %d", number,
			     RECORD_FORMAT);
	return rc;
}

int record_parse(const char *line, size_t len, struct record *r, struct err *e)
{
	struct json_tokener *parser;
	struct json_object *object;
	int rc;

	*r = (struct record){ 0 };
	if (len >= RECORD_LINE_MAX)
		return err_set(e, EX_BAD_INPUT, "longer than %d bytes", RECORD_LINE_MAX - 1);
	parser = json_tokener_new_ex(4);
	if (!parser)
		return err_set(e, EX_BAD_INPUT, "no memory to read it");
	json_tokener_set_flags(parser, JSON_TOKENER_STRICT);
	object = json_tokener_parse_ex(parser, line, len);
	if (json_tokener_get_error(parser) != json_tokener_success) {
		rc = err_set(e, EX_BAD_INPUT, "not JSON: %s at byte %zu",
			     json_tokener_error_desc(json_tokener_get_error(parser)),
			     json_tokener_get_parse_end(parser));
	} else {
		rc = take_type(object, r, e);
		if (!rc)
			rc = take_members(object, r, e);
	}
	json_object_put(object);
	json_tokener_free(parser);
	return rc;
}
