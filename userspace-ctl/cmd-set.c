// SPDX-License-Identifier: GPL-2.0-only
/*
 * Change settings of a VM or of the module: set, target and run.
 *
 * All that was asked for is looked at before any of it is written, so that a mistake in the last
 * word does not leave the first done.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "registration.h"
#include "size.h"
#include "table.h"
#include "vm.h"

#define TARGET_MIN	(1ULL << 20)
#define TARGET_MAX	INT64_MAX	/* the module's own limit */
#define WRITES_MAX	16
#define RUN_STATES	3

/* What is to be written: files below SYSFS_DIR. */
struct writes {
	struct {
		char attr[128];
		char value[PF_NAME_MAX + 1];
	} list[WRITES_MAX];
	size_t count;
};

static const struct errno_text set_errnos[] = {
	{ ENOENT, "this module has no such setting, or the VM is gone" },
	{ ENODEV, "the VM is gone" },
	{ EACCES, "only root may change it" },
	{ EBUSY, "a page could not be unfolded just now, or frames exist that stand in the way" },
	{ EINTR, "interrupted; what was not unfolded yet stays folded" },
	{ ENOMEM, "not enough free memory" },
	{ EINVAL, "the module takes no such value" },
	{ ERANGE, "outside the module's range" },
	{ 0 }
};

/* Settings of the module, with the ranges of Documentation/ABI. */
static const struct knob {
	const char *name;
	uint64_t min, max;
	bool is_auto;		/* takes the word auto too */
} knobs[] = {
	{ "cpu_percent", 1, 100, true },
	{ "threads", 1, 16, false },
	{ "pass_interval_ms", 0, 3600000, false },
	{ "fold_zero", 0, 1, false },
	{ "thp_split_pages", 1, 512, false },
	{ "rest_passes_max", 0, 255, false },
	{ "merge_across_nodes", 0, 1, false },
	{ "lock_hold_max_us", 50, 1000000, false },
	{ "busy_hold_max_us", 1, 1000000, false },
	{ "wss_samples", 1, 10000, false },
	{ "wss_period_ms", 0, 3600000, false },
	{ "wss_cpu_permille", 1, 1000, false },
};

static int add_write(struct writes *w, const char *attr, const char *value, struct err *e)
{
	if (w->count == WRITES_MAX)
		return err_set(e, EX_BAD_INPUT, "more than %d settings at once", WRITES_MAX);
	snprintf(w->list[w->count].attr, sizeof(w->list->attr), "%s", attr);
	snprintf(w->list[w->count++].value, sizeof(w->list->value), "%s", value);
	return EX_DONE;
}

static int add_vm_write(struct writes *w, int pid, const char *file, const char *value,
			struct err *e)
{
	char attr[128];

	snprintf(attr, sizeof(attr), "vms/%d/%s", pid, file);
	return add_write(w, attr, value, e);
}

static int write_all(const struct writes *w, struct err *e)
{
	for (size_t i = 0; i < w->count; i++)
		if (sysfs_write(options.sysroot, w->list[i].attr, w->list[i].value, set_errnos, e))
			return EX_REFUSED;
	return EX_DONE;
}

/* Cut "key=value" in two. Return: the value, NULL with an error when it is no such text. */
static const char *split(const char *arg, char key[32], const char *keys, struct err *e)
{
	const char *eq = strchr(arg, '=');

	if (!eq || eq == arg || (size_t)(eq - arg) >= 32) {
		err_set(e, EX_BAD_INPUT, "%s: want KEY=VALUE with a key of %s", QUOTE(arg), keys);
		return NULL;
	}
	memcpy(key, arg, eq - arg);
	key[eq - arg] = '\0';
	return eq + 1;
}

static int take_target(const char *text, char value[PF_NAME_MAX + 1], struct err *e)
{
	uint64_t bytes = 0;

	if (strcmp(text, "auto") &&
	    size_take("target", text, TARGET_MIN, TARGET_MAX, &bytes, e)) {
		size_t len = strlen(e->text);

		snprintf(e->text + len, sizeof(e->text) - len, ", or auto");
		return EX_BAD_INPUT;
	}
	snprintf(value, PF_NAME_MAX + 1, "%" PRIu64, bytes);
	return EX_DONE;
}

static int take_vm_settings(int argc, char **argv, int pid, struct writes *w, struct err *e)
{
	static const char keys[] = "name, domain, policy, share or target";
	struct registration r = { 0 };
	char key[32], target[PF_NAME_MAX + 1] = "", share[16];
	const char *value;
	int rc = EX_DONE;

	for (int i = 0; !rc && i < argc; i++) {
		value = split(argv[i], key, keys, e);
		if (!value)
			return EX_BAD_INPUT;
		if (!strcmp(key, "target"))
			rc = *target ? err_set(e, EX_BAD_INPUT, "target: given twice") :
				       take_target(value, target, e);
		else if (strcmp(key, "name") && strcmp(key, "domain") && strcmp(key, "policy") &&
			 strcmp(key, "share"))
			rc = err_set(e, EX_BAD_INPUT, "key %s: want %s", QUOTE(key), keys);
		else
			rc = registration_set(&r, key, value, e);
	}
	snprintf(share, sizeof(share), "%u", r.share);
	if (!rc && *r.name)
		rc = add_vm_write(w, pid, "name", r.name, e);
	if (!rc && *r.domain)
		rc = add_vm_write(w, pid, "domain", r.domain, e);
	if (!rc && r.policy)
		rc = add_vm_write(w, pid, "policy", r.policy, e);
	if (!rc && r.share)
		rc = add_vm_write(w, pid, "share", share, e);
	if (!rc && *target)
		rc = add_vm_write(w, pid, "target_bytes", target, e);
	return rc;
}

static const char *knob_names(void)
{
	static char names[256];
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		len += snprintf(names + len, sizeof(names) - len, "%s%s",
				!i ? "" : i + 1 < ARRAY_SIZE(knobs) ? ", " : " or ", knobs[i].name);
	return names;
}

static int take_knob(const char *key, const char *value, struct writes *w, struct err *e)
{
	unsigned long long v;

	for (size_t i = 0; i < w->count; i++)
		if (!strcmp(w->list[i].attr, key))
			return err_set(e, EX_BAD_INPUT, "%s: given twice", key);
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		const struct knob *k = &knobs[i];

		if (strcmp(key, k->name))
			continue;
		if ((!k->is_auto || strcmp(value, "auto")) &&
		    parse_number(value, k->min, k->max, &v))
			return err_set(e, EX_BAD_INPUT,
				       "%s %s: want a number, %" PRIu64 " to %" PRIu64 "%s", key,
				       QUOTE(value), k->min, k->max, k->is_auto ? ", or auto" : "");
		return add_write(w, key, value, e);
	}
	return err_set(e, EX_BAD_INPUT, "key %s: want %s", QUOTE(key), knob_names());
}

static int set_module(int argc, char **argv, struct err *e)
{
	struct writes w = { .count = 0 };
	const char *value;
	char key[32];
	int rc = sysfs_present(options.sysroot, e);

	for (int i = 1; !rc && i < argc; i++) {
		value = split(argv[i], key, knob_names(), e);
		rc = value ? take_knob(key, value, &w, e) : EX_BAD_INPUT;
	}
	return rc ? rc : write_all(&w, e);
}

static int find_pid(const char *who, int *pid, struct err *e)
{
	const struct vm *vm;
	struct vms vms;
	int rc = vms_read(options.sysroot, &vms, e);

	if (rc)
		return rc;
	rc = vms_find(&vms, who, &vm, e);
	if (!rc)
		*pid = vm->pid;
	vms_free(&vms);
	return rc;
}

static int set_vm(int argc, char **argv, struct err *e)
{
	struct writes w = { .count = 0 };
	int pid, rc;

	if (argc < 3)
		return err_set(e, EX_BAD_INPUT,
			       "want KEY=VALUE after the VM, with a key of name, domain, policy, "
			       "share or target");
	/* The grammar first: it must not depend on who is registered. */
	rc = take_vm_settings(argc - 2, argv + 2, 0, &w, e);
	if (!rc)
		rc = find_pid(argv[1], &pid, e);
	w.count = 0;
	if (!rc)
		rc = take_vm_settings(argc - 2, argv + 2, pid, &w, e);
	return rc ? rc : write_all(&w, e);
}

int cmd_set(int argc, char **argv)
{
	struct err e;
	int rc = options.module ? set_module(argc, argv, &e) : set_vm(argc, argv, &e);

	return rc ? cmd_fail(argv[0], rc, &e) : EX_DONE;
}

int cmd_target(int argc, char **argv)
{
	char value[PF_NAME_MAX + 1];
	struct writes w = { .count = 0 };
	struct err e;
	int pid, rc;

	(void)argc;
	rc = take_target(argv[2], value, &e);
	if (!rc)
		rc = find_pid(argv[1], &pid, &e);
	if (!rc)
		rc = add_vm_write(&w, pid, "target_bytes", value, &e);
	if (!rc)
		rc = write_all(&w, &e);
	return rc ? cmd_fail(argv[0], rc, &e) : EX_DONE;
}

static const char * const run_words[RUN_STATES] = { "off", "on", "unfold" };

static int show_run(const char *verb)
{
	struct json_object *object;
	struct host host;
	struct err e;
	uint64_t run;
	int rc = host_read(options.sysroot, &host, &e);

	if (rc)
		return cmd_fail(verb, rc, &e);
	run = host.value[HOST_RUN];
	if (!host_has(&host, HOST_RUN) || run >= RUN_STATES)
		return cmd_fail(verb, err_set(&e, EX_BAD_INPUT, "%s" SYSFS_DIR
					      "/run: want a number, 0 to 2", options.sysroot), &e);
	if (!options.json)
		return cmd_printed(verb, puts(run_words[run]) < 0 || fflush(stdout) ? -EIO : 0);
	object = json_object_new_object();
	json_object_object_add(object, "run", json_object_new_string(run_words[run]));
	return cmd_printed(verb, json_print(object, stdout));
}

int cmd_run(int argc, char **argv)
{
	char value[2] = "0";
	struct err e;

	if (argc < 2)
		return show_run(argv[0]);
	for (size_t i = 0; i < ARRAY_SIZE(run_words); i++) {
		if (strcmp(argv[1], run_words[i]))
			continue;
		value[0] += i;
		if (sysfs_present(options.sysroot, &e))
			return cmd_fail(argv[0], EX_NO_MODULE, &e);
		if (sysfs_write(options.sysroot, "run", value, set_errnos, &e))
			return cmd_fail(argv[0], EX_REFUSED, &e);
		return EX_DONE;
	}
	return cmd_fail(argv[0], err_set(&e, EX_BAD_INPUT, "%s: want on, off or unfold",
					 QUOTE(argv[1])), &e);
}
