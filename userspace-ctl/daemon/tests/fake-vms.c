// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs that are nothing but what pagefoldd sees of one: files below a made-up root, and a monitor.
 *
 *   fake-vms ROOT KIND NUMBER RAM-MIB USAGE-MIB
 *
 * Each is a process of its own, because a monitor's socket is only taken from the VM's own process.
 * Its balloon does at once what it is asked; how else it behaves KIND says:
 *
 *   honest	what the balloon holds is gone from its usage
 *   liar	it is not
 *   mute	no balloon device
 *   plain	without a monitor
 *   hung	connects and says nothing
 *   slow	a byte every 20 ms
 *   huge	a greeting without end
 *   garbage	no JSON
 *   closing	hangs up after the greeting
 *   flood	events as fast as they are taken
 *   foreign	names a socket that another process listens on
 *
 * They end when the parent is killed, or their own process is.
 */
#include <errno.h>
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
static uint64_t ram, usage, actual;
static int number;

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
	char text[32];

	put("sys/kernel/pagefold/vms", file, text,
	    snprintf(text, sizeof(text), "%" PRIu64 "\n", value));
}

static void make_files(void)
{
	static const char * const zeroes[] = { "folded_pages", "zero_pages", "balloon_bytes",
					       "achieved_bytes", "target_bytes", "wss_bytes" };
	char path[512], text[512];
	size_t n;

	snprintf(path, sizeof(path), "%s/proc/%d", root, getpid());
	mkdir(path, 0755);
	n = snprintf(text, sizeof(text),
		     "%d (fake) ) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0\n", getpid(),
		     1000 + number);
	put("proc", "stat", text, n);
	n = snprintf(text, sizeof(text), "Name:\tfake\nUid:\t%d\t0\t0\t0\nVmSwap:\t       0 kB\n",
		     getuid());
	put("proc", "status", text, n);
	n = snprintf(text, sizeof(text), "qemu%c-qmp%cunix:%s/%s-%d.sock,server=on%c", 0, 0, root,
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
	put("sys/kernel/pagefold/vms", "state", "none\n", 5);
	n = snprintf(text, sizeof(text), "%s-%d\n", kind, number);
	put("sys/kernel/pagefold/vms", "name", text, n);
	put_number("usage_bytes", usage);
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

static void set_balloon(uint64_t left)
{
	actual = left < ram ? left : ram;
	if (strcmp(kind, "liar") && usage > actual) {
		usage = actual;
		put_number("usage_bytes", usage);
	}
}

static void answer(int fd, const char *line)
{
	const char *id = strstr(line, "\"id\":"), *value = strstr(line, "\"value\":");
	uint64_t free_bytes = actual > ram / 4 ? actual - ram / 4 : 0;
	char text[1024], body[768] = "\"return\":{}";

	if (!id)
		return;
	if (strstr(line, "qom-list"))
		snprintf(body, sizeof(body), "\"return\":[{\"name\":\"b0\",\"type\":"
			 "\"child<virtio-balloon-pci>\"}]");
	else if (strstr(line, "free-page-reporting"))
		snprintf(body, sizeof(body), "\"return\":false");
	else if (strstr(line, "query-memory"))
		snprintf(body, sizeof(body), "\"return\":{\"base-memory\":%" PRIu64 "}", ram);
	else if (strstr(line, "query-balloon") && !strcmp(kind, "mute"))
		snprintf(body, sizeof(body), "\"error\":{\"class\":\"DeviceNotActive\"}");
	else if (strstr(line, "query-balloon"))
		snprintf(body, sizeof(body), "\"return\":{\"actual\":%" PRIu64 "}", actual);
	else if (strstr(line, "guest-stats\""))
		snprintf(body, sizeof(body), "\"return\":{\"stats\":{\"stat-available-memory\":%"
			 PRIu64 ",\"stat-free-memory\":0,\"stat-total-memory\":%" PRIu64
			 "},\"last-update\":%lld}", free_bytes, actual, (long long)time(NULL));
	else if (strstr(line, "\"balloon\"") && value)
		set_balloon(strtoull(value + 8, NULL, 10));
	snprintf(text, sizeof(text), "{%s,\"id\":%llu}\r\n", body, strtoull(id + 5, NULL, 10));
	say(fd, text);
}

static void converse(int fd)
{
	char line[4096];
	size_t n = 0;

	while (n < sizeof(line) && recv(fd, line + n, 1, 0) == 1) {
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
	if (strcmp(kind, "closing"))
		converse(fd);
}

static void be_vm(void)
{
	bool listens = strcmp(kind, "plain") && strcmp(kind, "foreign");
	int fd = listens ? serve() : -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_files();
	while (!listens)
		pause();
	for (;;) {
		int peer = accept(fd, NULL, NULL);

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
	for (number = 0; number < count; number++)
		if (!fork())
			be_vm();
	for (;;)
		pause();
}
