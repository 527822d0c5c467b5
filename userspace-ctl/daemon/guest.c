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
#include <unistd.h>

#include "arith.h"
#include "aside.h"
#include "beside.h"
#include "guest.h"
#include "process.h"
#include "size.h"
#include "sysfs.h"

#define STATS_FRESH_MS	20000	/* four times what the guest was asked for */
#define STATS_COME_MS	10000	/* twice */
#define PRESSED_KEPT_MS	120000
#define SWAP_IN_MUCH	(1 << 20)
/* What a balloon took stays taken while its monitor is connected again. */
#define ANSWER_KEPT_MS	30000
#define SEARCH_MS	200	/* which even a busy machine needs seldom */
#define PAGE_RETRY_MS	1000
#define PAGE_RETRY_MOST	6	/* doublings: a minute */

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

/* Where a VM's monitor is, as its command line says; to read that waits for who holds its memory. */
struct search {
	struct aside *aside;
	const char *sysroot;	/* of the command line: it stays */
	int pid;
	struct qmp_paths paths;
	char uuid[UUID_TEXT_SIZE];
};

static void search_work(void *what)
{
	struct search *w = what;

	if (!process_qmp_paths(w->sysroot, w->pid, &w->paths))
		process_libvirt_uuid(w->sysroot, w->pid, w->uuid);
}

static void search_end(struct guest *g)
{
	if (g->search)
		aside_leave(g->search->aside);
	g->search = NULL;
	g->search_wanted = false;
}

static void search_begin(struct guest *g, const struct surroundings *s)
{
	struct search *w = calloc(1, sizeof(*w));
	bool again = g->search_wanted;

	search_end(g);
	if (w) {
		w->sysroot = s->sysroot;
		w->pid = g->pid;
		w->aside = aside_new(g->uid, search_work, free, w);
	}
	if (w && w->aside) {
		g->search = w;
		return;
	}
	free(w);
	g->search_wanted = true;
	if (!again)
		tell(g, LOG_WARNING, "its monitor is looked for later: too many VMs hang");
}

/* Use what was found; a VM that hangs has no monitor as yet. */
static void search_look(struct guest *g, const struct surroundings *s)
{
	struct search *w = g->search;

	if (!w || !aside_is_over(w->aside, SEARCH_MS))
		return;
	if (w->paths.n || !*w->uuid)
		link_use_one_of(&g->link, &w->paths, false);
	else if (!link_use_libvirt(&g->link, s->virt, w->uuid))
		tell(g, LOG_WARNING, "its monitor is libvirt's: this build has no libvirt");
	if (!link_has_monitor(&g->link))
		g->answered_ms = 0;
	search_end(g);
}

static void find_monitor(struct guest *g, const struct surroundings *s)
{
	if (*g->conf.qmp) {
		search_end(g);
		link_use(&g->link, g->conf.qmp, true);
		return;
	}
	/* What the configuration named is not its, and may be anybody's, while its own is looked for. */
	if (g->link.any_process)
		link_use(&g->link, "", false);
	search_begin(g, s);
	search_look(g, s);
}

/*
 * A VM gives itself its name: so its own file counts only where one VM alone bears that, or one alone of
 * the user that the file is for. Return: EX_DONE, or another code and why it does not.
 */
static int check_owner(const struct guest *g, const struct surroundings *s,
		       const struct vm_conf *own, struct err *e)
{
	uid_t uid = g->uid;

	if (!own->own)
		return EX_DONE;
	if (*own->user && conf_user_id(s->sysroot, own->user, &uid, e))
		return EX_BAD_INPUT;
	if (uid != g->uid)
		return err_set(e, EX_REFUSED, "it is for user %s, and this is a VM of user %u",
			       own->user, g->uid);
	if (g->namesake > (*own->user ? NAMESAKE_OF_OTHER : NAMESAKE_NONE))
		return err_set(e, EX_REFUSED, "another VM%s bears that name",
			       *own->user ? " of that user" : "");
	return EX_DONE;
}

static void read_conf(struct guest *g, const struct surroundings *s)
{
	struct vm_conf own;
	struct err e;
	bool refused;

	if (conf_read_vm(s->sysroot, s->conf, g->name, &own, &e)) {
		tell(g, LOG_ERR, "%s", e.text);
		/* What it has may be another's. */
		if (g->namesake)
			g->conf = s->conf->vm;
		return;
	}
	refused = check_owner(g, s, &own, &e);
	if (refused && !g->told.refused)
		tell(g, LOG_WARNING, CONF_DIR "/vm.d/%s.conf does not count: %s", g->name, e.text);
	g->told.refused = refused;
	g->conf = refused ? s->conf->vm : own;
}

void guest_configure(struct guest *g, const struct surroundings *s)
{
	read_conf(g, s);
	/* Else it is left when the balloon was given back: see leave_monitor(). */
	if (g->conf.balloon)
		find_monitor(g, s);
}

void guest_restore(struct guest *g, const struct surroundings *s, const struct given *given)
{
	g->given = *given;
	/* Decided, whether or not it came to the write: the record is older than that. */
	g->policy.target = given->next;
	g->ladder.untrusted = given->untrusted;
	g->told.paused = given->paused;
	if (!g->conf.balloon && (given->last || given->next || given->paused))
		find_monitor(g, s);
	/* Where it is not known yet whether there is one, what it was held to stays meanwhile. */
	if (link_has_monitor(&g->link) || g->search || g->search_wanted)
		g->answered_ms = s->now_ms;
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
	link_init(&g->link, loop, s->sysroot, pid, vmm.uid);
	guest_configure(g, s);
	return g;
}

void guest_free(struct guest *g)
{
	search_end(g);
	kvm_leave(&g->kvm);
	link_close(&g->link);
	free(g);
}

/*
 * When statistics were sent is told by the clock of the host of the moment, which may be set, and
 * by a monitor that may lie. So after the first look it counts when they were seen to change.
 */
static void look_at_stats(struct guest *g, const struct surroundings *s)
{
	const struct qmp_facts *f = link_facts(&g->link);
	uint64_t age = less(time(NULL), f ? f->stats_at : 0) * 1000;

	if (!f)
		g->heard_ms = 0;
	else if (!g->heard_ms)
		g->heard_ms = s->now_ms;
	if (f && f->stats && f->stats_at != g->stats_at) {
		g->stats_ms = g->stats_at ? s->now_ms : less(s->now_ms, age);
		g->stats_news = true;
		g->free = f->free;
		g->stats_at = f->stats_at;
	}
	g->stats_fresh = f && f->stats && g->stats_ms &&
			 s->now_ms - g->stats_ms <= STATS_FRESH_MS;
}

static bool reacts(const struct guest *g)
{
	const struct qmp_facts *f = link_facts(&g->link);

	/* A driver that sends no statistics shows itself by holding something. */
	return f && f->balloon && (g->stats_fresh || (g->ram && f->actual < g->ram));
}

bool guest_answers(const struct guest *g)
{
	return g->conf.balloon && reacts(g);
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
static bool says_pressed(struct guest *g, const struct qmp_facts *f)
{
	bool much = g->swap_known && f->swap_in >= g->swap_in + SWAP_IN_MUCH;

	g->swap_known = true;
	g->swap_in = f->swap_in;
	if (much)
		return true;
	return f->has_available && f->available < f->total / 32;
}

/*
 * A guest that is short of memory may be too busy to say so again: for a while silence means that
 * nothing has changed.
 */
static bool is_pressed(struct guest *g, const struct surroundings *s)
{
	const struct qmp_facts *f = link_facts(&g->link);

	if (!g->stats_fresh || !f->total)
		return g->pressed && s->now_ms - g->pressed_ms <= PRESSED_KEPT_MS;
	if (!g->stats_news)
		return g->pressed;
	g->stats_news = false;
	if (!says_pressed(g, f))
		return false;
	g->pressed_ms = s->now_ms;
	return true;
}

/* Whether the VM has a balloon to be believed, or had one until a moment ago. */
static bool has_balloon(struct guest *g, const struct surroundings *s)
{
	/* Nobody is spoken to, so the best is expected: what would be decided is the question. */
	if (s->dry_run)
		return g->conf.balloon && link_has_monitor(&g->link) && !g->ladder.untrusted;
	if (guest_answers(g))
		g->answered_ms = s->now_ms;
	return g->answered_ms && s->now_ms - g->answered_ms < ANSWER_KEPT_MS && g->conf.balloon &&
	       !g->ladder.untrusted;
}

/* One that nothing can be taken from can still be stopped or ended when it has come to that. */
static bool may_be_struck(const struct guest *g, const struct surroundings *s)
{
	return s->state == HOST_LOW && g->conf.emergency != EMERGENCY_NONE &&
	       link_has_monitor(&g->link);
}

/*
 * What the guest says that it has no use for: free, or in a balloon that is believed. What the
 * balloon took since the statistics before these may be free in them still. One that says nothing
 * for a while has not got other memory by it, so its last word counts as long as its pressure.
 */
static uint64_t unused_bytes(const struct guest *g, const struct surroundings *s)
{
	uint64_t balloon = guest_balloon(g);

	if (!g->stats_ms || s->now_ms - g->stats_ms > PRESSED_KEPT_MS)
		return 0;
	return less(min_of(g->free, g->ram), less(balloon, g->ladder.stats.before)) + balloon;
}

static void fill_policy(struct guest *g, const struct surroundings *s)
{
	struct policy_vm *p = &g->policy;
	bool known = g->ram, unlimited = p->max && p->target >= p->max;

	p->ram = known ? g->ram : g->usage;
	p->max = amount_of(&g->conf.max, p->ram);
	p->max = p->max < p->ram ? p->max : p->ram;
	p->min = amount_of(&g->conf.min, p->ram);
	p->min = p->min < p->max ? p->min : p->max;
	/* What was all that it may have is so, too, when more is known of. */
	if (unlimited)
		p->target = p->max;
	p->shares = g->conf.shares;
	p->usage = g->usage;
	p->wss = g->wss;
	p->wss_known = g->wss_known;
	p->unused = unused_bytes(g, s);
	p->hand = given_hand(&g->given, g->target);
	p->pressed = g->pressed;
	p->fixed = !known || !(has_balloon(g, s) || g->conf.paging || may_be_struck(g, s));
	p->unknown = !known;
}

/*
 * 0 is a working set too, once there was a round: of a guest that does nothing. But a process
 * without KVM is never seen to touch anything, and an older module tells nothing.
 */
static void read_working_set(struct guest *g, const struct surroundings *s)
{
	uint64_t rounds;

	if (!guest_read(g, s, "wss_bytes", &g->wss))
		g->wss = 0;
	g->wss_known = g->wss || (guest_read(g, s, "wss_rounds", &rounds) && rounds &&
				  kvm_is_there(&g->kvm, s->sysroot, g->pid, g->uid, s->now_ms));
}

/*
 * Whether nobody needs its monitor: the guest runs, and has back what was taken or asked for. One
 * that never had a balloon may have been stopped all the same.
 */
static bool may_leave(const struct guest *g)
{
	const struct qmp_facts *f = link_facts(&g->link);

	if (g->given.paused)
		return false;
	if (!g->answered_ms)
		return true;
	return f && (!f->balloon || (g->ladder.given_back && !claimed(g) &&
				     link_balloon_is_settled(&g->link)));
}

/* Its balloon is not to be used any more: but first it gets back what was taken. */
static void leave_monitor(struct guest *g)
{
	if (!may_leave(g))
		return;
	tell(g, LOG_INFO, "its monitor is left");
	link_use(&g->link, "", false);
	g->answered_ms = 0;
}

/*
 * Memory is divided by RAM, so what a monitor says of it must be there: at least mapped. And it is
 * also the most that a VM is held to, so what it uses must fit in, with the VMM; one that emulates the
 * CPU has more than others.
 */
static bool ram_is_credible(const struct guest *g, const struct surroundings *s, uint64_t ram)
{
	uint64_t least = less(g->usage - g->usage / 8, 2 * vmm_at_most(ram));

	/* What it has mapped is read only when it says something new. */
	return ram >= least && (ram == g->ram || ram <= vmm_size(s->sysroot, g->pid));
}

static void tell_disbelief(struct guest *g, const struct surroundings *s, uint64_t ram)
{
	if (g->disbelieved == ram)
		return;
	g->disbelieved = ram;
	tell(g, LOG_WARNING, "monitor: says %s of RAM: want at most %s, which its process has "
	     "mapped, and about what it uses, %s, at least; what the module sees of it counts",
	     SIZE_TEXT(ram), SIZE_TEXT(vmm_size(s->sysroot, g->pid)), SIZE_TEXT(g->usage));
}

/* A monitor that is lost for a while, or was left, has told nothing else. */
static void look_at_ram(struct guest *g, const struct surroundings *s)
{
	const struct qmp_facts *f = link_facts(&g->link);
	uint64_t said = f && f->ram ? f->ram : g->ram_told ? g->ram : 0, seen;

	g->ram_told = said && said != g->disbelieved && ram_is_credible(g, s, said);
	if (g->ram_told)
		g->ram = said;
	else if (said)
		tell_disbelief(g, s, said);
	/* As of the last pass, and of a VM that begins not all of it. */
	if (!g->ram_told && guest_read(g, s, "eligible_bytes", &seen) && seen)
		g->ram = seen;
}

/* Without opening anything: that may be what fails. */
static bool is_registered(const struct guest *g, const struct surroundings *s)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms/%d", s->sysroot, g->pid);
	return !access(path, F_OK);
}

bool guest_observe(struct guest *g, const struct surroundings *s)
{
	uint64_t folded, zero;

	/* Who is there and cannot be read is as he was. */
	if (!guest_read(g, s, "usage_bytes", &g->usage) ||
	    !guest_read(g, s, "target_bytes", &g->target) ||
	    !guest_read(g, s, "folded_pages", &folded) || !guest_read(g, s, "zero_pages", &zero))
		return is_registered(g, s);
	/* It may be an earlier daemon's, and on record as next alone. */
	if (g->target == g->given.next)
		g->given.last = g->target;
	read_working_set(g, s);
	g->shared = (folded + zero) * 4096;
	g->swapped = s->swapping ? vmm_swapped(s->sysroot, g->pid) : 0;
	g->link.paused = g->given.paused;
	if (g->search_wanted)
		search_begin(g, s);
	search_look(g, s);
	if (!s->dry_run)
		link_poll(&g->link, s->now_ms);
	if (!g->conf.balloon && link_has_monitor(&g->link))
		leave_monitor(g);
	look_at_ram(g, s);
	look_at_stats(g, s);
	g->pressed = is_pressed(g, s);
	fill_policy(g, s);
	return true;
}

bool guest_write_target(struct guest *g, const struct surroundings *s)
{
	uint64_t now;
	char text[32];

	if (!guest_read(g, s, "target_bytes", &now) || given_hand(&g->given, now))
		return false;
	snprintf(text, sizeof(text), "%" PRIu64, g->given.next);
	return !guest_write(g, s, "target_bytes", text);
}

static struct ladder_view view(const struct guest *g, const struct surroundings *s)
{
	const struct qmp_facts *f = link_facts(&g->link);
	struct ladder_view v = {
		.ram = g->policy.ram, .target = g->policy.target, .usage = g->usage,
		.shared = g->shared, .balloon = claimed(g), .paged = g->swapped, .state = s->state,
		.hand = g->policy.hand, .scanned = s->scanning, .answers = reacts(g),
		.leave = !g->conf.balloon && f, .unheard = !f,
	};

	if (f) {
		v.stats_at = f->stats ? f->stats_at : 0;
		v.swapped_out = f->swap_out;
		v.reports = f->reports;
		v.has_stats = g->stats_fresh && f->has_available;
		/* They may be on their way. */
		v.silent = !g->stats_fresh &&
			   (g->stats_ms || s->now_ms - g->heard_ms < STATS_COME_MS);
		v.available = f->available;
		v.free = f->free;
	}
	return v;
}

void guest_climb(struct guest *g, const struct surroundings *s)
{
	struct ladder_knobs k = {
		.share_ms = s->conf->share_s * 1000ull, .report_ms = s->conf->report_s * 1000ull,
		.deadline_ms = s->conf->deadline_s * 1000ull,
		.emergency_ms = s->conf->emergency_s * 1000ull,
		.page_step = s->conf->page_step.bytes, .keep_percent = s->conf->keep_percent,
		.may_page = g->conf.paging,
	};
	struct ladder_view v = view(g, s);

	g->step = ladder_round(&g->ladder, &k, &v, s->now_ms);
}

/* Who stands already is left to who stopped him: he would go on with the emergency's end. */
bool guest_is_in_emergency(const struct guest *g)
{
	const struct qmp_facts *f = link_facts(&g->link);

	if (!g->step.emergency || !f || g->given.paused || g->ending_ms)
		return false;
	return g->conf.emergency == EMERGENCY_QUIT ||
	       (g->conf.emergency == EMERGENCY_PAUSE && (f->runs || !f->knows_runs));
}

bool guest_can_be_struck(const struct guest *g)
{
	return g->conf.emergency == EMERGENCY_QUIT || link_facts(&g->link)->runs;
}

/* The flag stands until the guest was seen to go on: what was sent may be lost with the link. */
static void pause_or_go_on(struct guest *g, const struct surroundings *s)
{
	bool over = s->state <= HOST_SOFT;

	if (!g->given.paused) {
		if (g->step.emergency && g->conf.emergency == EMERGENCY_PAUSE)
			link_ask_status(&g->link);
		return;
	}
	if (!g->told.paused)
		tell(g, LOG_CRIT, "emergency: stopping it until the host has memory again%s",
		     g->conf.paging ? "" : ", which frees nothing by itself (paging = no)");
	g->told.paused = true;
	if (!link_is_open(&g->link))
		return;
	link_set_paused(&g->link, !over);
	if (!over || !link_is_running(&g->link))
		return;
	if (link_facts(&g->link) && !link_facts(&g->link)->runs)
		tell(g, LOG_WARNING, "the emergency is over: it stands for another reason by now, "
		     "and is left so");
	else
		tell(g, LOG_NOTICE, "the emergency is over: it goes on");
	g->given.paused = 0;
	g->told.paused = false;
}

/*
 * A monitor may be lost with what was sent, lie, or refuse. So the end is asked for through each
 * connection, for as long as it is needed and no longer than until the next VM's turn.
 */
static void end_or_spare(struct guest *g, const struct surroundings *s)
{
	bool over = s->state <= HOST_SOFT;

	if (over)
		g->survived = 0;
	if (!g->ending_ms)
		return;
	if (over || s->now_ms - g->ending_ms >= s->conf->deadline_s * 1000ull) {
		tell(g, LOG_WARNING, "%s", over ? "the emergency is over: it need not end" :
		     "it did not end");
		g->survived += !over;
		g->ending_ms = 0;
		g->end_told = false;
		link_set_quit(&g->link, false);
		return;
	}
	if (link_facts(&g->link)) {
		if (!g->end_told)
			tell(g, LOG_CRIT, "emergency: ending it");
		g->end_told = true;
		link_set_quit(&g->link, true);
	} else {
		g->end_told = false;
	}
}

void guest_act(struct guest *g, const struct surroundings *s)
{
	const struct ladder_step *step = &g->step;

	if (s->dry_run)
		return;
	if (step->set_balloon && link_is_open(&g->link)) {
		/* One that does not give way is asked for ever; that is told by its state. */
		if (!step->again)
			tell(g, LOG_INFO, "balloon to %s", SIZE_TEXT(step->balloon_to));
		link_set_balloon(&g->link, less(g->policy.ram, step->balloon_to));
	}
	end_or_spare(g, s);
	pause_or_go_on(g, s);
	link_flush(&g->link);
}

bool guest_gave(const struct guest *g)
{
	/* What it was asked for by an earlier daemon nobody knows before its balloon was seen. */
	bool may_have = !g->ladder.met && (g->given.last || g->given.next);

	if (!link_has_monitor(&g->link) && !g->search && !g->search_wanted)
		return false;
	return g->given.paused || claimed(g) || g->ladder.asked || may_have;
}

bool guest_give_back(struct guest *g, const struct surroundings *s)
{
	const struct qmp_facts *f;

	g->link.paused = g->given.paused;
	if (g->search_wanted)
		search_begin(g, s);
	search_look(g, s);
	link_poll(&g->link, s->now_ms);
	look_at_ram(g, s);
	f = link_facts(&g->link);
	if (!f || !link_is_open(&g->link) || !g->ram)
		return false;
	/* What was wished is lost with a connection: what counts is what is held. */
	if (f->balloon && link_balloon_is_settled(&g->link) &&
	    (!g->ladder.given_back || claimed(g))) {
		link_set_balloon(&g->link, g->ram);
		g->ladder.given_back = true;
	}
	if (g->given.paused)
		link_set_paused(&g->link, false);
	link_flush(&g->link);
	if (link_is_running(&g->link))
		g->given.paused = 0;
	f = link_facts(&g->link);
	return f && !g->given.paused && (!f->balloon || (!claimed(g) &&
	       link_balloon_is_settled(&g->link)));
}

bool guest_page(struct guest *g, const struct surroundings *s)
{
	uint64_t bytes = g->step.page_bytes;

	if (!bytes || !s->pager || s->now_ms < g->page_after_ms ||
	    !pager_take(s->pager, g->pid, g->given.start, bytes, g->page_cursor))
		return false;
	g->page_asked += bytes;
	return true;
}

/*
 * A kernel that has looked through a VM and found nothing, because swap is full or all of it was
 * used a moment ago, will not find more at once, and looking costs. So that is asked later, each
 * time later.
 */
void guest_paged(struct guest *g, const struct surroundings *s, const struct pager_done *done)
{
	bool nothing = done->by_cgroup ? done->error == EAGAIN : done->lap || done->error;

	g->page_cursor = done->cursor;
	if (!nothing || done->swapped) {
		g->page_idle = 0;
		g->page_after_ms = 0;
	} else {
		g->page_after_ms = s->now_ms + ((uint64_t)PAGE_RETRY_MS << g->page_idle);
		if (g->page_idle < PAGE_RETRY_MOST)
			g->page_idle++;
	}
	if (done->error && done->error != g->page_error && done->error != ESRCH && !done->swapped)
		tell(g, LOG_WARNING, "cannot page out %s: %s", SIZE_TEXT(done->asked),
		     done->error == EAGAIN ? "the kernel finds no more that it can swap" :
		     strerror(done->error));
	g->page_error = done->error;
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
