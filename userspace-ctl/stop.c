// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verbs that run until they are told to stop: by a signal, or by --count.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "stop.h"
#include "sysfs.h"

int stop_on_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* A file of sysfs tells of what changes after it was read. Return: the descriptor, -1. */
static int watch(const char *sysroot, int pid, const char *file)
{
	char path[PATH_MAX], text[128];
	int fd;

	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms/%d/%s", sysroot, pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && read(fd, text, sizeof(text)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool changes_wait(const char *sysroot, const struct vms *vms, int stop, int other, uint64_t ms)
{
	struct pollfd *wait = calloc(vms->count * 2 + 2, sizeof(*wait));
	struct pollfd alone = { .fd = stop, .events = POLLIN };
	nfds_t n = 2;
	bool stopped;

	if (!wait) {
		poll(&alone, 1, ms);
		return alone.revents;
	}
	wait[0] = alone;
	wait[1] = (struct pollfd){ .fd = other, .events = POLLIN };
	/* A dump's plain files are always ready: only a live tree is watched. */
	for (size_t i = 0; !*sysroot && i < vms->count; i++) {
		wait[n].events = POLLPRI;
		wait[n++].fd = watch(sysroot, vms->list[i].pid, "target_bytes");
		wait[n].events = POLLPRI;
		wait[n++].fd = watch(sysroot, vms->list[i].pid, "state");
	}
	poll(wait, n, ms);
	stopped = wait[0].revents;
	while (n > 2)
		if (wait[--n].fd >= 0)
			close(wait[n].fd);
	free(wait);
	return stopped;
}
