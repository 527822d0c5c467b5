// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests whose monitor is libvirt's: spoken to through libvirt.
 *
 * libvirt's calls wait: for libvirtd, and behind it for a QEMU that a hostile guest may have taken
 * over and stopped. So a thread makes them. If one has not come back after ANSWER_MS, its thread is
 * left to the VM that it waits for, and ends when it returns; another takes the other VMs. Each has
 * a connection of its own, for libvirtd serves only a few calls of one connection at a time. There
 * is no keep-alive: it would end calls that libvirtd hangs in, but not those that a QEMU hangs in.
 *
 * The library is loaded when the first such VM is there. Linked, it and what it needs would make
 * the daemon five times as large on every host that has none.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf.h"
#include "link.h"
#include "memory.h"
#include "virt.h"

#define LIBRARY		"libvirt.so.0"
#define STATE_DIR	"/run/libvirt"
#define SOCKET_KEY	"?socket="
#define SESSION_URI	"qemu:///session"
#define STACK_BYTES	(512 * 1024)
#define STATS_EVERY_S	5
#define LOOK_EVERY_MS	2000
#define ANSWER_MS	QMP_ANSWER_MS	/* for all calls for one VM, one after the other */
#define SILENT_MS	(3 * ANSWER_MS)	/* older facts are none */
#define END_MS		1000
#define RETRY_MS	1000
#define RETRY_MOST	6	/* doublings: a minute */
#define WORKERS_MAX	8	/* libvirtd has 20 threads for all who ask */

#define CALLS(call) \
	call(virInitialize) call(virSetErrorFunc) call(virGetLastErrorMessage) \
	call(virConnectOpen) call(virConnectClose) call(virConnectIsAlive) \
	call(virDomainLookupByUUIDString) call(virDomainFree) call(virDomainGetName) \
	call(virDomainGetInfo) call(virDomainGetState) call(virDomainGetXMLDesc) call(virDomainMemoryStats) \
	call(virDomainSetMemoryStatsPeriod) call(virDomainSetMemoryFlags) \
	call(virDomainSuspend) call(virDomainResume) call(virDomainDestroy)

static struct {
#define MEMBER(name) __typeof__(name) *name;
	CALLS(MEMBER)
#undef MEMBER
} lib;

struct wishes {
	uint64_t bytes;
	bool balloon, quit, paused;
	bool told_paused;	/* there is a wish, to run or not */
};

/* By what libvirt answered for, not by what it was asked. */
enum run { RUN_GOES, RUN_STOPPED, RUN_DOUBTFUL };

struct virt_vm {
	struct virt *virt;
	struct virt_vm *next;
	int pid;
	char uuid[UUID_TEXT_SIZE];
	bool busy;		/* a worker has it */
	bool gone;		/* and frees it, for nobody else wants it any more */
	enum run run;		/* as far as we had a hand in it */
	uint64_t due_ms, fresh_ms;
	unsigned int failures;
	struct qmp_facts facts;
	struct wishes wishes;
	struct err why;
};

struct worker {
	struct virt *virt;
	pthread_t thread;
	virConnectPtr conn;
	char uri[CONF_URI_MAX];
	struct virt_vm *vm;	/* the one that it has, since when: */
	uint64_t began_ms;
};

struct virt {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	const char *sysroot;
	char uri[CONF_URI_MAX];
	struct virt_vm *vms;
	struct worker *worker;	/* who takes what is due; all others are late */
	unsigned int workers;
	bool end;
	uint64_t retry_ms;	/* when to connect again */
	unsigned int failures;
};

/* What libvirt has to say is returned, not printed. */
static void keep_quiet(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error;
}

static int load_library(struct err *e)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return err_set(e, -ENOENT, "libvirt: cannot load it: %s", dlerror());
#define FIND(name) \
	lib.name = (__typeof__(name) *)dlsym(handle, #name); \
	if (!lib.name) \
		return err_set(e, -ENOENT, "libvirt: " LIBRARY " has no " #name);
	CALLS(FIND)
#undef FIND
	if (lib.virInitialize() < 0)
		return err_set(e, -EIO, "libvirt: cannot set it up");
	lib.virSetErrorFunc(NULL, keep_quiet);
	return 0;
}

static int refused(struct err *e, const char *what)
{
	return err_set(e, -EIO, "libvirt: cannot %s: %s", what, lib.virGetLastErrorMessage());
}

static uint64_t kib(unsigned long long value)
{
	return value <= UINT64_MAX / 1024 ? value * 1024 : 0;
}

/* Where libvirtd notes a domain's process: beside its socket. */
static void pid_file(const char *uri, const char *name, char *path, size_t size)
{
	const char *socket = strstr(uri, SOCKET_KEY), *dir = STATE_DIR;
	int len = sizeof(STATE_DIR) - 1;

	if (socket) {
		dir = socket + sizeof(SOCKET_KEY) - 1;
		len = strrchr(dir, '/') - dir;
	}
	snprintf(path, size, "%.*s/qemu/%s%s.pid", len, dir,
		 strncmp(uri, SESSION_URI, sizeof(SESSION_URI) - 1) ? "" : "run/", name);
}

/*
 * A process may say that it is any domain, and another's guest would pay for it. Which process a
 * domain is, libvirt's interface does not tell, so its own note is read.
 */
static int check_process(const struct worker *w, virDomainPtr domain, int pid, struct err *e)
{
	const char *name = lib.virDomainGetName(domain);
	char path[PATH_MAX], text[16];
	int noted, rc;

	if (!name || strchr(name, '/'))
		return err_set(e, -EINVAL, "libvirt: the domain has no name");
	pid_file(w->uri, name, path, sizeof(path));
	rc = file_read(w->virt->sysroot, path, text, sizeof(text));
	if (rc)
		return err_set(e, -rc, "libvirt: cannot tell whose process it is: %s: %s", path,
			       strerror(rc));
	if (sscanf(text, "%7d", &noted) != 1 || noted != pid)
		return err_set(e, -EPERM, "libvirt: domain %s is process %.*s, not %d", name,
			       (int)strcspn(text, "\n"), text, pid);
	return 0;
}

/* What stays as it is while the guest runs. */
static int look_once(virDomainPtr domain, struct qmp_facts *f, struct err *e)
{
	const char *balloon, *reports;
	virDomainInfo info;
	char *xml;

	if (lib.virDomainGetInfo(domain, &info) < 0)
		return refused(e, "ask about the domain");
	f->ram = kib(info.maxMem);
	xml = lib.virDomainGetXMLDesc(domain, 0);
	if (!xml)
		return refused(e, "read the domain's description");
	/* libvirt wrote it, so its form is known; and a mistake costs only a little waiting. */
	balloon = strstr(xml, "<memballoon ");
	reports = balloon ? strstr(balloon, " freePageReporting='on'") : NULL;
	f->reports = reports && reports < strchr(balloon, '>');
	free(xml);
	/* Refused where there is no balloon, which the next look shows. */
	lib.virDomainSetMemoryStatsPeriod(domain, STATS_EVERY_S, VIR_DOMAIN_AFFECT_LIVE);
	return 0;
}

static void take_statistic(struct qmp_facts *f, const virDomainMemoryStatStruct *s)
{
	switch (s->tag) {
	case VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON:
		f->actual = kib(s->val);
		f->balloon = true;
		break;
	case VIR_DOMAIN_MEMORY_STAT_AVAILABLE:
		f->total = kib(s->val);
		break;
	case VIR_DOMAIN_MEMORY_STAT_USABLE:
		f->available = kib(s->val);
		f->has_available = true;
		break;
	case VIR_DOMAIN_MEMORY_STAT_UNUSED:
		f->free = kib(s->val);
		break;
	case VIR_DOMAIN_MEMORY_STAT_SWAP_IN:
		f->swap_in = kib(s->val);
		break;
	case VIR_DOMAIN_MEMORY_STAT_SWAP_OUT:
		f->swap_out = kib(s->val);
		break;
	case VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT:
		f->faults = s->val;
		break;
	case VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE:
		f->stats_at = s->val;
		f->stats = s->val > 0;
		break;
	default:
		break;
	}
}

static int look(virDomainPtr domain, struct qmp_facts *f, struct err *e)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	int n = lib.virDomainMemoryStats(domain, stats, ARRAY_SIZE(stats), 0), state;

	if (n < 0)
		return refused(e, "read the balloon");
	if (lib.virDomainGetState(domain, &state, NULL, 0) < 0)
		return refused(e, "ask whether it runs");
	*f = (struct qmp_facts){ .ready = true, .ram = f->ram, .reports = f->reports,
				 .knows_runs = true, .runs = state == VIR_DOMAIN_RUNNING };
	for (int i = 0; i < n; i++)
		take_statistic(f, &stats[i]);
	return 0;
}

static bool pause_is_due(const struct wishes *w, enum run run)
{
	return w->told_paused && run != (w->paused ? RUN_STOPPED : RUN_GOES);
}

static int stop_or_go(virDomainPtr domain, bool stop, struct err *e)
{
	int state, reason, rc;

	if (lib.virDomainGetState(domain, &state, &reason, 0) < 0)
		return refused(e, "ask whether it runs");
	/* libvirt refuses what is so already; and who sleeps or ends is not to be woken. */
	if (state != (stop ? VIR_DOMAIN_RUNNING : VIR_DOMAIN_PAUSED))
		return 0;
	/* Nor who stands for another reason than that somebody said so, which may be us. */
	if (!stop && reason != VIR_DOMAIN_PAUSED_USER && reason != VIR_DOMAIN_PAUSED_UNKNOWN)
		return 0;
	rc = stop ? lib.virDomainSuspend(domain) : lib.virDomainResume(domain);
	return rc < 0 ? refused(e, stop ? "stop it" : "let it go on") : 0;
}

/* The operator's and the host's needs before curiosity. */
static int carry_out(virDomainPtr domain, const struct wishes *w, const struct qmp_facts *f,
		     enum run *run, struct err *e)
{
	int rc;

	if (pause_is_due(w, *run)) {
		rc = stop_or_go(domain, w->paused, e);
		if (rc)
			return rc;
		*run = w->paused ? RUN_STOPPED : RUN_GOES;
	}
	if (w->balloon && f->balloon &&
	    lib.virDomainSetMemoryFlags(domain, w->bytes / 1024, VIR_DOMAIN_AFFECT_LIVE) < 0)
		return refused(e, "set the balloon");
	return 0;
}

/* Whoever waited for libvirt for long may find that it need not end any more, or is another's. */
static bool is_to_end(struct virt_vm *vm)
{
	bool end;

	pthread_mutex_lock(&vm->virt->lock);
	end = vm->wishes.quit && !vm->gone;
	pthread_mutex_unlock(&vm->virt->lock);
	return end;
}

/* Everything that is due for one VM; the lock is not held, for any call may wait. */
static int converse(struct worker *w, struct qmp_facts *f, const struct wishes *wishes,
		    enum run *run, struct err *e)
{
	struct virt_vm *vm = w->vm;
	virDomainPtr domain = lib.virDomainLookupByUUIDString(w->conn, vm->uuid);
	int rc;

	if (!domain)
		return refused(e, "find the domain");
	rc = check_process(w, domain, vm->pid, e);
	if (!rc && wishes->quit && is_to_end(vm) && lib.virDomainDestroy(domain) < 0)
		rc = refused(e, "end it");
	if (!rc)
		rc = carry_out(domain, wishes, f, run, e);
	if (!rc && !f->ready)
		rc = look_once(domain, f, e);
	if (!rc)
		rc = look(domain, f, e);
	lib.virDomainFree(domain);
	return rc;
}

/* Each failure in a row doubles the time until the next try. */
static uint64_t back_off(unsigned int *failures)
{
	uint64_t at = clock_ms() + ((uint64_t)RETRY_MS << *failures);

	if (*failures < RETRY_MOST)
		++*failures;
	return at;
}

/*
 * When libvirt is back, the host may be in another need: what is still wished then is wished again,
 * and none is ended late.
 */
static void fail(struct virt_vm *vm, const struct err *why)
{
	vm->facts.ready = false;
	vm->wishes.balloon = vm->wishes.quit = false;
	vm->why = *why;
	vm->due_ms = back_off(&vm->failures);
}

static void forget(struct virt_vm *vm)
{
	struct virt_vm **at = &vm->virt->vms;

	while (*at != vm)
		at = &(*at)->next;
	*at = vm->next;
	free(vm);
}

static void serve(struct worker *w, struct virt_vm *vm)
{
	struct virt *v = w->virt;
	struct qmp_facts facts = vm->facts;
	struct wishes wishes = vm->wishes;
	bool had_balloon = facts.balloon, pauses = pause_is_due(&wishes, vm->run);
	enum run run = pauses ? RUN_DOUBTFUL : vm->run;
	struct err why;
	int rc;

	/* Until there is an answer. */
	vm->run = run;
	vm->busy = true;
	w->vm = vm;
	w->began_ms = clock_ms();
	pthread_mutex_unlock(&v->lock);
	rc = converse(w, &facts, &wishes, &run, &why);
	if (rc && lib.virConnectIsAlive(w->conn) <= 0) {
		lib.virConnectClose(w->conn);
		w->conn = NULL;
	}
	pthread_mutex_lock(&v->lock);
	w->vm = NULL;
	vm->busy = false;
	/* Else there may be a doubt that is newer. */
	if (pauses)
		vm->run = run;
	if (rc) {
		fail(vm, &why);
	} else {
		vm->facts = facts;
		vm->fresh_ms = clock_ms();
		vm->due_ms = vm->fresh_ms + LOOK_EVERY_MS;
		vm->failures = 0;
		/* Unless there is a newer one. */
		if (wishes.balloon && had_balloon && vm->wishes.bytes == wishes.bytes)
			vm->wishes.balloon = false;
	}
	if (vm->gone)
		forget(vm);
}

/* Return: whether there is a connection. The lock is not held meanwhile: this may wait for ever. */
static bool connect_libvirt(struct worker *w)
{
	static bool loaded;
	struct virt *v = w->virt;
	virConnectPtr conn = NULL;
	struct err why;

	snprintf(w->uri, sizeof(w->uri), "%s", v->uri);
	pthread_mutex_unlock(&v->lock);
	/* Other workers come only after the first has connected. */
	if (loaded || !load_library(&why)) {
		loaded = true;
		conn = lib.virConnectOpen(w->uri);
		if (!conn)
			refused(&why, "connect");
	}
	pthread_mutex_lock(&v->lock);
	w->conn = conn;
	if (conn)
		v->failures = 0;
	else
		v->retry_ms = back_off(&v->failures);
	for (struct virt_vm *vm = v->vms; vm; vm = vm->next) {
		if (vm->busy)
			continue;
		if (!conn)
			fail(vm, &why);
		vm->failures = 0;
		vm->due_ms = 0;
	}
	return conn;
}

/* What is due first; NULL: nothing, and *@wait_ms is when there may be. */
static struct virt_vm *next_due(struct virt *v, uint64_t *wait_ms)
{
	struct virt_vm *first = NULL;

	for (struct virt_vm *vm = v->vms; vm; vm = vm->next)
		if (!vm->busy && (!first || vm->due_ms < first->due_ms))
			first = vm;
	*wait_ms = first ? first->due_ms : UINT64_MAX;
	return first && first->due_ms <= clock_ms() ? first : NULL;
}

/* What clock_ms() counts, but for the one that it adds so as never to be 0. */
static struct timespec at_ms(uint64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static void wait_until(struct virt *v, uint64_t ms)
{
	const struct timespec until = at_ms(ms);

	if (ms == UINT64_MAX)
		pthread_cond_wait(&v->wake, &v->lock);
	else
		pthread_cond_timedwait(&v->wake, &v->lock, &until);
}

static void take_turns(struct worker *w)
{
	struct virt *v = w->virt;
	struct virt_vm *vm;
	uint64_t wait_ms;

	while (!v->end && v->worker == w) {
		vm = next_due(v, &wait_ms);
		if (!vm)
			wait_until(v, wait_ms);
		else if (w->conn && !strcmp(w->uri, v->uri))
			serve(w, vm);
		else if (w->conn)
			return;
		else if (clock_ms() < v->retry_ms)
			wait_until(v, v->retry_ms);
		else
			connect_libvirt(w);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct virt *v = w->virt;
	sigset_t signals;

	/* libvirt writes to a libvirtd that has gone, which would end the process. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	pthread_mutex_lock(&v->lock);
	take_turns(w);
	pthread_mutex_unlock(&v->lock);
	if (w->conn)
		lib.virConnectClose(w->conn);
	pthread_mutex_lock(&v->lock);
	if (v->worker == w) {
		v->worker = NULL;
		/* Else it is waited for. */
		if (!v->end)
			pthread_detach(w->thread);
	}
	v->workers--;
	pthread_mutex_unlock(&v->lock);
	free(w);
	return NULL;
}

/* Tried again in the next round when it fails. */
static void start_worker(struct virt *v)
{
	struct worker *w = calloc(1, sizeof(*w));
	pthread_attr_t attr;

	if (!w)
		return;
	w->virt = v;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (pthread_create(&w->thread, &attr, work, w)) {
		free(w);
	} else {
		v->worker = w;
		v->workers++;
	}
	pthread_attr_destroy(&attr);
}

void virt_poll(struct virt *v, const char *uri, uint64_t now_ms)
{
	struct worker *w;
	struct err why;

	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	snprintf(v->uri, sizeof(v->uri), "%s", uri);
	w = v->worker;
	if (w && w->vm && now_ms > w->began_ms + ANSWER_MS && v->workers < WORKERS_MAX) {
		err_set(&why, -ETIMEDOUT, "libvirt: no answer within %d s", ANSWER_MS / 1000);
		fail(w->vm, &why);
		pthread_detach(w->thread);
		v->worker = NULL;
	}
	if (!v->worker && v->vms)
		start_worker(v);
	pthread_mutex_unlock(&v->lock);
}

struct virt *virt_new(const char *sysroot)
{
	struct virt *v = calloc(1, sizeof(*v));
	pthread_condattr_t attr;

	if (!v)
		return NULL;
	/* It is the operator's to start a libvirtd. */
	setenv("LIBVIRT_AUTOSTART", "0", 1);
	v->sysroot = sysroot;
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->wake, &attr);
	pthread_condattr_destroy(&attr);
	return v;
}

void virt_free(struct virt *v)
{
	const struct timespec until = at_ms(clock_ms() + END_MS);
	pthread_t thread;
	bool waits;

	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	v->end = true;
	waits = v->worker;
	if (waits)
		thread = v->worker->thread;
	pthread_cond_broadcast(&v->wake);
	pthread_mutex_unlock(&v->lock);
	if (waits && pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until))
		pthread_detach(thread);
	pthread_mutex_lock(&v->lock);
	waits = v->workers;
	pthread_mutex_unlock(&v->lock);
	if (!waits)
		free(v);
}

struct virt_vm *virt_vm_new(struct virt *v, int pid, const char *uuid)
{
	struct virt_vm *vm = v ? calloc(1, sizeof(*vm)) : NULL;

	if (!vm)
		return NULL;
	vm->virt = v;
	vm->pid = pid;
	vm->fresh_ms = clock_ms();
	snprintf(vm->uuid, sizeof(vm->uuid), "%s", uuid);
	pthread_mutex_lock(&v->lock);
	vm->next = v->vms;
	v->vms = vm;
	pthread_cond_broadcast(&v->wake);
	pthread_mutex_unlock(&v->lock);
	return vm;
}

void virt_vm_free(struct virt_vm *vm)
{
	struct virt *v = vm ? vm->virt : NULL;

	if (!vm)
		return;
	pthread_mutex_lock(&v->lock);
	if (vm->busy)
		vm->gone = true;
	else
		forget(vm);
	pthread_mutex_unlock(&v->lock);
}

int virt_vm_look(struct virt_vm *vm, struct qmp_facts *f, struct err *why)
{
	bool silent;
	int rc = 0;

	pthread_mutex_lock(&vm->virt->lock);
	silent = clock_ms() > vm->fresh_ms + SILENT_MS;
	*f = vm->facts;
	f->ready &= !silent;
	if (silent && (vm->facts.ready || !*vm->why.text))
		rc = err_set(why, -ETIMEDOUT, "libvirt: silent for %d s", SILENT_MS / 1000);
	else if (!f->ready && !*vm->why.text)
		rc = -EAGAIN;
	else if (!f->ready)
		rc = err_set(why, -EIO, "%s", vm->why.text);
	pthread_mutex_unlock(&vm->virt->lock);
	return rc;
}

/* A wish wakes who sees to it, unless the VM is to be left alone for a while. */
static void wish(struct virt_vm *vm)
{
	if (!vm->facts.ready)
		return;
	vm->due_ms = 0;
	pthread_cond_broadcast(&vm->virt->wake);
}

void virt_vm_set_balloon(struct virt_vm *vm, uint64_t bytes)
{
	pthread_mutex_lock(&vm->virt->lock);
	vm->wishes.bytes = bytes;
	vm->wishes.balloon = true;
	wish(vm);
	pthread_mutex_unlock(&vm->virt->lock);
}

void virt_vm_set_paused(struct virt_vm *vm, bool paused)
{
	bool news;

	pthread_mutex_lock(&vm->virt->lock);
	news = !vm->wishes.told_paused || vm->wishes.paused != paused;
	vm->wishes.paused = paused;
	vm->wishes.told_paused = true;
	if (news)
		wish(vm);
	pthread_mutex_unlock(&vm->virt->lock);
}

void virt_vm_doubt_paused(struct virt_vm *vm)
{
	pthread_mutex_lock(&vm->virt->lock);
	vm->run = RUN_DOUBTFUL;
	pthread_mutex_unlock(&vm->virt->lock);
}

bool virt_vm_is_running(struct virt_vm *vm)
{
	bool running;

	pthread_mutex_lock(&vm->virt->lock);
	running = vm->run == RUN_GOES;
	pthread_mutex_unlock(&vm->virt->lock);
	return running;
}

bool virt_vm_balloon_is_settled(struct virt_vm *vm)
{
	bool settled;

	pthread_mutex_lock(&vm->virt->lock);
	settled = !vm->wishes.balloon && !vm->busy;
	pthread_mutex_unlock(&vm->virt->lock);
	return settled;
}

void virt_vm_set_quit(struct virt_vm *vm, bool quit)
{
	bool news;

	pthread_mutex_lock(&vm->virt->lock);
	news = quit && !vm->wishes.quit;
	vm->wishes.quit = quit;
	if (news)
		wish(vm);
	pthread_mutex_unlock(&vm->virt->lock);
}
