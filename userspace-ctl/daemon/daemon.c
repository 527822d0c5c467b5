// SPDX-License-Identifier: GPL-2.0-only
/*
 * All VMs, round after round.
 *
 * A round reads everything anew and decides from that. What lasts longer (ladders, what a VM is
 * used to) is lost with the daemon and comes back by looking; the one thing that looking cannot
 * tell, whose a target is, is on record before it is written.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "daemon.h"
#include "size.h"
#include "sysfs.h"

static struct surroundings surroundings(const struct daemon *d)
{
	char run[8];

	return (struct surroundings){
		.sysroot = d->sysroot, .pager = d->pager, .conf = &d->conf,
		.state = d->policy.state, .dry_run = d->dry_run,
		.scanning = !sysfs_read(d->sysroot, "run", run, sizeof(run)) && !strcmp(run, "1"),
		.swapping = d->memory.swap_used > 0, .now_ms = clock_ms(),
	};
}

static int apply_conf(struct daemon *d, const struct conf *c, struct err *e)
{
	struct policy_knobs k = {
		.high = amount_of(&c->high, d->memory.total),
		.soft = amount_of(&c->soft, d->memory.total),
		.hard = amount_of(&c->hard, d->memory.total),
		.low = amount_of(&c->low, d->memory.total),
		.psi_some = c->psi_some_percent * 100, .psi_full = c->psi_full_percent * 100,
		.idle_tax_percent = c->idle_tax_percent, .step_percent = c->step_percent,
		.rise_percent = c->rise_percent, .spike_percent = c->spike_percent,
		.spike_window_ms = c->spike_window_s * 1000,
	};

	if (k.high <= k.soft || k.soft <= k.hard || k.hard <= k.low || k.high >= d->memory.total)
		return err_set(e, EX_BAD_INPUT, "[host] want high > soft > hard > low, and high "
			       "below this host's %s", SIZE_TEXT(d->memory.total));
	d->policy.knobs = k;
	d->conf = *c;
	return EX_DONE;
}

int daemon_init(struct daemon *d, const char *sysroot, bool dry_run, struct err *e)
{
	char dir[PATH_MAX];
	struct conf c;
	int rc;

	*d = (struct daemon){ .sysroot = sysroot, .dry_run = dry_run, .diary.fd = -1 };
	rc = memory_read(sysroot, &d->memory, e);
	if (!rc)
		rc = conf_read(sysroot, &c, e);
	if (!rc)
		rc = apply_conf(d, &c, e);
	if (rc)
		return rc;
	d->restored = calloc(GUESTS_MAX, sizeof(*d->restored));
	if (!d->restored)
		return err_set(e, EX_REFUSED, "no memory");
	d->nrestored = given_read(sysroot, d->restored, GUESTS_MAX, e);
	if (*e->text)
		tell(NULL, LOG_WARNING, "%s", e->text);
	d->restored = realloc(d->restored, (d->nrestored + 1) * sizeof(*d->restored));
	if (dry_run)
		return EX_DONE;
	snprintf(dir, sizeof(dir), "%s/run/pagefold", sysroot);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return err_set(e, EX_REFUSED, "%s: %s", dir, strerror(errno));
	diary_open(&d->diary, sysroot, d->conf.interval_ms);
	d->pager = pager_new();
	return d->pager ? EX_DONE : err_set(e, EX_REFUSED, "cannot start a thread");
}

void daemon_free(struct daemon *d)
{
	for (size_t i = 0; i < d->n; i++)
		guest_free(d->guests[i]);
	free(d->guests);
	free(d->restored);
	diary_close(&d->diary);
	pager_free(d->pager);
	sd_event_unref(d->loop);
}

void daemon_reload(struct daemon *d)
{
	struct surroundings s;
	struct conf c;
	struct err e;

	if (conf_read(d->sysroot, &c, &e) || apply_conf(d, &c, &e)) {
		tell(NULL, LOG_ERR, "%s; the configuration stays as it was", e.text);
		return;
	}
	s = surroundings(d);
	for (size_t i = 0; i < d->n; i++) {
		d->guests[i]->conf = d->conf.vm;
		guest_configure(d->guests[i], &s);
	}
	tell(NULL, LOG_INFO, "configuration read again");
}

static struct guest *find_guest(struct daemon *d, int pid)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->guests[i]->pid == pid)
			return d->guests[i];
	return NULL;
}

/* What an earlier daemon wrote to this very process is ours. */
static void restore(struct daemon *d, struct guest *g)
{
	for (size_t i = 0; i < d->nrestored; i++)
		if (d->restored[i].pid == g->pid && d->restored[i].start == g->given.start)
			g->given = d->restored[i];
}

static void add_guest(struct daemon *d, const struct surroundings *s, int pid)
{
	struct guest *g, **list = d->guests;

	if (d->n == d->room) {
		list = realloc(list, (d->room + 16) * sizeof(*list));
		if (!list)
			return;
		d->guests = list;
		d->room += 16;
	}
	g = guest_new(s, d->loop, pid);
	if (!g)
		return;
	restore(d, g);
	g->seen = true;
	d->guests[d->n++] = g;
	tell(g, LOG_INFO, "found, %s", *g->link.path ? "with a monitor" : "without a monitor");
	diary_event(&d->diary, g, "vm-add", *g->link.path ? "with a monitor" : "without a monitor");
}

static void drop_guest(struct daemon *d, size_t i)
{
	tell(d->guests[i], LOG_INFO, "gone");
	diary_event(&d->diary, d->guests[i], "vm-del", "it ended or was unregistered");
	guest_free(d->guests[i]);
	d->guests[i] = d->guests[--d->n];
}

/* An id in vms/ may belong to another process than a moment ago. */
static bool is_same(const struct daemon *d, const struct guest *g)
{
	return vmm_start(d->sysroot, g->pid) == g->given.start;
}

/* Bring the list in line with vms/. Return: false when there is no module. */
static bool find_guests(struct daemon *d, const struct surroundings *s)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms", d->sysroot);
	dir = opendir(path);
	for (size_t i = 0; i < d->n; i++)
		d->guests[i]->seen = false;
	while (dir && (entry = readdir(dir))) {
		struct guest *g;
		int pid;

		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		pid = atoi(entry->d_name);
		g = find_guest(d, pid);
		if (g)
			g->seen = is_same(d, g);
		else
			add_guest(d, s, pid);
	}
	if (dir)
		closedir(dir);
	for (size_t i = d->n; i-- > 0;)
		if (!d->guests[i]->seen)
			drop_guest(d, i);
	return dir;
}

static void observe(struct daemon *d, const struct surroundings *s)
{
	for (size_t i = d->n; i-- > 0;)
		if (!guest_observe(d->guests[i], s))
			drop_guest(d, i);
}

static void decide(struct daemon *d, uint64_t now_ms)
{
	const struct policy_host host = {
		.total = d->memory.total, .available = d->memory.available,
		.psi_some = d->memory.psi_some, .psi_full = d->memory.psi_full,
	};
	struct policy_vm *vms = calloc(d->n + 1, sizeof(*vms));

	if (!vms)
		return;
	for (size_t i = 0; i < d->n; i++)
		vms[i] = d->guests[i]->policy;
	policy_round(&d->policy, &host, vms, d->n, now_ms);
	for (size_t i = 0; i < d->n; i++)
		d->guests[i]->policy = vms[i];
	free(vms);
}

static void tell_decision(struct daemon *d, struct guest *g)
{
	if (d->dry_run) {
		printf("%s (%d): uses %s, working set %s, ideal %s, target %s: %s\n", g->name,
		       g->pid, SIZE_TEXT(g->usage), SIZE_TEXT(g->policy.active),
		       SIZE_TEXT(g->policy.ideal), SIZE_TEXT(g->policy.target),
		       policy_why_text(g->policy.why));
	} else if (g->policy.hand ? g->told.why != WHY_HAND : g->given.next != g->target) {
		tell(g, LOG_INFO, "target %s: %s", SIZE_TEXT(g->policy.target),
		     policy_why_text(g->policy.why));
		diary_decision(&d->diary, g, g->target);
	}
	g->told.why = g->policy.why;
}

/* What goes to sysfs: no target where it may have all of its RAM; the operator's as it stands. */
static uint64_t to_write(const struct guest *g)
{
	if (g->policy.hand)
		return g->target;
	return g->policy.fixed || g->policy.target >= g->policy.ram ? 0 : g->policy.target;
}

static bool record(struct daemon *d)
{
	struct given *list = calloc(d->n + 1, sizeof(*list));
	struct err e;
	int rc = EX_REFUSED;

	if (list) {
		for (size_t i = 0; i < d->n; i++)
			list[i] = d->guests[i]->given;
		rc = given_write(d->sysroot, list, d->n, &e);
	}
	free(list);
	if (rc)
		tell(NULL, LOG_ERR, "%s: no target is written that cannot be recorded",
		     list ? e.text : "no memory");
	return !rc;
}

static void write_targets(struct daemon *d, const struct surroundings *s)
{
	bool any = !d->recorded;

	for (size_t i = 0; i < d->n; i++) {
		struct guest *g = d->guests[i];

		if (!g->policy.hand)
			g->given.next = to_write(g);
		tell_decision(d, g);
		any |= !g->policy.hand && g->given.next != g->target;
	}
	if (d->dry_run || !any || !record(d))
		return;
	d->recorded = true;
	for (size_t i = 0; i < d->n; i++) {
		struct guest *g = d->guests[i];
		char text[32];

		if (g->policy.hand || g->given.next == g->target)
			continue;
		snprintf(text, sizeof(text), "%" PRIu64, g->given.next);
		if (!guest_write(g, s, "target_bytes", text))
			g->given.last = g->given.next;
	}
}

static void tell_state(struct daemon *d)
{
	if (d->policy.state != d->told_state || d->dry_run)
		tell(NULL, LOG_NOTICE, "host %s: %s of %s available, stalls %u.%02u %%",
		     host_state_name(d->policy.state), SIZE_TEXT(d->memory.available),
		     SIZE_TEXT(d->memory.total), d->memory.psi_some / 100,
		     d->memory.psi_some % 100);
	if (d->policy.state != d->told_state)
		diary_event(&d->diary, NULL, "host-state", host_state_name(d->policy.state));
	d->told_state = d->policy.state;
}

static bool see_module(struct daemon *d, bool there)
{
	if (there != !d->no_module)
		tell(NULL, LOG_NOTICE, "%s", there ? "the module is there" :
		     "no " SYSFS_DIR ": waiting for the module");
	/* One that was loaded anew knows nobody. */
	if (there && d->no_module && d->conf.enrol && !d->dry_run)
		enrol_running(d->sysroot);
	d->no_module = !there;
	return there;
}

/* Rungs are decisions too, and who is not believed is worth an event. */
static void write_diary(struct daemon *d, const struct guest *g)
{
	bool was = !strcmp(g->told.state, "untrusted"), is = g->ladder.untrusted;

	if (g->ladder.rung != g->told.rung)
		diary_decision(&d->diary, g, g->given.next);
	if (is && !was)
		diary_event(&d->diary, g, "untrusted",
			    "its balloon claims more than its usage shows");
}

void daemon_round(struct daemon *d)
{
	struct surroundings s;
	unsigned int paused = 0, still = 0;
	struct err e;

	if (memory_read(d->sysroot, &d->memory, &e)) {
		tell(NULL, LOG_ERR, "%s", e.text);
		return;
	}
	s = surroundings(d);
	if (!see_module(d, find_guests(d, &s)))
		return;
	observe(d, &s);
	decide(d, s.now_ms);
	tell_state(d);
	write_targets(d, &s);
	s.state = d->policy.state;
	for (size_t i = 0; i < d->n; i++) {
		paused += d->guests[i]->given.paused;
		guest_act(d->guests[i], &s);
		write_diary(d, d->guests[i]);
		guest_report(d->guests[i], &s);
		still += d->guests[i]->given.paused;
	}
	if (paused != still)
		record(d);
	if (d->pager && pager_failed(d->pager, &e))
		tell(NULL, LOG_WARNING, "%s", e.text);
	if (*d->conf.metrics && !d->dry_run)
		textfile_write(d);
	d->rounds++;
}
