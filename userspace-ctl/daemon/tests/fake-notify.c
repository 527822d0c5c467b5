// SPDX-License-Identifier: GPL-2.0-only
/*
 * What systemd hears of a service, for tests: each message becomes lines of a file.
 *
 *   fake-notify SOCKET FILE
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <signal.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[4096];
	ssize_t n;
	FILE *to;

	if (argc != 3 || strlen(argv[1]) >= sizeof(a.sun_path))
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	strcpy(a.sun_path, argv[1]);
	to = fopen(argv[2], "a");
	if (fd < 0 || !to || bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return 1;
	while ((n = recv(fd, text, sizeof(text), 0)) >= 0) {
		fprintf(to, "%.*s\n", (int)n, text);
		fflush(to);
	}
	return 1;
}
