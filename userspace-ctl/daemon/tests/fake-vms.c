// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs that are nothing but what pagefoldd sees of one: files below a made-up root, and a monitor.
 *
 *   fake-vms ROOT KIND NUMBER RAM-MIB USAGE-MIB
 *
 * Each is a process of its own, because a monitor's socket is only taken from the VM's own process.
 * Its balloon does what it was asked when it is looked at the next time, so that usage and balloon
 * change together, and fake_held tells what it truly holds; how else it behaves KIND says:
 *
 *   honest	what the balloon holds is gone from its usage
 *   liar	it is not
 *   boaster	honest, but says that it has 1 TiB
 *   modest	honest, but says that it has 1 MiB
 *   muffled	honest, holds 64 MiB from the beginning, and sent its statistics 15 seconds ago
 *   roomy	honest, but three quarters of its RAM are free: it used them once
 *   swapper	honest, sends statistics twice and has read 64 MiB from its own swap in between
 *   gasping	muffled, and there was nothing available then
 *   idle	honest, has KVM, and was sampled; so was plain, which has none
 *   stiff	has a balloon that never moves; what it is asked to hold is in fake_asked, as of all
 *   mute	no balloon device
 *   fickle	the same, and hangs up when it was stopped
 *   halted	mute, and was stopped by somebody else
 *   moved	mute, and when it was stopped it went on elsewhere
 *   immortal	mute, and does not end when it is told to; fake_quits counts how often it was
 *   dry	mute, and nothing of it can be swapped: its memory.reclaim refuses
 *   plain	without a monitor
 *   hung	connects and says nothing
 *   slow	a byte every 20 ms
 *   huge	a greeting without end
 *   garbage	no JSON
 *   closing	hangs up after the greeting
 *   halfclosed	greets, listens, and has shut its side
 *   injector	honest, but for events that hold what they should not
 *   traitor	honest, but for its statistics, which are no JSON
 *   flood	events as fast as they are taken
 *   twofold	honest, but its command line names a socket first that is not there
 *   foreign	names a socket that another process listens on
 *
 * Each has a cgroup to itself, and what is asked of that one's memory.reclaim goes from its usage
 * to swap; fake_paged counts how often it was asked.
 *
 * One whose directory is moved to ROOT/unregistered writes there.
 *
 * They end when the parent is killed, or their own process is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024ull * 1024)

static const char *root, *kind;
static uint64_t ram, usage, actual, asked, quits, swapped, paged;
static int number;
static bool stopped;

static void put(const char *dir, const char *file, const char *text, size_t len)
{
	char path[512], fresh[520];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%d/%s", root, dir, getpid(), file);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	f = fopen(fresh, "w");
	if (!f || fwrite(text, 1, len, f) != len || fclose(f) || rename(fresh, path))
		exit(1);
}

static void put_number(const char *file, uint64_t value)
{
	char path[512], text[32];

	snprintf(path, sizeof(path), "%s/unregistered/%d", root, getpid());
	put(access(path, F_OK) ? "sys/kernel/pagefold/vms" : "unregistered", file, text,
	    snprintf(text, sizeof(text), "%" PRIu64 "\n", value));
}

static void open_kvm(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/proc/%d/fd", root, getpid());
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/proc/%d/fd/3", root, getpid());
	if (symlink("anon_inode:kvm-vm", path))
		exit(1);
}

static void put_status(void)
{
	char text[256];

	put("proc", "status", text,
	    snprintf(text, sizeof(text), "Name:\tfake\nUid:\t%d\t0\t0\t0\nVmSize:\t%8" PRIu64
		     " kB\nVmSwap:\t%8" PRIu64 " kB\n", getuid(), ram / 1024 + 524288,
		     swapped / 1024));
}

static void put_cgroup(const char *file, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s-%d/%s", root, kind, number, file);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		exit(1);
}

/* A pipe that is full says EAGAIN, as the kernel does. */
static void make_dry(void)
{
	static const char text[4096];
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s-%d/memory.reclaim", root, kind, number);
	if (mkfifo(path, 0600))
		exit(1);
	fd = open(path, O_RDWR | O_NONBLOCK);
	while (write(fd, text, sizeof(text)) > 0)
		;
}

static void make_cgroup(void)
{
	char path[512], text[128];

	put("proc", "cgroup", text,
	    snprintf(text, sizeof(text), "0::/%s-%d\n", kind, number));
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s-%d", root, kind, number);
	mkdir(path, 0755);
	snprintf(text, sizeof(text), "%d\n", getpid());
	put_cgroup("cgroup.procs", text);
	if (strcmp(kind, "dry"))
		put_cgroup("memory.reclaim", "");
	else
		make_dry();
}

/* What was asked of its cgroup since the last look. */
static void page_out(void)
{
	unsigned long long bytes;
	char path[512];
	bool any;
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s-%d/memory.reclaim", root, kind, number);
	f = fopen(path, "r");
	if (!f)
		exit(1);
	any = fscanf(f, "%llu", &bytes) == 1;
	fclose(f);
	if (!any)
		return;
	put_cgroup("memory.reclaim", "");
	if (bytes > usage)
		bytes = usage;
	usage -= bytes;
	swapped += bytes;
	put_status();
	put_number("usage_bytes", usage);
	put_number("fake_paged", ++paged);
}

/* Until there is something to read. */
static void wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (!poll(&p, 1, 50))
		if (strcmp(kind, "dry"))
			page_out();
}

static bool is_silent(void)
{
	return !strcmp(kind, "muffled") || !strcmp(kind, "gasping");
}

static void set_stopped(bool is)
{
	stopped = is;
	put_number("fake_stopped", is);
}

static void make_files(void)
{
	static const char * const zeroes[] = { "folded_pages", "zero_pages", "balloon_bytes",
					       "achieved_bytes", "target_bytes", "wss_bytes",
					       "fake_held", "fake_stopped", "fake_asked",
					       "fake_quits", "fake_paged" };
	char path[512], text[512];
	size_t n;

	snprintf(path, sizeof(path), "%s/proc/%d", root, getpid());
	mkdir(path, 0755);
	n = snprintf(text, sizeof(text),
		     "%d (fake) ) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0\n", getpid(),
		     1000 + number);
	put("proc", "stat", text, n);
	put_status();
	make_cgroup();
	n = snprintf(text, sizeof(text), "qemu%c", 0);
	if (!strcmp(kind, "twofold"))
		n += snprintf(text + n, sizeof(text) - n, "-qmp%cunix:%s/none.sock%c", 0, root, 0);
	n += snprintf(text + n, sizeof(text) - n, "-qmp%cunix:%s/%s-%d.sock,server=on%c", 0, root,
		      strcmp(kind, "foreign") ? kind : "honest", number, 0);
	put("proc", "cmdline", text, strcmp(kind, "plain") ? n : 5);
	snprintf(path, sizeof(path), "%s/sys/kernel/pagefold/vms/new-%d", root, getpid());
	mkdir(path, 0755);
	snprintf(text, sizeof(text), "%s/sys/kernel/pagefold/vms/%d", root, getpid());
	/* Whole when it appears, as sysfs does it. */
	rename(path, text);
	for (size_t i = 0; i < sizeof(zeroes) / sizeof(*zeroes); i++)
		put_number(zeroes[i], 0);
	put_number("eligible_bytes", ram);
	if (!strcmp(kind, "idle") || !strcmp(kind, "plain"))
		put_number("wss_rounds", 3);
	if (!strcmp(kind, "idle"))
		open_kvm();
	if (!strcmp(kind, "halted"))
		set_stopped(true);
	put("sys/kernel/pagefold/vms", "state", "none\n", 5);
	put_number("usage_bytes", usage);
	/* Last: who sees a name sees all. */
	n = snprintf(text, sizeof(text), "%s-%d\n", kind, number);
	put("sys/kernel/pagefold/vms", "name", text, n);
}

static int serve(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s-%d.sock", root, kind, number);
	unlink(a.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 4))
		exit(1);
	return fd;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		size_t piece = strcmp(kind, "slow") ? len : 1;
		ssize_t n = send(fd, text, piece, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		len -= n;
		if (piece == 1)
			poll(NULL, 0, 20);
	}
}

static void ask_balloon(uint64_t left)
{
	asked = left < ram ? left : ram;
	put_number("fake_asked", ram - asked);
}

static void move_balloon(void)
{
	if (actual == asked || !strcmp(kind, "stiff"))
		return;
	actual = asked;
	put_number("fake_held", ram - actual);
	if (strcmp(kind, "liar") && usage > actual) {
		usage = actual;
		put_number("usage_bytes", usage);
	}
}

static bool has_balloon(void)
{
	static const char * const without[] = { "mute", "fickle", "halted", "moved", "immortal",
						"dry" };

	for (size_t i = 0; i < sizeof(without) / sizeof(*without); i++)
		if (!strcmp(kind, without[i]))
			return false;
	return true;
}

static bool stop(int fd)
{
	set_stopped(true);
	if (strcmp(kind, "fickle"))
		return true;
	shutdown(fd, SHUT_RDWR);
	return false;
}

/* As the module does it when a process goes. */
static void end(void)
{
	char from[512], to[512];

	snprintf(from, sizeof(from), "%s/sys/kernel/pagefold/vms/%d", root, getpid());
	snprintf(to, sizeof(to), "%s/ended-%d", root, getpid());
	rename(from, to);
	exit(0);
}

static void quit(void)
{
	if (strcmp(kind, "immortal"))
		end();
	put_number("fake_quits", ++quits);
}

static unsigned long long swapped_in(void)
{
	static bool again;
	unsigned long long bytes = again ? 64 * MIB : 0;

	again = true;
	return strcmp(kind, "swapper") ? 0 : bytes;
}

static time_t stats_at(void)
{
	static time_t sent[2], silent;

	/* From when it is asked first, however long that took. */
	if (is_silent() && !silent)
		silent = time(NULL) - 15;
	if (strcmp(kind, "swapper"))
		return is_silent() ? silent : time(NULL);
	if (sent[1])
		return sent[1];
	sent[!!sent[0]] = time(NULL);
	return sent[!!sent[1]];
}

static uint64_t available_bytes(void)
{
	return actual > ram / 4 && strcmp(kind, "gasping") ? actual - ram / 4 : 0;
}

/* What nobody in the guest uses; page cache is available as well. */
static uint64_t free_bytes(void)
{
	uint64_t available = available_bytes(), left = actual > usage ? actual - usage : 0;

	return !strcmp(kind, "roomy") || left > available ? available : left;
}

static void answer(int fd, const char *line)
{
	const char *id = strstr(line, "\"id\":"), *value = strstr(line, "\"value\":");
	uint64_t has = !strcmp(kind, "boaster") ? 1ull << 40 : !strcmp(kind, "modest") ? MIB : ram;
	char text[1024], body[768] = "\"return\":{}";

	if (!id)
		return;
	if (!strcmp(kind, "traitor") && strstr(line, "guest-stats\""))
		say(fd, "none of your business\r\n");
	if (strstr(line, "query-balloon"))
		move_balloon();
	if (strstr(line, "qom-list"))
		snprintf(body, sizeof(body), "\"return\":[{\"name\":\"b0\",\"type\":"
			 "\"child<virtio-balloon-pci>\"}]");
	else if (strstr(line, "free-page-reporting"))
		snprintf(body, sizeof(body), "\"return\":false");
	else if (strstr(line, "query-memory"))
		snprintf(body, sizeof(body), "\"return\":{\"base-memory\":%" PRIu64 "}", has);
	else if (strstr(line, "query-balloon") && !has_balloon())
		snprintf(body, sizeof(body), "\"error\":{\"class\":\"DeviceNotActive\"}");
	else if (strstr(line, "query-balloon"))
		snprintf(body, sizeof(body), "\"return\":{\"actual\":%" PRIu64 "}", actual);
	else if (strstr(line, "guest-stats\""))
		snprintf(body, sizeof(body), "\"return\":{\"stats\":{\"stat-available-memory\":%"
			 PRIu64 ",\"stat-free-memory\":%" PRIu64 ",\"stat-total-memory\":%" PRIu64
			 ",\"stat-swap-in\":%llu},\"last-update\":%lld}", available_bytes(),
			 free_bytes(), actual, swapped_in(), (long long)stats_at());
	else if (strstr(line, "query-status"))
		snprintf(body, sizeof(body), "\"return\":{\"status\":\"%s\",\"running\":%s}", !stopped ?
			 "running" : strcmp(kind, "moved") ? "paused" : "postmigrate",
			 stopped ? "false" : "true");
	else if (strstr(line, "\"balloon\"") && value)
		ask_balloon(strtoull(value + 8, NULL, 10));
	else if (strstr(line, "\"quit\""))
		quit();
	else if (strstr(line, "\"cont\""))
		set_stopped(false);
	else if (strstr(line, "\"stop\"") && !stop(fd))
		return;
	snprintf(text, sizeof(text), "{%s,\"id\":%llu}\r\n", body, strtoull(id + 5, NULL, 10));
	say(fd, text);
	if (!strcmp(kind, "injector"))
		say(fd, "{\"event\":\"BALLOON_CHANGE\",\"data\":{\"actual\":\"all\"}}\r\n");
}

static void converse(int fd)
{
	char line[4096];
	size_t n = 0;

	for (;;) {
		if (!n)
			wait_for(fd);
		if (n == sizeof(line) || recv(fd, line + n, 1, 0) != 1)
			return;
		if (line[n++] != '\n')
			continue;
		line[n - 1] = '\0';
		answer(fd, line);
		n = 0;
	}
}

static void without_end(int fd, const char *text)
{
	while (send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
		;
}

static void treat(int fd)
{
	if (!strcmp(kind, "hung"))
		pause();
	if (!strcmp(kind, "huge")) {
		say(fd, "{\"QMP\":{");
		without_end(fd, "                                        ");
	}
	if (!strcmp(kind, "garbage"))
		say(fd, "\x7f" "ELF");
	say(fd, "{\"QMP\":{\"version\":{}}}\r\n");
	if (!strcmp(kind, "flood"))
		without_end(fd, "{\"event\":\"NICE\",\"data\":{}}\r\n");
	if (!strcmp(kind, "halfclosed")) {
		shutdown(fd, SHUT_WR);
		pause();
	}
	if (strcmp(kind, "closing"))
		converse(fd);
}

static void be_vm(void)
{
	bool listens = strcmp(kind, "plain") && strcmp(kind, "foreign");
	int fd = listens ? serve() : -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_files();
	while (!listens) {
		poll(NULL, 0, 50);
		page_out();
	}
	for (;;) {
		int peer;

		wait_for(fd);
		peer = accept(fd, NULL, NULL);

		if (peer < 0)
			continue;
		treat(peer);
		close(peer);
	}
}

int main(int argc, char **argv)
{
	int count;

	if (argc != 6)
		return 2;
	root = argv[1];
	kind = argv[2];
	count = atoi(argv[3]);
	ram = strtoull(argv[4], NULL, 10) * MIB;
	usage = strtoull(argv[5], NULL, 10) * MIB;
	actual = ram;
	asked = ram;
	if (is_silent())
		actual = asked = ram - 64 * MIB;
	for (number = 0; number < count; number++)
		if (!fork())
			be_vm();
	for (;;)
		pause();
}
