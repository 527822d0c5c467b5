// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run a program with no capabilities but those named, as systemd does by CapabilityBoundingSet=.
 *
 *   bounded 'CAP_A CAP_B…' COMMAND [ARGUMENT…]
 *
 * Busybox' setpriv cannot bound them, and there is no other in the virtual host.
 */
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char * const names[] = {
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
};

#define NAMES (sizeof(names) / sizeof(*names))

/* Return: false when one has no name here. */
static bool read_names(char *text, bool keep[CAP_LAST_CAP + 1])
{
	for (char *one = strtok(text, " "); one; one = strtok(NULL, " ")) {
		size_t i = 0;

		while (i < NAMES && (!names[i] || strcmp(names[i], one)))
			i++;
		if (i == NAMES) {
			fprintf(stderr, "bounded: %s: not known here\n", one);
			return false;
		}
		keep[i] = true;
	}
	return true;
}

int main(int argc, char **argv)
{
	bool keep[CAP_LAST_CAP + 1] = { false };

	if (argc < 3 || !read_names(argv[1], keep))
		return 2;
	for (int i = 0; i <= CAP_LAST_CAP && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!keep[i] && prctl(PR_CAPBSET_DROP, i, 0, 0, 0)) {
			perror("bounded");
			return 1;
		}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	execv(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
