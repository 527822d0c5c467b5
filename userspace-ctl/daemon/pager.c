// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host takes a VM's memory: in a thread, because that may wait for a disk.
 *
 * A VM that has a cgroup to itself is asked for memory through memory.reclaim, where the kernel
 * picks what was used least. Elsewhere that would take from its neighbours, so the VM's own pages
 * are named with process_madvise(), a stretch at a time, round and round.
 */
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

#include "pager.h"
#include "vmm.h"

#define CGROUP_ROOT	"/sys/fs/cgroup"
#define STACK_BYTES	(128 * 1024)

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

struct pager {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool end, busy, failed;
	int pid;
	uint64_t start, bytes, cursor;
	struct err why;
};

/* The cgroup that a process is in, when it is alone there. */
static bool own_cgroup(int pid, char dir[PATH_MAX])
{
	char path[PATH_MAX + 64], line[PATH_MAX];
	bool alone = false;
	int other, n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = fopen(path, "re");
	*dir = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::/", 4) && line[4] != '\n')
			snprintf(dir, PATH_MAX, CGROUP_ROOT "/%.*s", (int)strcspn(line + 4, "\n"),
				 line + 4);
	if (f)
		fclose(f);
	if (!*dir)
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &other) == 1) {
		alone = other == pid;
		n++;
	}
	if (f)
		fclose(f);
	return alone && n == 1;
}

static int reclaim_cgroup(const char *dir, uint64_t bytes)
{
	char path[PATH_MAX + 64], text[32];
	int fd, rc = 0, n;

	snprintf(path, sizeof(path), "%s/memory.reclaim", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	n = snprintf(text, sizeof(text), "%" PRIu64, bytes);
	/* EAGAIN: less than that was found. What was freed is seen elsewhere. */
	if (write(fd, text, n) < 0 && errno != EAGAIN)
		rc = errno;
	close(fd);
	return rc;
}

static int advise(int pidfd, uint64_t from, uint64_t bytes)
{
	struct iovec piece = { .iov_base = (void *)(uintptr_t)from, .iov_len = bytes };

	return syscall(SYS_process_madvise, pidfd, &piece, 1, MADV_PAGEOUT, 0) < 0 ? errno : 0;
}

/* Name the next @bytes of the VM's private memory, from @cursor on. Return: 0 or an errno. */
static int advise_next(int pid, int pidfd, uint64_t bytes, uint64_t *cursor)
{
	uint64_t from, to, left = bytes;
	char path[64], line[512], rights[5];
	int rc = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return errno;
	while (left && !rc && fgets(line, sizeof(line), f)) {
		uint64_t inode;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %" SCNu64, &from, &to, rights,
			   &inode) != 4 || inode || strcmp(rights, "rw-p") || to <= *cursor)
			continue;
		if (from < *cursor)
			from = *cursor;
		if (to - from > left)
			to = from + left;
		rc = advise(pidfd, from, to - from);
		left -= to - from;
		*cursor = to;
	}
	fclose(f);
	if (left)
		*cursor = 0;
	return rc;
}

static void take(struct pager *p)
{
	char dir[PATH_MAX];
	int pidfd, rc;

	pidfd = syscall(SYS_pidfd_open, p->pid, 0);
	if (pidfd < 0)
		return;
	/* With the pidfd in hand the id cannot pass to another process unseen. */
	rc = 0;
	if (vmm_start("", p->pid) == p->start) {
		rc = ENOENT;
		if (own_cgroup(p->pid, dir))
			rc = reclaim_cgroup(dir, p->bytes);
		if (rc)
			rc = advise_next(p->pid, pidfd, p->bytes, &p->cursor);
	}
	close(pidfd);
	if (rc && rc != ESRCH) {
		pthread_mutex_lock(&p->lock);
		err_set(&p->why, rc, "cannot page out process %d: %s", p->pid, strerror(rc));
		p->failed = true;
		pthread_mutex_unlock(&p->lock);
	}
}

static void *work(void *arg)
{
	struct pager *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->end) {
		if (!p->busy) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		take(p);
		pthread_mutex_lock(&p->lock);
		p->busy = false;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct pager *pager_new(void)
{
	struct pager *p = calloc(1, sizeof(*p));
	pthread_attr_t attr;
	int rc;

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	rc = pthread_create(&p->thread, &attr, work, p);
	pthread_attr_destroy(&attr);
	if (rc) {
		free(p);
		return NULL;
	}
	return p;
}

void pager_free(struct pager *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->end = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	free(p);
}

bool pager_take(struct pager *p, int pid, uint64_t start, uint64_t bytes, uint64_t *cursor)
{
	bool taken;

	pthread_mutex_lock(&p->lock);
	taken = !p->busy;
	if (taken) {
		/* The last VM's cursor moved while it was worked on. */
		if (p->pid == pid)
			*cursor = p->cursor;
		p->pid = pid;
		p->start = start;
		p->bytes = bytes;
		p->cursor = *cursor;
		p->busy = true;
		pthread_cond_signal(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	return taken;
}

bool pager_failed(struct pager *p, struct err *e)
{
	bool failed;

	pthread_mutex_lock(&p->lock);
	failed = p->failed;
	p->failed = false;
	*e = p->why;
	pthread_mutex_unlock(&p->lock);
	return failed;
}
