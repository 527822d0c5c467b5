// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register running VMs that the module does not know.
 *
 * udev's rule does that for VMs that start later. Those that ran before the module was loaded are
 * found here when the daemon starts or the module comes; on a host without udev, each when KVM
 * tells of it. No other time: a VM that an operator took out stays out. Only who could not be
 * registered because too many hang is tried again.
 *
 * A process is a VM's by the files that it has open, of which it may have as many as it likes: so all
 * processes are looked at aside, and the rounds go on meanwhile.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "arith.h"
#include "aside.h"
#include "config.h"
#include "daemon.h"
#include "process.h"
#include "sysfs.h"
#include "vmm.h"

#define DEFAULT_DOMAIN "default"
#define ENROL_MS	200
#define SCAN_MS		500	/* that a round waits for a look at all processes */
#define BEGUN_S		60	/* who began before that was seen to, when uevents are lost */
#define NOBODY		((uid_t)-1)	/* whose thread the look at all processes is */

static bool is_registered(const char *sysroot, int pid)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms/%d", sysroot, pid);
	return !access(path, F_OK);
}

/* Its name is in its memory, and the module looks at that as well: both wait where it hangs. */
struct newcomer {
	const char *sysroot;	/* of the command line: it stays */
	int pid;
	uint64_t start;
	uid_t uid;
	bool dry_run;
};

/* Who is to be tried again. */
static struct {
	struct newcomer *list;
	size_t n;
} refused;

static void enrol(void *what)
{
	static const struct errno_text meanings[] = { { 0 } };
	const struct newcomer *new = what;
	const char *sysroot = new->sysroot;
	struct registration r = { .pid = new->pid };
	char line[REGISTRATION_LINE_MAX], path[PATH_MAX];
	struct err e;
	int rc;

	snprintf(path, sizeof(path), "%s" CONFIG_PATH, sysroot);
	if (config_read(path, &r, &e)) {
		tell(NULL, LOG_ERR, "%s", e.text);
		return;
	}
	if (!*r.domain)
		snprintf(r.domain, sizeof(r.domain), "%s", DEFAULT_DOMAIN);
	process_vm_name(sysroot, r.pid, r.name);
	registration_format(&r, line, sizeof(line));
	/* That may have taken long, and its id be another's by now. */
	if (vmm_start(sysroot, r.pid) != new->start || !process_has_kvm(sysroot, r.pid, false)) {
		tell(NULL, LOG_INFO, "process %d is not registered: it has ended", r.pid);
		return;
	}
	if (new->dry_run) {
		printf("%s (%d): not registered, would be, in domain %s\n", r.name, r.pid,
		       r.domain);
		return;
	}
	rc = sysfs_write(sysroot, "register", line, meanings, &e);
	if (rc && rc != EEXIST && rc != ESRCH)
		tell(NULL, LOG_WARNING, "%s", e.text);
}

/* Each once: a process may make VM after VM meanwhile. */
static void keep(const struct newcomer *who)
{
	struct newcomer *list;

	for (size_t i = 0; i < refused.n; i++)
		if (refused.list[i].pid == who->pid && refused.list[i].start == who->start)
			return;
	list = reallocarray(refused.list, refused.n + 1, sizeof(*list));
	if (!list)
		return;
	refused.list = list;
	list[refused.n++] = *who;
}

/* Return: false when no thread was free for it. */
static bool enrol_aside(const struct newcomer *who)
{
	struct newcomer *new = malloc(sizeof(*new));
	struct aside *a = NULL;

	if (new) {
		*new = *who;
		a = aside_new(who->uid, enrol, free, new);
	}
	if (!a) {
		free(new);
		keep(who);
		return false;
	}
	/* The round that follows is to know it, if that is possible. */
	aside_is_over(a, ENROL_MS);
	aside_leave(a);
	return true;
}

static void enrol_found(const struct newcomer *who)
{
	if (!is_registered(who->sysroot, who->pid) && !enrol_aside(who))
		tell(NULL, LOG_WARNING, "process %d is registered later: too many VMs hang",
		     who->pid);
}

/* Whether it is there and not known to the module; not whether it is a VM, for that takes long. */
static bool is_unknown(const char *sysroot, int pid, bool dry_run, struct newcomer *who)
{
	struct vmm vmm;

	if (!pid || is_registered(sysroot, pid) || !vmm_read(sysroot, pid, &vmm))
		return false;
	*who = (struct newcomer){
		.sysroot = sysroot, .pid = pid, .start = vmm.start, .uid = vmm.uid,
		.dry_run = dry_run,
	};
	return true;
}

/* A look at all processes. */
struct scan {
	struct aside *aside;
	const char *sysroot;	/* of the command line: it stays */
	bool dry_run;
	uint64_t since;		/* who was started before that, in clock ticks, is not looked at */
	struct newcomer *found;
	size_t n;
};

/* The one that is not over, and since when another is wanted. */
static struct {
	struct scan *now;
	uint64_t since;
	bool wanted;
} scans;

static void scan_one(struct scan *s, int pid)
{
	struct newcomer who, *list;

	if (!is_unknown(s->sysroot, pid, s->dry_run, &who) || who.start < s->since ||
	    !process_has_kvm(s->sysroot, pid, false))
		return;
	list = reallocarray(s->found, s->n + 1, sizeof(*list));
	if (!list)
		return;
	s->found = list;
	list[s->n++] = who;
}

static void scan_work(void *what)
{
	struct scan *s = what;
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc", s->sysroot);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)*entry->d_name))
			scan_one(s, atoi(entry->d_name));
	if (dir)
		closedir(dir);
}

static void scan_drop(void *what)
{
	struct scan *s = what;

	free(s->found);
	free(s);
}

static void scan_take(struct scan *s)
{
	for (size_t i = 0; i < s->n; i++)
		enrol_found(&s->found[i]);
}

static void scan_begin(const char *sysroot, bool dry_run)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	*s = (struct scan){ .sysroot = sysroot, .dry_run = dry_run, .since = scans.since };
	/* Who only wants to know waits for the answer, and nobody waits for him. */
	if (dry_run) {
		scan_work(s);
		scan_take(s);
		scan_drop(s);
		scans.wanted = false;
		return;
	}
	s->aside = aside_new(NOBODY, scan_work, scan_drop, s);
	if (!s->aside) {
		free(s);
		return;
	}
	scans.now = s;
	scans.wanted = false;
}

static void scan_go_on(const char *sysroot, bool dry_run)
{
	if (!scans.now && scans.wanted)
		scan_begin(sysroot, dry_run);
	if (!scans.now || !aside_is_over(scans.now->aside, SCAN_MS))
		return;
	scan_take(scans.now);
	aside_leave(scans.now->aside);
	scans.now = NULL;
}

static void want_scan(uint64_t since)
{
	scans.since = scans.wanted ? min_of(scans.since, since) : since;
	scans.wanted = true;
}

void enrol_running(void)
{
	want_scan(0);
}

/* An operator may have taken out who is older; and one who made a VM late in his life is not found. */
void enrol_begun(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	want_scan(less(now.tv_sec, BEGUN_S) * sysconf(_SC_CLK_TCK));
}

/* Threads that made a VM, which is whole in the next round. */
static struct {
	int tids[64];
	size_t n;
} expected;

void enrol_expect(int tid)
{
	if (expected.n < ARRAY_SIZE(expected.tids))
		expected.tids[expected.n++] = tid;
	else
		enrol_begun();
}

static void enrol_refused(void)
{
	struct newcomer *list = refused.list;
	size_t n = refused.n;

	refused.list = NULL;
	refused.n = 0;
	for (size_t i = 0; i < n; i++)
		if (!is_registered(list[i].sysroot, list[i].pid) &&
		    vmm_start(list[i].sysroot, list[i].pid) == list[i].start)
			enrol_aside(&list[i]);
	free(list);
}

void enrol_round(const char *sysroot, bool dry_run)
{
	struct newcomer who;
	struct err e;

	/* When the module comes all are looked at. */
	if (!dry_run && sysfs_present(sysroot, &e)) {
		expected.n = 0;
		return;
	}
	enrol_refused();
	scan_go_on(sysroot, dry_run);
	for (size_t i = 0; i < expected.n; i++)
		if (is_unknown(sysroot, process_of_thread(sysroot, expected.tids[i]), dry_run,
			       &who))
			enrol_found(&who);
	expected.n = 0;
}

void enrol_none(void)
{
	expected.n = 0;
}
