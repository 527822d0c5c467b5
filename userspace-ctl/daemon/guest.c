// SPDX-License-Identifier: GPL-2.0-only
/*
 * One VM as the daemon knows it.
 *
 * Everything about it can be read again: from sysfs, /proc, its configuration, its monitor and the
 * record of targets. So a daemon that was killed begins where the last one ended.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "guest.h"
#include "process.h"
#include "size.h"
#include "sysfs.h"

#define STATS_FRESH_S	20	/* four times what the guest was asked for */
#define SWAP_IN_MUCH	(1 << 20)

void tell(const struct guest *g, int priority, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!getenv("JOURNAL_STREAM")) {
		if (g)
			fprintf(stderr, "pagefoldd: %s (%d): %s\n", g->name, g->pid, text);
		else
			fprintf(stderr, "pagefoldd: %s\n", text);
		return;
	}
	if (g)
		sd_journal_send("MESSAGE=%s (%d): %s", g->name, g->pid, text, "PRIORITY=%d",
				priority, "PAGEFOLD_VM=%s", g->name, "PAGEFOLD_PID=%d", g->pid,
				"PAGEFOLD_TARGET=%" PRIu64, g->policy.target,
				"PAGEFOLD_USAGE=%" PRIu64, g->usage,
				"PAGEFOLD_RUNG=%s", rung_name(g->ladder.rung), NULL);
	else
		sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d", priority, NULL);
}

static bool guest_read(const struct guest *g, const struct surroundings *s, const char *attr,
		       uint64_t *value)
{
	char path[64], text[32];
	unsigned long long v;

	snprintf(path, sizeof(path), "vms/%d/%s", g->pid, attr);
	if (sysfs_read(s->sysroot, path, text, sizeof(text)) ||
	    parse_number(text, 0, INT64_MAX, &v))
		return false;
	*value = v;
	return true;
}

int guest_write(const struct guest *g, const struct surroundings *s, const char *attr,
		const char *value)
{
	static const struct errno_text meanings[] = { { 0 } };
	char path[64];
	struct err e;
	int rc;

	snprintf(path, sizeof(path), "vms/%d/%s", g->pid, attr);
	rc = sysfs_write(s->sysroot, path, value, meanings, &e);
	if (rc && rc != ENOENT && rc != ENODEV)
		tell(g, LOG_WARNING, "%s", e.text);
	return rc;
}

void guest_configure(struct guest *g, const struct surroundings *s)
{
	struct err e;

	if (conf_read_vm(s->sysroot, s->conf, g->name, &g->conf, &e))
		tell(g, LOG_ERR, "%s", e.text);
}

static void find_monitor(struct guest *g, const struct surroundings *s)
{
	if (!*g->conf.qmp) {
		process_qmp_path(s->sysroot, g->pid, g->link.path);
		return;
	}
	snprintf(g->link.path, sizeof(g->link.path), "%s", g->conf.qmp);
	g->link.any_process = true;
}

struct guest *guest_new(const struct surroundings *s, sd_event *loop, int pid)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct vmm vmm;
	char path[64];

	if (!g)
		return NULL;
	g->pid = pid;
	snprintf(path, sizeof(path), "vms/%d/name", pid);
	if (!vmm_read(s->sysroot, pid, &vmm) ||
	    sysfs_read(s->sysroot, path, g->name, sizeof(g->name)) || !name_is_valid(g->name)) {
		free(g);
		return NULL;
	}
	g->uid = vmm.uid;
	g->given.pid = pid;
	g->given.start = vmm.start;
	g->conf = s->conf->vm;
	guest_configure(g, s);
	link_init(&g->link, loop, pid, vmm.uid);
	if (g->conf.balloon && !s->dry_run)
		find_monitor(g, s);
	return g;
}

void guest_free(struct guest *g)
{
	link_close(&g->link);
	free(g);
}

static bool stats_fresh(const struct qmp_facts *f)
{
	uint64_t now = time(NULL);

	return f->stats && f->stats_at + STATS_FRESH_S >= now;
}

bool guest_answers(const struct guest *g)
{
	const struct qmp_facts *f = link_facts(&g->link);

	/* A driver that sends no statistics shows itself by holding something. */
	return g->conf.balloon && f && f->balloon &&
	       (stats_fresh(f) || (g->ram && f->actual < g->ram));
}

static uint64_t claimed(const struct guest *g)
{
	const struct qmp_facts *f = link_facts(&g->link);

	return f && f->balloon && f->actual < g->ram ? g->ram - f->actual : 0;
}

uint64_t guest_balloon(const struct guest *g)
{
	return g->ladder.untrusted ? 0 : claimed(g);
}

/* Short of memory inside: almost nothing available, or busy reading back what it had to swap. */
static bool is_pressed(struct guest *g, const struct qmp_facts *f)
{
	uint64_t before = g->swap_in;

	if (!f || !stats_fresh(f) || !f->total)
		return false;
	if (f->stats_at == g->stats_at)
		return g->pressed;
	g->swap_in = f->swap_in;
	if (g->stats_at && f->swap_in >= before + SWAP_IN_MUCH) {
		g->stats_at = f->stats_at;
		return true;
	}
	g->stats_at = f->stats_at;
	return f->available && f->available < f->total / 32;
}

static void fill_policy(struct guest *g)
{
	struct policy_vm *p = &g->policy;
	bool known = g->ram;

	p->ram = known ? g->ram : g->usage;
	p->max = amount_of(&g->conf.max, p->ram);
	p->max = p->max < p->ram ? p->max : p->ram;
	p->min = amount_of(&g->conf.min, p->ram);
	p->min = p->min < p->max ? p->min : p->max;
	p->shares = g->conf.shares;
	p->usage = g->usage;
	p->wss = g->wss;
	p->hand = given_hand(&g->given, g->target);
	p->pressed = g->pressed;
	p->fixed = !known || !((guest_answers(g) && !g->ladder.untrusted) || g->conf.paging);
}

bool guest_observe(struct guest *g, const struct surroundings *s)
{
	const struct qmp_facts *f;
	uint64_t folded, zero;

	if (!guest_read(g, s, "usage_bytes", &g->usage) ||
	    !guest_read(g, s, "target_bytes", &g->target) ||
	    !guest_read(g, s, "folded_pages", &folded) || !guest_read(g, s, "zero_pages", &zero))
		return false;
	/* Not known in a module without it: then all of the usage counts as in use. */
	if (!guest_read(g, s, "wss_bytes", &g->wss))
		g->wss = 0;
	g->shared = (folded + zero) * 4096;
	g->swapped = s->swapping ? vmm_swapped(s->sysroot, g->pid) : 0;
	link_poll(&g->link, s->now_ms);
	f = link_facts(&g->link);
	if (f && f->ram)
		g->ram = f->ram;
	else if (!g->ram)
		guest_read(g, s, "eligible_bytes", &g->ram);
	g->pressed = is_pressed(g, f);
	fill_policy(g);
	return true;
}

static struct ladder_view view(const struct guest *g, const struct surroundings *s)
{
	const struct qmp_facts *f = link_facts(&g->link);
	struct ladder_view v = {
		.ram = g->policy.ram, .target = g->policy.target, .usage = g->usage,
		.shared = g->shared, .balloon = claimed(g), .paged = g->swapped, .state = s->state,
		.scanned = s->scanning, .answers = guest_answers(g),
	};

	if (f) {
		v.reports = f->reports;
		v.has_stats = stats_fresh(f) && f->available;
		v.available = f->available;
		v.free = f->free;
	}
	return v;
}

static void emergency(struct guest *g, const struct surroundings *s, bool now)
{
	if (now && g->conf.emergency == EMERGENCY_QUIT && g->link.qmp) {
		tell(g, LOG_CRIT, "emergency: ending it");
		qmp_quit(g->link.qmp);
	} else if (now && g->conf.emergency == EMERGENCY_PAUSE && !g->given.paused) {
		tell(g, LOG_CRIT, "emergency: stopping it until the host has memory again");
		g->given.paused = 1;
	} else if (g->given.paused && s->state <= HOST_SOFT) {
		tell(g, LOG_NOTICE, "the emergency is over: it goes on");
		g->given.paused = 0;
	}
	if (g->link.qmp)
		qmp_set_paused(g->link.qmp, g->given.paused);
}

void guest_act(struct guest *g, const struct surroundings *s)
{
	struct ladder_knobs k = {
		.share_ms = s->conf->share_s * 1000ull, .report_ms = s->conf->report_s * 1000ull,
		.deadline_ms = s->conf->deadline_s * 1000ull,
		.emergency_ms = s->conf->emergency_s * 1000ull,
		.page_step = s->conf->page_step.bytes, .keep_percent = s->conf->keep_percent,
		.may_page = g->conf.paging,
	};
	struct ladder_view v = view(g, s);
	struct ladder_step step = ladder_round(&g->ladder, &k, &v, s->now_ms);

	if (s->dry_run)
		return;
	if (step.set_balloon && g->link.qmp) {
		tell(g, LOG_INFO, "balloon to %s", SIZE_TEXT(step.balloon_to));
		qmp_set_balloon(g->link.qmp, v.ram - step.balloon_to);
	}
	if (step.page_bytes && s->pager)
		pager_take(s->pager, g->pid, g->given.start, step.page_bytes, &g->page_cursor);
	emergency(g, s, step.emergency);
	link_flush(&g->link);
}

static void report_number(const struct guest *g, const struct surroundings *s, const char *attr,
			  uint64_t value, uint64_t *told)
{
	char text[32];

	if (g->told.known && value == *told)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (!guest_write(g, s, attr, text))
		*told = value;
}

/* How much less than its RAM it has, of what was asked of it. */
static uint64_t achieved(const struct guest *g)
{
	const struct policy_vm *p = &g->policy;
	uint64_t has = p->target > g->usage ? p->target : g->usage;

	return p->target < p->ram && has < p->ram ? p->ram - has : 0;
}

static void tell_link(struct guest *g)
{
	const struct qmp_facts *f = link_facts(&g->link);

	if (!g->link.news)
		return;
	g->link.news = false;
	if (!f)
		tell(g, LOG_WARNING, "monitor: %s", g->link.why.text);
	else
		tell(g, LOG_INFO, "monitor connected, %s", f->balloon ? f->reports ?
		     "balloon with free page reporting" : "balloon" : "no balloon");
}

void guest_report(struct guest *g, const struct surroundings *s)
{
	const char *state = ladder_state(&g->ladder);

	tell_link(g);
	if (g->ladder.rung != g->told.rung || strcmp(state, g->told.state))
		tell(g, LOG_INFO, "rung %s, state %s: uses %s, target %s",
		     rung_name(g->ladder.rung), state, SIZE_TEXT(g->usage),
		     SIZE_TEXT(g->policy.target));
	g->told.rung = g->ladder.rung;
	if (s->dry_run) {
		snprintf(g->told.state, sizeof(g->told.state), "%s", state);
		return;
	}
	report_number(g, s, "balloon_bytes", guest_balloon(g), &g->told.balloon);
	report_number(g, s, "achieved_bytes", achieved(g), &g->told.achieved);
	if ((!g->told.known || strcmp(state, g->told.state)) && !guest_write(g, s, "state", state))
		snprintf(g->told.state, sizeof(g->told.state), "%s", state);
	g->told.known = true;
}
