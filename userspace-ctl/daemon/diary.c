// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the daemon decides, for pagefoldctl events and report: see record.h.
 *
 * It lies in /run, which is memory: when it is DIARY_MAX long it becomes record.jsonl.old, and a new
 * one begins.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

#include "diary.h"
#include "record.h"

#define DIARY_MAX	(4 << 20)

static void append(struct diary *d, struct record *r)
{
	int rc;

	if (d->fd < 0)
		return;
	rc = record_append(d->fd, r);
	if (rc && !d->failed)
		tell(NULL, LOG_WARNING, "cannot write " RECORD_PATH ": %s", strerror(-rc));
	d->failed = rc;
}

static void begin(struct diary *d)
{
	struct record r = { .type = RECORD_START, .program = "pagefoldd" };
	char path[PATH_MAX];
	struct utsname u;

	snprintf(path, sizeof(path), "%s" RECORD_PATH, d->sysroot);
	d->fd = record_open(path);
	if (d->fd < 0) {
		tell(NULL, LOG_WARNING, "%s: %s", path, strerror(-d->fd));
		d->fd = -1;
		return;
	}
	if (!uname(&u))
		snprintf(r.kernel, sizeof(r.kernel), "%.*s", PF_NAME_MAX, u.release);
	r.interval_ms = d->interval_ms;
	append(d, &r);
}

void diary_open(struct diary *d, const char *sysroot, uint64_t interval_ms)
{
	*d = (struct diary){ .fd = -1, .sysroot = sysroot, .interval_ms = interval_ms };
	begin(d);
}

void diary_close(struct diary *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static void turn_over(struct diary *d)
{
	char path[PATH_MAX], old[PATH_MAX];
	struct stat st;

	if (d->fd < 0 || fstat(d->fd, &st) || st.st_size < DIARY_MAX)
		return;
	snprintf(path, sizeof(path), "%s" RECORD_PATH, d->sysroot);
	snprintf(old, sizeof(old), "%s" RECORD_PATH ".old", d->sysroot);
	if (rename(path, old))
		return;
	diary_close(d);
	begin(d);
}

static void name_vm(struct record *r, const struct guest *g)
{
	if (!g)
		return;
	r->vm.pid = g->pid;
	snprintf(r->vm.name, sizeof(r->vm.name), "%s", g->name);
}

void diary_decision(struct diary *d, const struct guest *g, uint64_t from)
{
	/* The record's word for the rung is what an operator calls it. */
	enum rung rung = g->ladder.rung;
	struct record r = {
		.type = RECORD_DECISION, .has_target = true, .from = from, .to = g->given.next,
		.has_freed = rung > RUNG_NONE && rung < RUNG_EMERGENCY,
		.freed = g->ladder.freed[rung],
	};

	turn_over(d);
	name_vm(&r, g);
	if (g->policy.hand)
		r.to = g->policy.hand;
	snprintf(r.word, sizeof(r.word), "%s", rung == RUNG_PAGE ? "pageout" : rung_name(rung));
	snprintf(r.text, sizeof(r.text), "%s", policy_why_text(g->policy.why));
	append(d, &r);
}

void diary_event(struct diary *d, const struct guest *g, const char *event, const char *text)
{
	struct record r = { .type = RECORD_EVENT };

	turn_over(d);
	name_vm(&r, g);
	snprintf(r.word, sizeof(r.word), "%s", event);
	snprintf(r.text, sizeof(r.text), "%s", text);
	append(d, &r);
}
