// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection to a VM's monitor: socket, owner, time-outs, and trying again.
 *
 * A path on a command line may lead anywhere. The socket must belong to the VM's user or to root,
 * and the process that listens there must be the VM itself, or one VM could name another's monitor. Where
 * an operator named it, it may be any but another VM.
 *
 * Nothing here waits for long. A path may lead to a file system that hangs, which a VM's user may have
 * mounted himself: so a thread looks at it and connects, and is left to itself if it does not come
 * back at once. A peer that is slow, hung or noisy gets a bounded piece of each turn of the
 * loop and costs its own connection when it breaks a limit, so no other VM notices.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aside.h"
#include "link.h"
#include "sysfs.h"

#define PIECE		4096
#define STATS_EVERY_S	5
#define FDS_KEPT	32ul
#define AT_ONCE_MS	20	/* how long a round waits for a connection; a local one takes less */
#define RETRY_MS	1000
#define RETRY_MOST	6	/* doublings */
/* How long a peer must behave before its failures are forgotten: to greet well is easy. */
#define GOOD_MS		60000

_Static_assert(RETRY_MS << RETRY_MOST == LINK_RETRY_MOST_MS, "others wait for as long");

struct attempt {
	struct aside *aside;
	struct link link;	/* as it was */
	uint64_t began_ms;
	bool told;
	int fd;			/* or -errno, and why: */
	struct err why;
};

static void attempt_drop(void *what)
{
	struct attempt *a = what;

	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

static void attempt_leave(struct attempt **a)
{
	if (*a)
		aside_leave((*a)->aside);
	*a = NULL;
}

void link_init(struct link *l, sd_event *loop, const char *sysroot, int pid, uid_t uid)
{
	*l = (struct link){ .sysroot = sysroot, .loop = loop, .pid = pid, .uid = uid };
}

const struct qmp_facts *link_facts(const struct link *l)
{
	if (l->virt)
		return l->virt_facts.ready ? &l->virt_facts : NULL;
	return l->qmp && qmp_facts(l->qmp)->ready ? qmp_facts(l->qmp) : NULL;
}

static void end_connection(struct link *l)
{
	if (l->io) {
		int fd = sd_event_source_get_io_fd(l->io);

		sd_event_source_disable_unref(l->io);
		close(fd);
	}
	l->io = NULL;
	qmp_free(l->qmp);
	l->qmp = NULL;
	attempt_leave(&l->attempt);
	l->ready_ms = 0;
	virt_vm_free(l->virt);
	l->virt = NULL;
}

void link_close(struct link *l)
{
	end_connection(l);
	attempt_leave(&l->hung);
}

bool link_has_monitor(const struct link *l)
{
	return *l->path || l->virt;
}

bool link_is_open(const struct link *l)
{
	return l->qmp || l->virt;
}

const char *link_text(const struct link *l)
{
	if (l->virt)
		return "with a monitor that is libvirt's";
	return *l->path ? "with a monitor" : "without a monitor";
}

void link_set_balloon(struct link *l, uint64_t bytes)
{
	if (l->qmp)
		qmp_set_balloon(l->qmp, bytes);
	if (l->virt)
		virt_vm_set_balloon(l->virt, bytes);
}

void link_set_paused(struct link *l, bool paused)
{
	if (l->qmp)
		qmp_set_paused(l->qmp, paused);
	if (l->virt)
		virt_vm_set_paused(l->virt, paused);
}

/* libvirt is asked that anyway. */
void link_ask_status(struct link *l)
{
	if (l->qmp)
		qmp_ask_status(l->qmp);
}

bool link_is_running(struct link *l)
{
	struct err why;

	if (l->virt) {
		if (!virt_vm_is_running(l->virt))
			return false;
		/* Facts of the round's beginning may be older than that. */
		virt_vm_look(l->virt, &l->virt_facts, &why);
		return true;
	}
	return l->qmp && qmp_is_running(l->qmp);
}

bool link_balloon_is_settled(const struct link *l)
{
	if (l->virt)
		return virt_vm_balloon_is_settled(l->virt);
	return l->qmp && qmp_balloon_is_settled(l->qmp);
}

void link_set_quit(struct link *l, bool quit)
{
	if (l->qmp)
		qmp_set_quit(l->qmp, quit);
	if (l->virt)
		virt_vm_set_quit(l->virt, quit);
}

static void use_path(struct link *l, size_t at)
{
	l->at = at;
	snprintf(l->path, sizeof(l->path), "%s", l->paths.path[at]);
}

void link_use(struct link *l, const char *path, bool any_process)
{
	struct qmp_paths one;

	memset(&one, 0, sizeof(one));
	one.n = *path != '\0';
	snprintf(one.path[0], sizeof(one.path[0]), "%s", path);
	link_use_one_of(l, &one, any_process);
}

void link_use_one_of(struct link *l, const struct qmp_paths *paths, bool any_process)
{
	l->any_process = any_process;
	if (!l->virt && !memcmp(&l->paths, paths, sizeof(*paths)))
		return;
	link_close(l);
	l->paths = *paths;
	use_path(l, 0);
	l->retry_ms = 0;
	l->failures = 0;
	l->news = false;
}

bool link_use_libvirt(struct link *l, struct virt *virt, const char *uuid)
{
	if (l->virt && !strcmp(l->uuid, uuid))
		return true;
	link_use(l, "", false);
	l->virt = virt_vm_new(virt, l->pid, uuid);
	l->virt_facts = (struct qmp_facts){ 0 };
	snprintf(l->uuid, sizeof(l->uuid), "%s", uuid);
	return l->virt;
}

/* Another may serve somebody else, or nobody; but one that hangs keeps a thread, so once is enough. */
static void use_next_path(struct link *l)
{
	size_t at = (l->at + 1) % l->paths.n;

	if (l->hung && aside_is_over(l->hung->aside, 0))
		attempt_leave(&l->hung);
	if (l->hung && at == l->hung_at)
		at = (at + 1) % l->paths.n;
	use_path(l, at);
}

/* Each failure in a row doubles the time until the next try. */
static void give_up(struct link *l)
{
	/* Of more failures only those are news that end what was told to be connected. */
	l->news |= !l->failures || l->ready_ms;
	/* One that did serve us is as good as any. */
	if (l->paths.n > 1 && !l->ready_ms)
		use_next_path(l);
	end_connection(l);
	l->retry_ms = clock_ms() + ((uint64_t)RETRY_MS << l->failures);
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
		l->ready_ms = clock_ms();
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

static bool is_registered(const struct link *l, int pid)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms/%d", l->sysroot, pid);
	return !access(path, F_OK);
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
	if (peer.pid == l->pid)
		return 0;
	if (!l->any_process)
		return err_set(e, -EPERM, "%s: process %d listens, want the VM's, %d", path,
			       peer.pid, l->pid);
	if (is_registered(l, peer.pid))
		return err_set(e, -EPERM, "%s: process %d listens, which is another VM", path,
			       peer.pid);
	return 0;
}

/* Monitors get no descriptor that /proc and /sys could lack then, or no guest would be served. */
static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct rlimit limit;

	if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) || fd + FDS_KEPT < limit.rlim_cur)
		return fd;
	close(fd);
	errno = EMFILE;
	return -1;
}

static int connect_to(const struct link *l, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, rc;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", l->path);
	rc = check_file(l, address.sun_path, e);
	if (rc)
		return rc;
	fd = new_socket();
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

static void attempt_work(void *what)
{
	struct attempt *a = what;

	a->fd = connect_to(&a->link, &a->why);
}

/* Return: NULL without memory, or when too many hang. */
static struct attempt *attempt_new(const struct link *l, uint64_t now_ms)
{
	struct attempt *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->link = *l;
	a->began_ms = now_ms;
	a->fd = -1;
	a->aside = aside_new(l->uid, attempt_work, attempt_drop, a);
	if (a->aside)
		return a;
	free(a);
	return NULL;
}

/* A path that hangs is waited for as long as it likes, but not by the others that there are. */
static int pending(struct link *l, uint64_t now_ms)
{
	struct attempt *a = l->attempt;

	if (a->told || now_ms < a->began_ms + QMP_ANSWER_MS)
		return -EINPROGRESS;
	a->told = true;
	l->news = true;
	err_set(&l->why, -ETIMEDOUT, "%s: its file system does not answer", l->path);
	if (l->hung || l->paths.n == 1)
		return -EINPROGRESS;
	l->hung = a;
	l->hung_at = l->at;
	l->attempt = NULL;
	return -ETIMEDOUT;
}

/* Return: a socket; -EINPROGRESS when that is not known yet; or -errno, with why it failed. */
static int connected(struct link *l, uint64_t now_ms)
{
	struct attempt *a = l->attempt;
	int fd;

	if (!a)
		a = attempt_new(l, now_ms);
	if (!a)
		return err_set(&l->why, -ENOMEM, "no thread to connect it: too many paths hang");
	l->attempt = a;
	if (!aside_is_over(a->aside, AT_ONCE_MS))
		return pending(l, now_ms);
	fd = a->fd;
	if (fd < 0)
		l->why = a->why;
	l->attempt = NULL;
	a->fd = -1;
	aside_leave(a->aside);
	return fd;
}

static int link_open(struct link *l, uint64_t now_ms)
{
	int fd = connected(l, now_ms), rc;

	if (fd == -EINPROGRESS)
		return 0;
	if (fd < 0)
		return fd;
	l->qmp = qmp_new(STATS_EVERY_S, now_ms);
	if (!l->qmp) {
		close(fd);
		return err_set(&l->why, -ENOMEM, "no memory");
	}
	if (l->paused)
		qmp_doubt_paused(l->qmp);
	rc = sd_event_add_io(l->loop, &l->io, fd, EPOLLIN, on_io, l);
	if (rc < 0) {
		close(fd);
		return err_set(&l->why, rc, "event loop: %s", strerror(-rc));
	}
	return 0;
}

/* libvirt tries again by itself: only what is new has to be seen. */
static void look_at_virt(struct link *l)
{
	bool was_ready = l->virt_facts.ready;
	int rc = virt_vm_look(l->virt, &l->virt_facts, &l->why);

	/* As a new conversation with a monitor of its own is told. */
	if (l->paused && !l->virt_facts.ready)
		virt_vm_doubt_paused(l->virt);
	if (rc == -EAGAIN)
		return;
	l->news |= rc ? !l->failures : !was_ready;
	l->failures = !!rc;
}

void link_poll(struct link *l, uint64_t now_ms)
{
	if (l->virt)
		look_at_virt(l);
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
	if (l->ready_ms && now_ms >= l->ready_ms + GOOD_MS)
		l->failures = 0;
	link_flush(l);
}
