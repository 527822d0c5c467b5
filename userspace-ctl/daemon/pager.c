// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host takes VMs' memory: in threads, because that may wait for a disk.
 *
 * A VM that has a cgroup to itself is asked for memory through memory.reclaim, where the kernel
 * picks what was used least. Elsewhere that would take from its neighbours, so the VM's own pages
 * are named with process_madvise(), a stretch at a time, round and round.
 *
 * VMs are taken in the order in which they came, one after the other, for they share the disk. But
 * one that hangs must not keep the others: what takes too long gets its thread to itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arith.h"
#include "memory.h"
#include "pager.h"
#include "timer.h"
#include "vmm.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define PAGE		4096ull
#define STACK_BYTES	(128 * 1024)
#define DEPTH_MAX	8	/* of cgroups below a VM's; libvirt has two */
/* Of a VM's memory, how many times what is wanted is named at most: some is in swap already. */
#define WALK_TIMES	16

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define SLOW_MS		2000	/* and the next VM does not wait for this one any longer */
#define THREADS_MAX	8
#define END_MS		1000

struct job {
	enum { JOB_NONE, JOB_WAITS, JOB_RUNS, JOB_DONE } state;
	uint64_t order, began_ms;
	struct pager_done done;
};

struct pager {
	const char *sysroot;
	pthread_mutex_t lock;
	pthread_cond_t wake;	/* there is a job, or the end */
	pthread_cond_t gone;	/* a thread */
	bool end;
	unsigned int threads, idle;
	uint64_t order;
	struct job jobs[PAGER_ROOM];
};

/* The directory of the cgroup of version 2 that a process is in. */
static bool find_cgroup(const char *sysroot, int pid, char *dir, size_t size)
{
	char path[64], text[PATH_MAX] = "\n", *at;
	int n;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (file_read(sysroot, path, text + 1, sizeof(text) - 1))
		return false;
	at = strstr(text, "\n0::/");
	if (!at)
		return false;
	at += strlen("\n0::");
	at[strcspn(at, "\n")] = '\0';
	/* That of a process in another cgroup namespace begins with /.. */
	if (!at[1] || strstr(at, "/.."))
		return false;
	n = snprintf(dir, size, "%s" CGROUP_ROOT "%s", sysroot, at);
	return n > 0 && (size_t)n < size;
}

/* Go up to the first one that memory can be taken from, but not to the root of all. */
static bool find_reclaim(const char *sysroot, char *dir)
{
	size_t root = strlen(sysroot) + strlen(CGROUP_ROOT);
	char path[PATH_MAX];

	while (strlen(dir) > root) {
		snprintf(path, sizeof(path), "%.*s/memory.reclaim", PATH_MAX - 32, dir);
		if (!access(path, W_OK))
			return true;
		*strrchr(dir, '/') = '\0';
	}
	return false;
}

/* A cgroup of threads alone has no list that can be read; its processes are in one above. */
static bool holds_others(const char *dir, int pid)
{
	char path[PATH_MAX];
	bool others = false;
	int one;
	FILE *f;

	snprintf(path, sizeof(path), "%.*s/cgroup.procs", PATH_MAX - 32, dir);
	f = fopen(path, "re");
	if (!f)
		return errno != ENOENT;
	errno = 0;
	while (!others && fscanf(f, "%d", &one) == 1)
		others = one != pid;
	if (ferror(f) && errno != EOPNOTSUPP)
		others = true;
	fclose(f);
	return others;
}

static bool is_alone(const char *dir, int pid, int depth)
{
	bool alone = depth < DEPTH_MAX && !holds_others(dir, pid);
	DIR *list = alone ? opendir(dir) : NULL;
	char path[PATH_MAX];
	struct dirent *e;

	while (alone && list && (e = readdir(list))) {
		if (e->d_type != DT_DIR || *e->d_name == '.')
			continue;
		alone = snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < PATH_MAX &&
			is_alone(path, pid, depth + 1);
	}
	if (list)
		closedir(list);
	return alone && list;
}

/* Return: 0 or an errno. */
static int reclaim_cgroup(const char *dir, uint64_t bytes)
{
	char path[PATH_MAX], text[32];
	int fd, rc = 0, n;

	snprintf(path, sizeof(path), "%.*s/memory.reclaim", PATH_MAX - 32, dir);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno;
	n = snprintf(text, sizeof(text), "%" PRIu64, bytes);
	if (write(fd, text, n) < 0)
		rc = errno;
	close(fd);
	return rc;
}

/* Return: how many bytes were named, or -errno. */
static ssize_t advise(int pidfd, uint64_t from, uint64_t bytes)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)from, .iov_len = bytes };
	ssize_t n = syscall(SYS_process_madvise, pidfd, &piece, 1, MADV_PAGEOUT, 0);

	return n < 0 ? -errno : n;
}

/* One line of maps, when it is of private memory that is no file's. */
static bool parse_private(const char *line, uint64_t *from, uint64_t *to)
{
	uint64_t inode;
	char rights[5];

	return sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64, from, to, rights,
		      &inode) == 4 && !inode && !strcmp(rights, "rw-p") && *from < *to;
}

/* Name what is private from the cursor on, until so much went to swap or enough was walked. */
static void advise_next(const char *sysroot, int pidfd, uint64_t before, struct pager_done *d)
{
	uint64_t from, to, walk = d->asked * WALK_TIMES;
	char path[PATH_MAX], line[512];
	bool any = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/maps", sysroot, d->pid);
	f = fopen(path, "re");
	if (!f) {
		d->error = errno;
		return;
	}
	while (walk && d->swapped < d->asked && fgets(line, sizeof(line), f)) {
		if (!parse_private(line, &from, &to))
			continue;
		from = max_of(from, d->cursor);
		while (from < to && walk && d->swapped < d->asked) {
			uint64_t piece = min_of(min_of(to - from, walk), d->asked - d->swapped);
			ssize_t n = advise(pidfd, from, piece);

			/* What is locked, or went since it was listed, keeps nothing else. */
			if (n <= 0)
				d->error = -n;
			any |= n > 0;
			from += n > 0 ? (uint64_t)n : to - from;
			walk -= n > 0 ? (uint64_t)n : 0;
			d->cursor = from;
			d->swapped = less(vmm_swapped(sysroot, d->pid), before);
			if (d->error == EPERM || d->error == ESRCH)
				walk = 0;
		}
	}
	d->lap = feof(f);
	if (d->lap)
		d->cursor = 0;
	if (any)
		d->error = 0;
	fclose(f);
}

static void take(const char *sysroot, struct pager_done *d)
{
	int pidfd = syscall(SYS_pidfd_open, d->pid, 0);
	char dir[PATH_MAX];
	uint64_t before;

	if (pidfd < 0) {
		d->error = errno;
		return;
	}
	/* With the pidfd in hand the id cannot pass to another process unseen. */
	if (vmm_start(sysroot, d->pid) != d->start) {
		d->error = ESRCH;
		goto out;
	}
	before = vmm_swapped(sysroot, d->pid);
	d->by_cgroup = find_cgroup(sysroot, d->pid, dir, sizeof(dir)) &&
		       find_reclaim(sysroot, dir) && is_alone(dir, d->pid, 0);
	if (d->by_cgroup) {
		d->error = reclaim_cgroup(dir, d->asked);
		d->swapped = less(vmm_swapped(sysroot, d->pid), before);
	}
	if (!d->by_cgroup || (d->error && d->error != EAGAIN)) {
		d->by_cgroup = false;
		d->error = 0;
		advise_next(sysroot, pidfd, before, d);
	}
out:
	close(pidfd);
}

/* The one of that state that came first. */
static struct job *first(struct pager *p, int state)
{
	struct job *found = NULL;

	for (size_t i = 0; i < PAGER_ROOM; i++) {
		struct job *j = &p->jobs[i];

		if ((int)j->state == state && (!found || j->order < found->order))
			found = j;
	}
	return found;
}

static void do_job(struct pager *p, struct job *j)
{
	struct pager_done now = j->done;

	j->state = JOB_RUNS;
	j->began_ms = clock_ms();
	pthread_mutex_unlock(&p->lock);
	take(p->sysroot, &now);
	pthread_mutex_lock(&p->lock);
	j->done = now;
	j->state = JOB_DONE;
}

/* A thread that comes back from a job that hung ends when another is there for the next. */
static void *work(void *arg)
{
	struct pager *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->end && !p->idle) {
		struct job *j = first(p, JOB_WAITS);

		if (j) {
			do_job(p, j);
			continue;
		}
		p->idle++;
		pthread_cond_wait(&p->wake, &p->lock);
		p->idle--;
	}
	p->threads--;
	pthread_cond_signal(&p->gone);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int add_thread(struct pager *p)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, work, p);
	pthread_attr_destroy(&attr);
	p->threads += !rc;
	return rc;
}

/* Whoever waits does so for one that is slow, but not for one that hangs. */
static void hasten(struct pager *p)
{
	uint64_t now = clock_ms();

	if (p->idle || p->threads == THREADS_MAX || !first(p, JOB_WAITS))
		return;
	for (size_t i = 0; i < PAGER_ROOM; i++)
		if (p->jobs[i].state == JOB_RUNS && now - p->jobs[i].began_ms < SLOW_MS)
			return;
	add_thread(p);
}

struct pager *pager_new(const char *sysroot)
{
	struct pager *p = calloc(1, sizeof(*p));
	pthread_condattr_t clock;

	if (!p)
		return NULL;
	p->sysroot = sysroot;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&p->gone, &clock);
	pthread_condattr_destroy(&clock);
	if (!add_thread(p))
		return p;
	free(p);
	return NULL;
}

void pager_free(struct pager *p)
{
	struct timespec until;
	int rc = 0;

	if (!p)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_MS / 1000;
	pthread_mutex_lock(&p->lock);
	p->end = true;
	pthread_cond_broadcast(&p->wake);
	while (p->threads && !rc)
		rc = pthread_cond_timedwait(&p->gone, &p->lock, &until);
	pthread_mutex_unlock(&p->lock);
	/* A thread that hangs still uses it: it ends with the process. */
	if (!rc)
		free(p);
}

/* Return: where to put one more; NULL when there is no room, or the VM has a job already. */
static struct job *room_for(struct pager *p, int pid)
{
	struct job *room = NULL;

	for (size_t i = 0; i < PAGER_ROOM; i++) {
		if (p->jobs[i].state == JOB_NONE)
			room = &p->jobs[i];
		else if (p->jobs[i].done.pid == pid)
			return NULL;
	}
	return room;
}

/*
 * Whole pages are asked for: process_madvise() rounds a length up, but tells it as it was given, and
 * the next piece would begin within a page, where it takes none.
 */
bool pager_take(struct pager *p, int pid, uint64_t start, uint64_t bytes, uint64_t cursor)
{
	uint64_t asked = (bytes + PAGE - 1) / PAGE * PAGE;
	struct job *j;

	pthread_mutex_lock(&p->lock);
	j = room_for(p, pid);
	if (j) {
		*j = (struct job){
			.state = JOB_WAITS, .order = p->order++,
			.done = { .pid = pid, .start = start, .asked = asked, .cursor = cursor },
		};
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	return j;
}

bool pager_collect(struct pager *p, struct pager_done *done)
{
	struct job *j;

	pthread_mutex_lock(&p->lock);
	hasten(p);
	j = first(p, JOB_DONE);
	if (j) {
		*done = j->done;
		j->state = JOB_NONE;
	}
	pthread_mutex_unlock(&p->lock);
	return j;
}
