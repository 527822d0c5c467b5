// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pagefoldctl, the verbs of Pagefold for the command line and for udev.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

const char *sysroot = "";

static const struct verb {
	const char *name;
	int (*function)(int argc, char **argv);
	const char *arguments;
	const char *description;
} verbs[] = {
	{ "register", cmd_register,
	  "PID [name=N] [domain=D] [policy=madvise|always] [share=1..10000]",
	  "Make a process's memory foldable" },
	{ "unregister", cmd_unregister, "PID [unfold]",
	  "Take a process out of folding, with unfold giving it its own pages back first" },
	{ "uevent", cmd_uevent, "",
	  "Register or unregister the guest of KVM's uevent in the environment" },
	{ "status", cmd_status, "", "Show the registered VMs" },
};

static void usage(FILE *to)
{
	fprintf(to, "Usage: pagefoldctl [--sysroot DIR] VERB [ARGUMENTS]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %s %s\n        %s\n", verbs[i].name, verbs[i].arguments,
			verbs[i].description);
	fprintf(to,
		"\nExit codes: 0 done, 1 refused by the kernel, 2 malformed input, 3 no module.\n");
}

int cmd_fail(const char *verb, int code, const struct err *e)
{
	fprintf(stderr, "pagefoldctl %s: %s\n", verb, e->text);
	return code;
}

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "pagefoldctl: %s%s\n\n", what, value ? QUOTE(value) : "");
	usage(stderr);
	return EX_BAD_INPUT;
}

int main(int argc, char **argv)
{
	int at = 1;

	if (at < argc && !strcmp(argv[at], "--sysroot")) {
		if (argc < at + 2)
			return bad_usage("--sysroot wants a directory", NULL);
		sysroot = argv[at + 1];
		at += 2;
	}
	if (at == argc)
		return bad_usage("a verb is wanted", NULL);
	if (!strcmp(argv[at], "--help") || !strcmp(argv[at], "help")) {
		usage(stdout);
		return EX_DONE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[at], verbs[i].name))
			return verbs[i].function(argc - at, argv + at);
	return bad_usage("no such verb: ", argv[at]);
}
