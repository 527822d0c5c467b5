// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer: a monitor that says anything, in pieces of any length.
 *
 * The first byte of the input says how long pieces are; a line ends one, as a monitor sends it. An
 * answer is taken only with the id of what was asked, which no fuzzer guesses: the byte 1, which JSON
 * cannot hold, stands for it. Whatever comes, the conversation ends with an error or goes on, and what
 * it wants to send is a line of bounded length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID_DIGITS	20

/* The peer has read everything; answers are only taken to what was sent. */
static void drain(struct qmp *q, unsigned long long *id)
{
	static const char key[] = "\"id\":";
	const char *bytes, *at;
	size_t n = qmp_output(q, &bytes);

	if (n && bytes[n - 1] != '\n')
		abort();
	at = n ? memmem(bytes, n, key, sizeof(key) - 1) : NULL;
	if (at)
		*id = strtoull(at + sizeof(key) - 1, NULL, 10);
	qmp_sent(q, n);
}

/* How long the next piece is: at most what is left, and as far as its line goes. */
static size_t piece_of(const uint8_t *data, size_t left, size_t piece)
{
	size_t n = left < piece ? left : piece;
	const uint8_t *end = memchr(data, '\n', n);

	return end ? (size_t)(end - data) + 1 : n;
}

/* On the heap and exact, so that ASan sees a byte read beyond. */
static char *copy_of(const uint8_t *data, size_t n, unsigned long long id, size_t *len)
{
	char *copy = malloc(n * ID_DIGITS + 1);

	*len = 0;
	for (size_t i = 0; copy && i < n; i++) {
		if (data[i] == 1)
			*len += sprintf(copy + *len, "%llu", id);
		else
			copy[(*len)++] = data[i];
	}
	return realloc(copy, *len);
}

/* For whoever runs it from seeds: that they lead so far. */
static void tell_progress(const struct qmp *q)
{
	static bool told;

	if (!told && qmp_facts(q)->stats)
		fprintf(stderr, "# heard statistics\n");
	told |= qmp_facts(q)->stats;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned long long id = 0;
	size_t piece, at = 1;
	uint64_t now = 1;
	struct qmp *q;
	struct err e;
	int rc = 0;

	if (size < 2)
		return 0;
	piece = data[0] ? data[0] : size;
	q = qmp_new(5, now);
	if (!q)
		return 0;
	while (!rc && at < size) {
		size_t n = piece_of(data + at, size - at, piece), len;
		char *copy = copy_of(data + at, n, id, &len);

		e.text[0] = '\0';
		rc = qmp_feed(q, copy, len, now, &e);
		free(copy);
		if (rc && !*e.text)
			abort();
		at += n;
		if (rc)
			break;
		drain(q, &id);
		tell_progress(q);
		/* Not always, for curiosity comes after all wishes. */
		if (at % 3 == 0)
			qmp_set_balloon(q, at);
		if (at % 5 == 0)
			qmp_set_paused(q, at & 1);
		if (at % 7 < 2)
			qmp_set_quit(q, at % 7);
		rc = qmp_poll(q, ++now, &e);
		drain(q, &id);
	}
	qmp_free(q);
	return 0;
}
