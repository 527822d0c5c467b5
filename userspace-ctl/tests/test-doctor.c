// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doctor's questions to monitors: who answers, who is silent, who lies, whose the socket is.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "doctor.h"
#include "tap.h"
#include "tree.h"

static char root[] = "/tmp/test-doctor.XXXXXX";
static struct findings found;

static void plant(const char *option)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "qemu%c-qmp%c%s%c", 0, 0, option, 0);

	tree_bytes(root, "/proc/99/cmdline", line, n);
}

static int listening(struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/qmp", root);
	unlink(addr->sun_path);
	if (bind(fd, (struct sockaddr *)addr, sizeof(*addr)) || listen(fd, 1))
		exit(1);
	return fd;
}

struct server {
	int fd;
	const char *says;
};

static void *serve(void *arg)
{
	const struct server *s = arg;
	struct pollfd wait = { .fd = s->fd, .events = POLLIN };
	int fd;

	poll(&wait, 1, 10000);
	fd = accept(s->fd, NULL, NULL);

	if (write(fd, s->says, strlen(s->says)) < 0)
		perror("write");
	close(fd);
	return NULL;
}

/* Ask about a monitor that says @says as soon as somebody connects; NULL never accepts. */
static const struct finding *ask(const char *says)
{
	struct sockaddr_un addr;
	struct server s = { listening(&addr), says };
	pthread_t thread;

	if (says)
		pthread_create(&thread, NULL, serve, &s);
	found.count = 0;
	doctor_qmp(root, 99, "vm", &found);
	if (says)
		pthread_join(thread, NULL);
	close(s.fd);
	unlink(addr.sun_path);
	return &found.list[0];
}

static bool answers(void)
{
	const struct finding *f;

	plant("unix:/qmp,server=on");
	f = ask("{\"QMP\": {\"version\": {}}}\r\n");
	EXPECT(found.count == 1 && f->verdict == DOCTOR_OK &&
	       strstr(f->found, "/qmp answers"), "%s", f->found);
	f = ask("{ \"QMP\" : {");
	EXPECT(f->verdict == DOCTOR_OK, "%s", f->found);
	return true;
}

static bool does_not(void)
{
	const struct finding *f;

	f = ask(NULL);
	EXPECT(f->verdict == DOCTOR_NOTE && strstr(f->found, "held by somebody"), "%s", f->found);
	f = ask("HTTP/1.1 400 Bad Request\r\n");
	EXPECT(f->verdict == DOCTOR_TROUBLE && strstr(f->found, "does not greet"), "%s", f->found);
	f = ask("");
	EXPECT(f->verdict == DOCTOR_TROUBLE, "%s", f->found);
	return true;
}

static bool is_not_there(void)
{
	found.count = 0;
	doctor_qmp(root, 99, "vm", &found);
	EXPECT(found.list[0].verdict == DOCTOR_NOTE &&
	       strstr(found.list[0].found, "No such file"), "%s", found.list[0].found);
	tree_file(root, "/qmp", "");
	found.count = 0;
	doctor_qmp(root, 99, "vm", &found);
	EXPECT(strstr(found.list[0].found, "Connection refused"), "%s", found.list[0].found);
	tree_unlink(root, "/qmp");
	plant("stdio");
	found.count = 0;
	doctor_qmp(root, 99, "vm", &found);
	EXPECT(strstr(found.list[0].found, "no QMP socket"), "%s", found.list[0].found);
	return true;
}

static bool is_libvirts(void)
{
	static const char line[] = "qemu\0-uuid\0" "88206ee3-17d0-4341-9108-9351a76a6c1c\0"
				   "-mon\0chardev=charmonitor,id=monitor,mode=control";
	const struct finding *f = &found.list[0];

	tree_bytes(root, "/proc/99/cmdline", line, sizeof(line));
	found.count = 0;
	doctor_qmp(root, 99, "vm", &found);
	EXPECT(found.count == 1 && strstr(f->found, "libvirt's"), "%s", f->found);
#ifdef HAVE_LIBVIRT
	EXPECT(f->verdict == DOCTOR_OK && !strstr(f->found, "not"), "%s", f->found);
#else
	EXPECT(f->verdict == DOCTOR_NOTE && strstr(f->found, "does not speak"), "%s", f->found);
#endif
	return true;
}

/* Somebody else's socket could be anybody's program: it is not even connected to. */
static bool belongs_to_another(void)
{
	struct sockaddr_un addr;
	bool refused, asked;
	int fd;

	if (getuid()) {
		printf("# only root can give a file away\n");
		return true;
	}
	plant("unix:/qmp,server=on");
	fd = listening(&addr);
	EXPECT(!chown(addr.sun_path, 12345, 12345), "chown");
	found.count = 0;
	doctor_qmp(root, 99, "vm", &found);
	refused = found.list[0].verdict == DOCTOR_TROUBLE &&
		  strstr(found.list[0].found, "belongs to user 12345");
	asked = accept(fd, NULL, NULL) >= 0;
	close(fd);
	unlink(addr.sun_path);
	EXPECT(refused, "%s", found.list[0].found);
	EXPECT(!asked, "it was connected to");
	return true;
}

/* The file is root's, and who listens is not: credentials are those of listen(). */
static bool another_listens(void)
{
	struct sockaddr_un addr;
	int fd;

	if (getuid()) {
		printf("# only root can be another\n");
		return true;
	}
	plant("unix:/qmp,server=on");
	fd = listening(&addr);
	EXPECT(!seteuid(12345) && !listen(fd, 2) && !seteuid(0), "listen");
	found.count = 0;
	doctor_qmp(root, 99, "vm", &found);
	close(fd);
	unlink(addr.sun_path);
	EXPECT(found.count == 1 && found.list[0].verdict == DOCTOR_TROUBLE &&
	       strstr(found.list[0].found, "user 12345 listens"), "%s", found.list[0].found);
	return true;
}

static bool full(void)
{
	for (int i = 0; i < FINDINGS_MAX + 10; i++)
		doctor_add(&found, "x", DOCTOR_OK, "", "%d", i);
	EXPECT(found.count == FINDINGS_MAX, "%zu", found.count);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "a monitor that answers", answers },
		{ "a monitor that is silent, and one that is none", does_not },
		{ "a monitor that is not there", is_not_there },
		{ "a monitor that is libvirt's", is_libvirts },
		{ "a monitor that belongs to somebody else", belongs_to_another },
		{ "a monitor at which somebody else listens", another_listens },
		{ "more answers than there is room for", full },
	};
	int rc;

	if (!mkdtemp(root))
		return 1;
	rc = tap_run(tests, ARRAY_SIZE(tests));
	tree_remove(root);
	return rc;
}
