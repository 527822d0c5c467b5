// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer: a monitor that says anything, in pieces of any length.
 *
 * The first byte of the input says how long pieces are. Whatever comes, the conversation ends with
 * an error or goes on, and what it wants to send is a line of bounded length.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The peer has read everything; answers are only taken to what was sent. */
static void drain(struct qmp *q)
{
	const char *bytes;
	size_t n = qmp_output(q, &bytes);

	if (n && bytes[n - 1] != '\n')
		abort();
	qmp_sent(q, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
		size_t n = size - at < piece ? size - at : piece;

		/* On the heap and exact, so that ASan sees a byte read beyond. */
		char *copy = malloc(n);

		memcpy(copy, data + at, n);
		e.text[0] = '\0';
		rc = qmp_feed(q, copy, n, now, &e);
		free(copy);
		if (rc && !*e.text)
			abort();
		at += n;
		if (rc)
			break;
		drain(q);
		qmp_set_balloon(q, at);
		qmp_set_paused(q, at & 1);
		rc = qmp_poll(q, ++now, &e);
		drain(q);
	}
	qmp_free(q);
	return 0;
}
