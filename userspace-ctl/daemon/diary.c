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

#include "arith.h"
#include "diary.h"
#include "record.h"
#include "sample.h"
#include "size.h"
#include "sysfs.h"

#define DIARY_MAX	(4 << 20)
#define HOUR_MS		3600000ull

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
		if (!d->failed)
			tell(NULL, LOG_WARNING, "%s: %s", path, strerror(-d->fd));
		d->failed = true;
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

	/* What kept it from beginning may be over; a dry run never opened it. */
	if (d->fd < 0 && d->sysroot)
		begin(d);
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

/* Readers add up what rungs freed, so a line has what came since the line before. */
static void append_rung(struct diary *d, struct guest *g, enum rung rung, uint64_t from)
{
	struct record r = {
		.type = RECORD_DECISION, .has_target = true, .from = from, .to = g->given.next,
		.has_freed = rung > RUNG_NONE && rung < RUNG_EMERGENCY,
		.freed = g->ladder.freed[rung] - g->told.freed[rung],
	};

	turn_over(d);
	name_vm(&r, g);
	if (g->policy.hand)
		r.to = g->policy.hand;
	/* The record's word for the rung is what an operator calls it. */
	snprintf(r.word, sizeof(r.word), "%s", rung == RUNG_PAGE ? "pageout" : rung_name(rung));
	snprintf(r.text, sizeof(r.text), "%s", policy_why_text(g->policy.why));
	append(d, &r);
	g->told.freed[rung] = g->ladder.freed[rung];
}

void diary_decision(struct diary *d, struct guest *g, uint64_t from)
{
	append_rung(d, g, g->ladder.rung, from);
}

/* Lower rungs go on while higher ones work, so it is not only the one that was left. */
void diary_freed(struct diary *d, struct guest *g)
{
	uint64_t target = g->policy.hand ? g->policy.hand : g->given.next;

	for (enum rung rung = RUNG_SHARE; rung < RUNG_EMERGENCY; rung++)
		if (g->ladder.freed[rung] > g->told.freed[rung])
			append_rung(d, g, rung, target);
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

static void set_number(struct vm *vm, enum vm_number n, uint64_t value)
{
	vm->value[n] = value;
	vm->has |= 1ull << n;
}

/* What the round has not looked at; what an older module lacks is left out. */
static void read_rest(const struct diary *d, struct vm *vm)
{
	static const enum vm_number rest[] = { VM_ELIGIBLE, VM_RESIDENT, VM_SAVED };
	char path[64], text[32];
	unsigned long long value;

	for (size_t i = 0; i < ARRAY_SIZE(rest); i++) {
		snprintf(path, sizeof(path), "vms/%d/%s", vm->pid, vm_attrs[rest[i]].file);
		if (!sysfs_read(d->sysroot, path, text, sizeof(text)) &&
		    !parse_number(text, 0, INT64_MAX, &value))
			set_number(vm, rest[i], value);
	}
	snprintf(path, sizeof(path), "vms/%d/domain", vm->pid);
	if (sysfs_read(d->sysroot, path, vm->domain, sizeof(vm->domain)))
		*vm->domain = '\0';
}

static void sample_guest(struct diary *d, const struct guest *g, uint64_t time_ms)
{
	struct vm vm = { .pid = g->pid };
	struct record r;

	snprintf(vm.name, sizeof(vm.name), "%s", g->name);
	snprintf(vm.state, sizeof(vm.state), "%s", ladder_state(&g->ladder));
	set_number(&vm, VM_USAGE, g->usage);
	set_number(&vm, VM_TARGET, g->policy.hand ? g->policy.hand : g->given.next);
	set_number(&vm, VM_BALLOON, guest_balloon(g));
	if (g->wss_known)
		set_number(&vm, VM_WSS, g->wss);
	read_rest(d, &vm);
	sample_vm(&vm, time_ms, &r);
	r.has_paged = true;
	r.swapped = g->swapped;
	r.double_paged = g->ladder.double_paged;
	append(d, &r);
}

static uint64_t bytes_of(const struct diary *d)
{
	struct stat st;

	return fstat(d->fd, &st) ? 0 : st.st_size;
}

void diary_sample(struct diary *d, unsigned int every_s, const struct memory *m,
		  enum host_state state, struct guest *const *guests, size_t n, uint64_t now_ms)
{
	uint64_t time_ms = record_now(), before, written;
	struct host host;
	struct record r;
	struct err e;

	if (!every_s || now_ms < d->sample_ms)
		return;
	turn_over(d);
	if (d->fd < 0)
		return;
	before = bytes_of(d);
	if (host_read(d->sysroot, &host, &e))
		host = (struct host){ 0 };
	sample_host(&host, m, host_state_name(state), time_ms, &r);
	append(d, &r);
	for (size_t i = 0; i < n; i++) {
		/* A balloon gives on after its VM is at its target, and then no rung changes. */
		diary_freed(d, guests[i]);
		sample_guest(d, guests[i], time_ms);
	}
	written = less(bytes_of(d), before);
	/* Many VMs are seen less often, or the record would not reach back far enough. */
	d->sample_ms = now_ms + max_of(every_s * 1000ull, written * HOUR_MS / DIARY_MAX);
}
