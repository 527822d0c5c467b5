// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pagefoldctl, the verbs of Pagefold for the command line and for udev.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "table.h"

#define MANY	64

static const struct verb {
	const char *name;
	int (*function)(int argc, char **argv);
	unsigned int options;
	int least, most;	/* arguments */
	const char *arguments;
	const char *description;
} verbs[] = {
	{ "status", cmd_status, 0, 0, 0, "", "Show the registered VMs (the default)" },
	{ "top", cmd_top, OPT_INTERVAL | OPT_COUNT, 0, 0, "[--interval S] [--count N]",
	  "Show them live, with what they used lately as bars" },
	{ "register", cmd_register, 0, 1, MANY,
	  "PID [name=N] [domain=D] [policy=madvise|always] [share=1..10000]",
	  "Make a process's memory foldable" },
	{ "unregister", cmd_unregister, 0, 1, 2, "PID [unfold]",
	  "Take a process out of folding, with unfold giving it its own pages back first" },
	{ "set", cmd_set, OPT_MODULE, 1, MANY, "VM KEY=VALUE... | --module KEY=VALUE...",
	  "Change settings of a VM (name, domain, policy, share, target) or of the module" },
	{ "target", cmd_target, 0, 2, 2, "VM SIZE|auto",
	  "Say how much memory a VM should use, or leave that to pagefoldd" },
	{ "run", cmd_run, 0, 0, 1, "[on|off|unfold]",
	  "Scan, stop, or stop and give every VM its own pages back; or say which it is" },
	{ "events", cmd_events, OPT_INTERVAL | OPT_COUNT | OPT_RECORD | OPT_TRACE, 0, 0,
	  "[--record FILE] [--interval S] [--count N] [--trace]",
	  "Follow what changes and what pagefoldd decides" },
	{ "plan", cmd_plan, OPT_PLAN, 0, 0, "[--size SIZE] [--risk PERCENT] [--reserve SIZE] "
	  "[--guests N | --overcommit F]", "How many more guests fit, from what those that are "
	  "here need" },
	{ "doctor", cmd_doctor, 0, 0, 0, "", "Look at this host, and say what to do" },
	{ "record", cmd_record, OPT_INTERVAL | OPT_COUNT | OPT_OUTPUT, 0, 0,
	  "[--output FILE] [--interval S] [--count N]", "Record what the host and its VMs use" },
	{ "report", cmd_report, OPT_RECORD | OPT_OUTPUT, 0, 0, "[--record FILE] [--output FILE]",
	  "Make a page with timelines of a record" },
	{ "metrics", cmd_metrics, 0, 0, 0, "", "Print all figures in OpenMetrics' text format" },
	{ "uevent", cmd_uevent, 0, 0, 0, "",
	  "Register or unregister the guest of KVM's uevent in the environment" },
};

static void usage(FILE *to)
{
	fprintf(to, "Usage: pagefoldctl [--sysroot DIR] [--json] [VERB [ARGUMENTS]]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %s %s\n        %s\n", verbs[i].name, verbs[i].arguments,
			verbs[i].description);
	fprintf(to,
		"\nExit codes: 0 done, 1 refused by the kernel, 2 malformed input, 3 no module,\n"
		"4 no such VM, 5 doctor found trouble.\n");
}

int cmd_fail(const char *verb, int code, const struct err *e)
{
	struct json_object *object;

	if (!options.json) {
		fprintf(stderr, "pagefoldctl %s: %s\n", verb, e->text);
		return code;
	}
	object = json_object_new_object();
	json_object_object_add(object, "verb", json_object_new_string(verb));
	json_object_object_add(object, "error", json_object_new_string(e->text));
	json_object_object_add(object, "code", json_object_new_int(code));
	json_print(object, stderr);
	return code;
}

int cmd_printed(const char *verb, int rc)
{
	struct err e;

	if (!rc)
		return EX_DONE;
	return cmd_fail(verb, err_set(&e, EX_REFUSED, "cannot write: %s", strerror(-rc)), &e);
}

static int run_verb(const struct verb *verb, unsigned int given, int argc, char **argv)
{
	struct err e;

	if (given & ~verb->options)
		err_set(&e, EX_BAD_INPUT, "%s: not an option of this verb",
			options_name(given & ~verb->options));
	else if (argc - 1 > verb->most)
		err_set(&e, EX_BAD_INPUT, "%s: one argument too many: %s %s",
			QUOTE(argv[verb->most + 1]), verb->name, verb->arguments);
	else if (argc - 1 < verb->least)
		err_set(&e, EX_BAD_INPUT, "want %s", verb->arguments);
	else
		return verb->function(argc, argv);
	return cmd_fail(verb->name, EX_BAD_INPUT, &e);
}

int main(int argc, char **argv)
{
	char *status[] = { "status", NULL };
	unsigned int given;
	struct err e;
	int rc;

	rc = options_take(&argc, argv, &given, &e);
	if (rc)
		return cmd_fail(argc > 1 && *argv[1] != '-' ? argv[1] : "", rc, &e);
	if (options.version)
		return puts("pagefoldctl " PF_VERSION) < 0;
	if (options.help || (argc > 1 && !strcmp(argv[1], "help"))) {
		usage(stdout);
		return fflush(stdout) ? EX_REFUSED : EX_DONE;
	}
	if (argc < 2)
		return run_verb(&verbs[0], given, 1, status);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return run_verb(&verbs[i], given, argc - 1, argv + 1);
	return cmd_fail("", err_set(&e, EX_BAD_INPUT, "no such verb: %s; see pagefoldctl --help",
				    QUOTE(argv[1])), &e);
}
