// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a VM's monitor can be reached: its socket is on its command line, is owned by who runs
 * it, and answers with QEMU's greeting. One that is libvirt's serves libvirt only, which pagefoldd
 * asks in its place.
 *
 * The peer may be hostile or hung, so nothing is waited for longer than ANSWER_MS, and no more than
 * the first bytes are read. Nothing is said to it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "process.h"

#define ANSWER_MS	1000
/* Pagefoldd's configuration is not read: of what it names the advice says that it counts. */
#define NO_MONITOR	"start QEMU with -qmp unix:/run/NAME.qmp,server=on,wait=off, unless " \
			"qmp= in pagefoldd.conf names a socket; without any the guest is " \
			"shared and paged, never ballooned"

#ifdef HAVE_LIBVIRT
static const bool have_libvirt = true;
#else
static const bool have_libvirt;
#endif

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Return: 1 when QEMU greets, 0 when nobody answers, -1 when what answers is no QEMU. */
static int greeted(int fd)
{
	static const char greeting[] = "{\"QMP\":";
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char text[64];
	ssize_t n, kept = 0;

	if (poll(&wait, 1, ANSWER_MS) <= 0)
		return 0;
	n = read(fd, text, sizeof(text));
	/* It prints a space after the colon or before, by version. */
	for (ssize_t i = 0; i < n; i++)
		if (text[i] != ' ')
			text[kept++] = text[i];
	return kept >= (ssize_t)sizeof(greeting) - 1 &&
	       !memcmp(text, greeting, sizeof(greeting) - 1) ? 1 : -1;
}

/* Of what listens: the file may be one's own, and the program behind it another's. */
static bool is_anothers(int fd, uid_t uid, uid_t *peer_uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	*peer_uid = peer.uid;
	return peer.uid && peer.uid != uid;
}

static void ask_socket(const char *path, int pid, uid_t uid, const char *name, struct findings *f)
{
	int fd = connect_to(path), answer;
	uid_t peer;

	if (fd < 0) {
		doctor_add(f, "qmp", DOCTOR_NOTE, fd == -EAGAIN ?
			   "let go whoever holds it: QEMU serves one at a time" : NO_MONITOR,
			   "%s (%d): %.108s: %s", name, pid, path, strerror(-fd));
		return;
	}
	if (is_anothers(fd, uid, &peer)) {
		close(fd);
		doctor_add(f, "qmp", DOCTOR_TROUBLE, "find out what listens there; pagefoldd refuses it",
			   "%s (%d): at %.108s user %u listens", name, pid, path, peer);
		return;
	}
	answer = greeted(fd);
	close(fd);
	if (answer > 0)
		doctor_add(f, "qmp", DOCTOR_OK, "", "%s (%d): %.108s answers", name, pid, path);
	else if (!answer)
		doctor_add(f, "qmp", DOCTOR_NOTE,
			   "fine if pagefoldd holds it; else give pagefoldd a monitor of its own",
			   "%s (%d): %.108s is held by somebody: no greeting within %d ms", name,
			   pid, path, ANSWER_MS);
	else
		doctor_add(f, "qmp", DOCTOR_TROUBLE, "find out what answers there",
			   "%s (%d): %.108s does not greet as QEMU does", name, pid, path);
}

static void no_socket(const char *sysroot, int pid, const char *name, struct findings *f)
{
	char uuid[UUID_TEXT_SIZE];

	if (!process_libvirt_uuid(sysroot, pid, uuid))
		doctor_add(f, "qmp", DOCTOR_NOTE, NO_MONITOR,
			   "%s (%d): no QMP socket on its command line", name, pid);
	else if (have_libvirt)
		doctor_add(f, "qmp", DOCTOR_OK, "",
			   "%s (%d): its monitor is libvirt's, which this build of pagefoldd "
			   "speaks with", name, pid);
	else
		doctor_add(f, "qmp", DOCTOR_NOTE,
			   "build Pagefold where libvirt-dev is installed; without it the guest is "
			   "shared and paged, never ballooned",
			   "%s (%d): its monitor is libvirt's, which this build of pagefoldd does "
			   "not speak with", name, pid);
}

void doctor_qmp(const char *sysroot, int pid, const char *name, struct findings *f)
{
	char proc[PATH_MAX], full[PATH_MAX + QMP_PATH_MAX];
	struct qmp_paths paths = { 0 };
	/* The first that pagefoldd tries. */
	const char *path = paths.path[0];
	struct stat socket, process;

	if (!process_qmp_paths(sysroot, pid, &paths)) {
		no_socket(sysroot, pid, name, f);
		return;
	}
	snprintf(full, sizeof(full), "%s%s", sysroot, path);
	if (lstat(full, &socket)) {
		doctor_add(f, "qmp", DOCTOR_NOTE, NO_MONITOR, "%s (%d): %.108s: "
							      "%s", name, pid, path,
			   strerror(errno));
		return;
	}
	snprintf(proc, sizeof(proc), "%s/proc/%d", sysroot, pid);
	if (stat(proc, &process))
		process.st_uid = socket.st_uid;
	if (socket.st_uid && socket.st_uid != process.st_uid) {
		doctor_add(f, "qmp", DOCTOR_TROUBLE,
			   "chown it to the user that QEMU runs as, or to root",
			   "%s (%d): %.108s belongs to user %u", name, pid, path, socket.st_uid);
		return;
	}
	ask_socket(full, pid, process.st_uid, name, f);
}
