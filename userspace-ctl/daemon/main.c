// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pagefoldd, which keeps every VM at a memory target that the host can afford.
 *
 * One loop: a timer for rounds, KVM's uevents and stalls for memory to begin one early, signals,
 * and the monitors of VMs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "aside.h"
#include "daemon.h"
#include "timer.h"
#include "uevent.h"

#define UEVENT_MAX	8192
#define SOON_US		100000	/* after an event: more may follow it */

static struct {
	struct daemon daemon;
	sd_event_source *timer;
	bool once;
} self;

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: pagefoldd [--sysroot DIR] [--dry-run] [--once]\n\n"
		"  --dry-run      say what would be decided, and why; change nothing\n"
		"  --once         one round, then end\n"
		"  --sysroot DIR  look for /sys, /proc, /etc and /run there\n\n"
		"Exit codes: 0 ended as asked, 1 refused by the system, 2 malformed input.\n");
}

static int on_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct daemon *d = &self.daemon;

	(void)s;
	(void)usec;
	(void)arg;
	aside_begin_round();
	if (d->conf.enrol)
		enrol_round(d->sysroot, d->dry_run);
	else
		enrol_none();
	daemon_round(d);
	fflush(stdout);
	if (self.once)
		return sd_event_exit(d->loop, EX_DONE);
	sd_notifyf(0, "STATUS=%zu VMs, host %s", d->n, host_state_name(d->policy.state));
	timer_set(self.timer, policy_wait_ms(&d->policy) * 1000ull);
	return 0;
}

static int on_reload(sd_event_source *s, const struct signalfd_siginfo *info, void *arg)
{
	(void)s;
	(void)info;
	(void)arg;
	sd_notify(0, "RELOADING=1");
	aside_begin_round();
	daemon_reload(&self.daemon);
	sd_notify(0, "READY=1");
	timer_hasten(self.timer, 0);
	return 0;
}

static int on_uevent(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	char text[UEVENT_MAX + 1];
	struct sockaddr_nl from;
	socklen_t len = sizeof(from);
	ssize_t n;
	int tid;

	(void)s;
	(void)events;
	(void)arg;
	n = recvfrom(fd, text, UEVENT_MAX, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
	if (n < 0 && errno == ENOBUFS) {
		tell(NULL, LOG_NOTICE, "uevents were lost: VMs that began just now are looked for");
		enrol_begun();
		timer_hasten(self.timer, SOON_US);
	}
	/* Only the kernel is 0. */
	if (n < 0 || from.nl_pid)
		return 0;
	text[n] = '\0';
	tid = uevent_kvm_create(text, n);
	if (tid) {
		enrol_expect(tid);
		timer_hasten(self.timer, SOON_US);
	}
	return 0;
}

static void listen_for_uevents(sd_event *loop)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    sd_event_add_io(loop, NULL, fd, EPOLLIN, on_uevent, NULL) >= 0)
		return;
	tell(NULL, LOG_WARNING, "no uevents: %s; VMs are found once they are registered",
	     strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int on_stall(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)fd;
	(void)arg;
	if (events & EPOLLERR)
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
	else
		timer_hasten(self.timer, 0);
	return 0;
}

/*
 * 200 ms of stall in two seconds begin a round early; two, because a shorter window takes a capability.
 * Before 6.4 any does, CAP_SYS_RESOURCE, which opens much else and is not worth it: stalls are read in
 * each round all the same. A kernel without PSI has no such file.
 */
static void watch_stalls(sd_event *loop, const char *sysroot)
{
	static const char trigger[] = "some 200000 2000000";
	int fd = *sysroot ? -1 : open("/proc/pressure/memory", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && write(fd, trigger, sizeof(trigger)) >= 0 &&
	    sd_event_add_io(loop, NULL, fd, EPOLLPRI, on_stall, NULL) >= 0)
		return;
	if (!*sysroot && errno != ENOENT && errno != EOPNOTSUPP)
		tell(NULL, LOG_INFO, "/proc/pressure/memory: %s: no stall begins a round early",
		     strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int parse(int argc, char **argv, const char **sysroot, bool *dry_run)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--dry-run")) {
			*dry_run = true;
		} else if (!strcmp(argv[i], "--once")) {
			self.once = true;
		} else if (!strcmp(argv[i], "--sysroot") && i + 1 < argc) {
			*sysroot = argv[++i];
		} else {
			fprintf(stderr, "pagefoldd: %s: no such option\n\n", QUOTE(argv[i]));
			usage(stderr);
			return EX_BAD_INPUT;
		}
	}
	return EX_DONE;
}

static int set_up(struct daemon *d, const char *sysroot, struct err *e)
{
	int rc = sd_event_new(&d->loop);

	if (rc >= 0)
		rc = sd_event_add_signal(d->loop, NULL, SIGHUP, on_reload, NULL);
	if (rc >= 0)
		rc = sd_event_add_signal(d->loop, NULL, SIGTERM, NULL, NULL);
	if (rc >= 0)
		rc = sd_event_add_signal(d->loop, NULL, SIGINT, NULL, NULL);
	if (rc >= 0)
		rc = sd_event_add_time(d->loop, &self.timer, CLOCK_MONOTONIC, 0, 0, on_timer, NULL);
	if (rc < 0)
		return err_set(e, EX_REFUSED, "event loop: %s", strerror(-rc));
	sd_event_set_watchdog(d->loop, true);
	if (!self.once) {
		listen_for_uevents(d->loop);
		watch_stalls(d->loop, sysroot);
	}
	return EX_DONE;
}

/* Before any thread is there: one that lets a signal through would end the process by it. */
static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* Each guest's monitor takes one, and the default is low for programs that use select(). */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		tell(NULL, LOG_WARNING, "cannot raise the limit of open files: %s",
		     strerror(errno));
}

int main(int argc, char **argv)
{
	const char *sysroot = "";
	bool dry_run = false;
	struct err e;
	int rc;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return EX_DONE;
	}
	rc = parse(argc, argv, &sysroot, &dry_run);
	if (rc)
		return rc;
	block_signals();
	raise_file_limit();
	enrol_running();
	rc = daemon_init(&self.daemon, sysroot, dry_run, &e);
	if (!rc)
		rc = set_up(&self.daemon, sysroot, &e);
	if (rc) {
		tell(NULL, LOG_ERR, "%s", e.text);
		daemon_free(&self.daemon);
		return rc;
	}
	sd_notify(0, "READY=1");
	rc = sd_event_loop(self.daemon.loop);
	sd_notify(0, "STOPPING=1");
	sd_event_source_unref(self.timer);
	daemon_free(&self.daemon);
	return rc < 0 ? EX_REFUSED : rc;
}
