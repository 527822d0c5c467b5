// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection to a VM's monitor: socket, owner, time-outs, and trying again.
 *
 * A path on a command line may lead anywhere. The socket must belong to the VM's user or to root,
 * and the process that listens there must be the VM itself, or one VM could name another's monitor.
 *
 * Nothing here waits. A peer that is slow, hung or noisy gets a bounded piece of each turn of the
 * loop and costs its own connection when it breaks a limit, so no other VM notices.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define PIECE		4096
#define STATS_EVERY_S	5
#define RETRY_MS	1000
#define RETRY_MOST	6	/* doublings: a minute */

uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000 + 1;
}

void link_init(struct link *l, sd_event *loop, int pid, uid_t uid)
{
	*l = (struct link){ .loop = loop, .pid = pid, .uid = uid };
}

const struct qmp_facts *link_facts(const struct link *l)
{
	return l->qmp && qmp_facts(l->qmp)->ready ? qmp_facts(l->qmp) : NULL;
}

void link_close(struct link *l)
{
	if (l->io) {
		int fd = sd_event_source_get_io_fd(l->io);

		sd_event_source_disable_unref(l->io);
		close(fd);
	}
	l->io = NULL;
	qmp_free(l->qmp);
	l->qmp = NULL;
}

/* Each failure in a row doubles the time until the next try. */
static void give_up(struct link *l)
{
	link_close(l);
	l->retry_ms = clock_ms() + ((uint64_t)RETRY_MS << l->failures);
	l->news = !l->failures;
	if (l->failures < RETRY_MOST)
		l->failures++;
}

void link_flush(struct link *l)
{
	const char *bytes;
	size_t left;
	ssize_t n = 0;
	int fd;

	if (!l->io)
		return;
	fd = sd_event_source_get_io_fd(l->io);
	left = qmp_output(l->qmp, &bytes);
	if (left)
		n = send(fd, bytes, left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		err_set(&l->why, -errno, "cannot send: %s", strerror(errno));
		give_up(l);
		return;
	}
	if (n > 0)
		qmp_sent(l->qmp, n);
	left = qmp_output(l->qmp, &bytes);
	sd_event_source_set_io_events(l->io, EPOLLIN | (left ? EPOLLOUT : 0));
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct link *l = arg;
	char piece[PIECE];
	bool was_ready = link_facts(l);
	ssize_t n;

	(void)s;
	if (!(events & ~EPOLLOUT)) {
		link_flush(l);
		return 0;
	}
	n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		err_set(&l->why, -EPIPE, "closed: %s", n ? strerror(errno) : "the peer hung up");
		give_up(l);
		return 0;
	}
	if (qmp_feed(l->qmp, piece, n, clock_ms(), &l->why)) {
		give_up(l);
		return 0;
	}
	if (!was_ready && link_facts(l)) {
		l->failures = 0;
		l->news = true;
	}
	link_flush(l);
	return 0;
}

/* The socket's file, before anybody is spoken to. */
static int check_file(const struct link *l, const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st))
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -ENOTSOCK, "%s: not a socket", path);
	if (st.st_uid && st.st_uid != l->uid)
		return err_set(e, -EPERM, "%s: belongs to user %u, want %u or root", path,
			       st.st_uid, l->uid);
	return 0;
}

static int check_peer(const struct link *l, int fd, const char *path, struct err *e)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (peer.uid && peer.uid != l->uid)
		return err_set(e, -EPERM, "%s: user %u listens, want %u or root", path, peer.uid,
			       l->uid);
	if (!l->any_process && peer.pid != l->pid)
		return err_set(e, -EPERM, "%s: process %d listens, want the VM's, %d", path,
			       peer.pid, l->pid);
	return 0;
}

static int connect_to(const struct link *l, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, rc;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", l->path);
	rc = check_file(l, address.sun_path, e);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		rc = err_set(e, -errno, "%s: %s", address.sun_path, strerror(errno));
	else
		rc = check_peer(l, fd, address.sun_path, e);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static int link_open(struct link *l, uint64_t now_ms)
{
	int fd = connect_to(l, &l->why), rc;

	if (fd < 0)
		return fd;
	l->qmp = qmp_new(STATS_EVERY_S, now_ms);
	if (!l->qmp) {
		close(fd);
		return err_set(&l->why, -ENOMEM, "no memory");
	}
	rc = sd_event_add_io(l->loop, &l->io, fd, EPOLLIN, on_io, l);
	if (rc < 0) {
		close(fd);
		return err_set(&l->why, rc, "event loop: %s", strerror(-rc));
	}
	return 0;
}

void link_poll(struct link *l, uint64_t now_ms)
{
	if (!*l->path)
		return;
	if (!l->qmp) {
		if (now_ms >= l->retry_ms && link_open(l, now_ms) < 0)
			give_up(l);
		return;
	}
	if (qmp_poll(l->qmp, now_ms, &l->why)) {
		give_up(l);
		return;
	}
	link_flush(l);
}
