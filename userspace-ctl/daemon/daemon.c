// SPDX-License-Identifier: GPL-2.0-only
/*
 * All VMs, round after round.
 *
 * A round reads everything anew and decides from that. What lasts longer (ladders, what a VM is
 * used to) is lost with the daemon and comes back by looking. What looking cannot tell is on
 * record: whose a target is, before it is written; which VMs are stopped or not believed; the
 * host's state.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "arith.h"
#include "daemon.h"
#include "size.h"
#include "sysfs.h"

#define LOCK_PATH	"/run/pagefold/lock"
/* How long a VM that is taken out gets to get all back: its monitor is tried once at least. */
#define LEAVE_MS	(2 * LINK_RETRY_MOST_MS)

static struct surroundings surroundings(const struct daemon *d)
{
	char run[8];

	return (struct surroundings){
		.sysroot = d->sysroot, .pager = d->pager, .virt = d->virt, .conf = &d->conf,
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
		.interval_ms = c->interval_ms,
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

/*
 * Two daemons would take each other's targets for an operator's. The lock is the process's, and ends
 * with it, however it ends.
 */
static int take_lock(struct daemon *d, struct err *e)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET }, holder;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/run/pagefold", d->sysroot);
	if (mkdir(path, 0755) && errno != EEXIST)
		return err_set(e, EX_REFUSED, "%s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "%s" LOCK_PATH, d->sysroot);
	d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (d->lock < 0)
		return err_set(e, EX_REFUSED, "%s: %s", path, strerror(errno));
	while (fcntl(d->lock, F_SETLK, &all)) {
		if (errno != EAGAIN && errno != EACCES)
			return err_set(e, EX_REFUSED, "%s: cannot lock it: %s", path,
				       strerror(errno));
		holder = all;
		/* It may have ended just now. */
		if (fcntl(d->lock, F_GETLK, &holder) || holder.l_type != F_UNLCK)
			return err_set(e, EX_REFUSED, "%s: process %d holds it: another pagefoldd "
				       "runs", path, holder.l_pid);
	}
	return EX_DONE;
}

int daemon_init(struct daemon *d, const char *sysroot, bool dry_run, struct err *e)
{
	struct conf c;
	int rc;

	*d = (struct daemon){ .sysroot = sysroot, .dry_run = dry_run, .diary.fd = -1, .lock = -1 };
	rc = memory_read(sysroot, &d->memory, e);
	if (!rc)
		rc = conf_read(sysroot, &c, e);
	if (!rc)
		rc = apply_conf(d, &c, e);
	/* Before anything is read that another may be about to write. */
	if (!rc && !dry_run)
		rc = take_lock(d, e);
	if (rc)
		return rc;
	d->left = calloc(GUESTS_MAX, sizeof(*d->left));
	if (!d->left)
		return err_set(e, EX_REFUSED, "no memory");
	d->nleft = given_read(sysroot, &d->host, d->left, GUESTS_MAX, e);
	d->policy.by_free = d->host.by_free;
	d->policy.by_psi = d->host.by_psi;
	if (*e->text)
		tell(NULL, LOG_WARNING, "%s", e->text);
	d->left = realloc(d->left, (d->nleft + 1) * sizeof(*d->left));
	/* A dry run wants to know which monitors are libvirt's, and asks nobody. */
	d->virt = virt_new(sysroot);
	if (dry_run)
		return EX_DONE;
	diary_open(&d->diary, sysroot, d->conf.interval_ms);
	d->pager = pager_new(sysroot);
	return d->pager ? EX_DONE : err_set(e, EX_REFUSED, "cannot start a thread");
}

void daemon_free(struct daemon *d)
{
	for (size_t i = 0; i < d->n; i++) {
		diary_freed(&d->diary, d->guests[i]);
		guest_free(d->guests[i]);
	}
	for (size_t i = 0; i < d->nleaving; i++)
		guest_free(d->leaving[i]);
	free(d->guests);
	free(d->leaving);
	free(d->left);
	diary_close(&d->diary);
	pager_free(d->pager);
	virt_free(d->virt);
	sd_event_unref(d->loop);
	if (d->lock >= 0)
		close(d->lock);
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
	for (size_t i = 0; i < d->n; i++)
		guest_configure(d->guests[i], &s);
	tell(NULL, LOG_INFO, "configuration read again");
}

static struct guest *find_guest(struct daemon *d, int pid)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->guests[i]->pid == pid)
			return d->guests[i];
	return NULL;
}

static struct given *find_left(struct daemon *d, const struct guest *g)
{
	for (size_t i = 0; i < d->nleft; i++)
		if (d->left[i].pid == g->pid && d->left[i].start == g->given.start)
			return &d->left[i];
	return NULL;
}

/* What was given to this very process before, by us or an earlier daemon, goes on from there. */
static void restore(struct daemon *d, const struct surroundings *s, struct guest *g)
{
	struct given *left = find_left(d, g);

	if (!left)
		return;
	guest_restore(g, s, left);
	*left = d->left[--d->nleft];
}

/* An id in vms/ may belong to another process than a moment ago. */
static bool is_same(const struct daemon *d, const struct guest *g)
{
	return vmm_is(d->sysroot, g->pid, g->given.start);
}

/* A VM that was unregistered, or whose module is gone, may be stopped and hold a balloon still. */
static void remember(struct daemon *d, const struct guest *g)
{
	struct given *list;

	if (!is_same(d, g))
		return;
	list = reallocarray(d->left, d->nleft + 1, sizeof(*list));
	if (!list)
		return;
	d->left = list;
	list[d->nleft++] = g->given;
}

/* Its files go before the first VM does: a VM that is missed while they are there was taken out. */
static bool module_is_going(const struct daemon *d)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/register", d->sysroot);
	return access(path, F_OK);
}

/* Should it come back, it is one that was never held to anything: it is held to that step by step. */
static void forget_target(struct daemon *d, const struct guest *g)
{
	struct given *left = find_left(d, g);

	if (!left)
		return;
	left->last = 0;
	left->next = 0;
	d->recorded = false;
}

/*
 * An operator who takes a VM out has it without a daemon: it is not to lack for ever what it gave, nor to
 * stand still. When the module goes all stays, as when the daemon ends: it may be back in a moment, and
 * the host could not bear that all get everything back at once.
 */
static bool begin_leaving(struct daemon *d, const struct surroundings *s, struct guest *g)
{
	struct guest **list;

	if (s->dry_run || !is_same(d, g) || module_is_going(d))
		return false;
	if (!guest_gave(g)) {
		forget_target(d, g);
		return false;
	}
	list = reallocarray(d->leaving, d->nleaving + 1, sizeof(*list));
	if (!list)
		return false;
	d->leaving = list;
	list[d->nleaving++] = g;
	g->left_ms = s->now_ms;
	tell(g, LOG_INFO, "it was taken out, or ends: it gets back what it gave");
	return true;
}

static void end_leaving(struct daemon *d, size_t i)
{
	guest_free(d->leaving[i]);
	d->leaving[i] = d->leaving[--d->nleaving];
}

/* Nor is it one that stands any more. */
static void has_it_back(struct daemon *d, const struct guest *g)
{
	struct given *left = find_left(d, g);

	tell(g, LOG_INFO, "it has back what it gave");
	if (left)
		left->paused = 0;
	forget_target(d, g);
}

static void see_leaving(struct daemon *d, const struct surroundings *s)
{
	for (size_t i = d->nleaving; i-- > 0;) {
		struct guest *g = d->leaving[i];

		if (guest_give_back(g, s))
			has_it_back(d, g);
		else if (s->now_ms - g->left_ms >= LEAVE_MS)
			tell(g, LOG_WARNING, "it was taken out, and did not get back all that it gave");
		else if (is_same(d, g))
			continue;
		end_leaving(d, i);
	}
}

static void forget_dead(struct daemon *d)
{
	for (size_t i = d->nleft; i-- > 0;)
		if (!vmm_is(d->sysroot, d->left[i].pid, d->left[i].start))
			d->left[i] = d->left[--d->nleft];
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
	/* A monitor serves one. */
	for (size_t i = d->nleaving; i-- > 0;)
		if (d->leaving[i]->pid == pid)
			end_leaving(d, i);
	g = guest_new(s, d->loop, pid);
	if (!g)
		return;
	restore(d, s, g);
	g->seen = true;
	d->guests[d->n++] = g;
	d->new_names = true;
	tell(g, LOG_INFO, "found, %s", link_text(&g->link));
	diary_event(&d->diary, g, "vm-add", link_text(&g->link));
}

static void drop_guest(struct daemon *d, const struct surroundings *s, size_t i)
{
	struct guest *g = d->guests[i];

	tell(g, LOG_INFO, "gone");
	diary_freed(&d->diary, g);
	diary_event(&d->diary, g, "vm-del", "it ended or was unregistered");
	remember(d, g);
	if (!begin_leaving(d, s, g))
		guest_free(g);
	d->guests[i] = d->guests[--d->n];
	d->new_names = true;
}

/* Bring the list in line with vms/. Return: 0, ENOENT when there is no module, or another errno. */
static int find_guests(struct daemon *d, const struct surroundings *s)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int rc;

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms", d->sysroot);
	dir = opendir(path);
	rc = dir ? 0 : errno;
	/* That it cannot be looked at, such as for want of file descriptors, says nothing of guests. */
	if (rc && rc != ENOENT) {
		tell(NULL, LOG_ERR, "%s: %s", path, strerror(rc));
		return rc;
	}
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
			drop_guest(d, s, i);
	return rc;
}

struct named {
	struct guest *guest;
	enum namesake namesake;
};

static int by_name(const void *a, const void *b)
{
	const struct guest *x = ((const struct named *)a)->guest;
	const struct guest *y = ((const struct named *)b)->guest;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->uid > y->uid) - (x->uid < y->uid);
}

static void compare_names(struct named *a, struct named *b)
{
	enum namesake is = a->guest->uid == b->guest->uid ? NAMESAKE_OF_USER : NAMESAKE_OF_OTHER;

	if (strcmp(a->guest->name, b->guest->name))
		return;
	a->namesake = max_of(a->namesake, is);
	b->namesake = max_of(b->namesake, is);
}

/* Before anybody acts on a configuration that may not be his. */
static void see_names(struct daemon *d, const struct surroundings *s)
{
	struct named *list = d->new_names ? calloc(d->n + 1, sizeof(*list)) : NULL;

	if (!list)
		return;
	d->new_names = false;
	for (size_t i = 0; i < d->n; i++)
		list[i].guest = d->guests[i];
	qsort(list, d->n, sizeof(*list), by_name);
	for (size_t i = 1; i < d->n; i++)
		compare_names(&list[i - 1], &list[i]);
	for (size_t i = 0; i < d->n; i++) {
		struct guest *g = list[i].guest;
		bool news = g->namesake != list[i].namesake;

		g->namesake = list[i].namesake;
		if (news)
			guest_configure(g, s);
	}
	free(list);
}

static void observe(struct daemon *d, const struct surroundings *s)
{
	for (size_t i = d->n; i-- > 0;)
		if (!guest_observe(d->guests[i], s))
			drop_guest(d, s, i);
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

/* What the operator's target took the place of: it stands in sysfs when it is heard of. */
static uint64_t before_hand(const struct guest *g)
{
	return g->told.hand ? g->told.hand : g->given.next;
}

static void tell_decision(struct daemon *d, struct guest *g)
{
	if (d->dry_run) {
		printf("%s (%d): uses %s, working set %s, ideal %s, target %s: %s\n", g->name,
		       g->pid, SIZE_TEXT(g->usage), SIZE_TEXT(g->policy.active),
		       SIZE_TEXT(g->policy.ideal), SIZE_TEXT(g->policy.target),
		       policy_why_text(g->policy.why));
	} else if (g->policy.hand ? g->told.hand != g->policy.hand : g->given.next != g->target) {
		/* The operator's as he said it: how much RAM there is may not be known yet. */
		tell(g, LOG_INFO, "target %s: %s",
		     SIZE_TEXT(g->policy.hand ? g->policy.hand : g->policy.target),
		     policy_why_text(g->policy.why));
		diary_decision(&d->diary, g, g->policy.hand ? before_hand(g) : g->target);
	}
	g->told.hand = g->policy.hand;
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
	const struct given_host host = { d->policy.by_free, d->policy.by_psi };
	struct given *list;
	struct err e;
	int rc = EX_REFUSED;

	forget_dead(d);
	list = calloc(d->n + d->nleft + 1, sizeof(*list));
	if (list) {
		for (size_t i = 0; i < d->n; i++)
			list[i] = d->guests[i]->given;
		if (d->nleft)
			memcpy(list + d->n, d->left, d->nleft * sizeof(*list));
		rc = given_write(d->sysroot, &host, list, d->n + d->nleft, &e);
	}
	free(list);
	if (!rc)
		d->host = host;
	else
		tell(NULL, LOG_ERR, "%s: nothing is done that cannot be recorded",
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

		if (g->policy.hand || g->given.next == g->target)
			continue;
		if (guest_write_target(g, s))
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
		enrol_running();
	d->no_module = !there;
	return there;
}

/* Rungs are decisions too, and who is not believed is worth an event. */
static void write_diary(struct daemon *d, struct guest *g)
{
	if (g->ladder.rung != g->told.rung) {
		diary_freed(&d->diary, g);
		diary_decision(&d->diary, g, g->given.next);
	}
	/* As it is on record: its state may be another word. */
	if (g->ladder.untrusted && !g->given.untrusted)
		diary_event(&d->diary, g, "untrusted",
			    "its balloon claims more than its usage shows");
}

/*
 * Who is the furthest above its target; among equals whoever was promised the least. But whoever
 * was to end and did not comes after those that nobody tried.
 */
static bool goes_before(const struct guest *a, const struct guest *b)
{
	uint64_t above_a = less(a->usage, a->policy.target);
	uint64_t above_b = less(b->usage, b->policy.target);

	if (a->survived != b->survived)
		return a->survived < b->survived;
	if (above_a != above_b)
		return above_a > above_b;
	return a->policy.shares < b->policy.shares;
}

/*
 * To stop a VM of which nothing may be paged out frees nothing, and only keeps it from growing. So
 * after the first the next one is stopped only where somebody does grow.
 */
static bool is_of_use(const struct daemon *d, const struct guest *g)
{
	return g->conf.emergency == EMERGENCY_QUIT || g->conf.paging || !d->struck_available ||
	       d->memory.available + d->policy.knobs.low / 8 < d->struck_available;
}

static struct guest *find_victim(struct daemon *d)
{
	struct guest *victim = NULL, *useless = NULL;

	for (size_t i = 0; i < d->n; i++) {
		struct guest *g = d->guests[i];

		if (!guest_is_in_emergency(g))
			continue;
		if (!is_of_use(d, g))
			useless = g;
		else if (!victim || goes_before(g, victim))
			victim = g;
	}
	if (!victim && useless && !d->told_useless) {
		tell(useless, LOG_WARNING, "emergency: it is not stopped as well, for that would free nothing: "
		     "paging = no, and nobody grows since the last one was stopped");
		d->told_useless = true;
	}
	return victim;
}

/*
 * One VM at a time, and as long as a balloon has: what the first gave may be enough. Nobody is
 * stopped who could be forgotten: it is on record first, or it is not done.
 */
static void begin_emergency(struct daemon *d, uint64_t now_ms)
{
	struct guest *victim;
	bool quit;

	if (d->policy.state <= HOST_SOFT) {
		d->struck_available = 0;
		d->told_useless = false;
	}
	if (d->emergency_ms && now_ms - d->emergency_ms < d->conf.deadline_s * 1000ull)
		return;
	victim = find_victim(d);
	/* Nobody else pays for that it has not answered yet; it has 5 s before its link is given up. */
	if (!victim || !guest_can_be_struck(victim))
		return;
	quit = victim->conf.emergency == EMERGENCY_QUIT;
	if (quit) {
		victim->ending_ms = now_ms;
	} else {
		victim->given.paused = 1;
		if (!record(d)) {
			victim->given.paused = 0;
			return;
		}
	}
	d->emergency_ms = now_ms;
	d->struck_available = max_of(d->memory.available, 1);
	diary_event(&d->diary, victim, "emergency", quit ? "it is to end" : "it is to be stopped");
}

/* Do what the ladders say. Return: whether anything is to be recorded that is not a target. */
static bool act(struct daemon *d, const struct surroundings *s)
{
	bool news = d->host.by_free != d->policy.by_free || d->host.by_psi != d->policy.by_psi;

	for (size_t i = 0; i < d->n; i++) {
		struct guest *g = d->guests[i];
		const struct given was = g->given;

		guest_act(g, s);
		write_diary(d, g);
		guest_report(g, s);
		g->given.untrusted = g->ladder.untrusted;
		news |= was.paused != g->given.paused || was.untrusted != g->given.untrusted;
	}
	return news;
}

/* All in turn: there may be more than the pager takes at a time. */
static void page(struct daemon *d, const struct surroundings *s)
{
	size_t first = d->n ? d->page_turn % d->n : 0;
	struct pager_done done;
	struct guest *g;

	if (!d->pager)
		return;
	while (pager_collect(d->pager, &done)) {
		g = find_guest(d, done.pid);
		if (g && g->given.start == done.start)
			guest_paged(g, s, &done);
	}
	for (size_t i = first; i < first + d->n; i++)
		if (guest_page(d->guests[i % d->n], s))
			d->page_turn = i + 1;
}

void daemon_round(struct daemon *d)
{
	struct surroundings s;
	struct err e;
	int rc;

	if (memory_read(d->sysroot, &d->memory, &e)) {
		tell(NULL, LOG_ERR, "%s", e.text);
		return;
	}
	s = surroundings(d);
	if (!d->dry_run)
		virt_poll(d->virt, d->conf.libvirt_uri, s.now_ms);
	rc = find_guests(d, &s);
	see_leaving(d, &s);
	if ((rc && rc != ENOENT) || !see_module(d, !rc))
		return;
	see_names(d, &s);
	observe(d, &s);
	decide(d, s.now_ms);
	tell_state(d);
	write_targets(d, &s);
	s.state = d->policy.state;
	for (size_t i = 0; i < d->n; i++)
		guest_climb(d->guests[i], &s);
	begin_emergency(d, s.now_ms);
	if (act(d, &s) && !d->dry_run)
		record(d);
	page(d, &s);
	diary_sample(&d->diary, d->conf.record_s, &d->memory, d->policy.state, d->guests, d->n,
		     s.now_ms);
	if (*d->conf.metrics && !d->dry_run)
		textfile_write(d);
	d->rounds++;
}
