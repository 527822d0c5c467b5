// SPDX-License-Identifier: GPL-2.0-only
/*
 * All figures in OpenMetrics' text format, for a scraper or for node_exporter's textfiles.
 *
 * The list of attributes says what each is; here they only get names as OpenMetrics wants them:
 * counters end in _total, nanoseconds become seconds, the unit is a suffix.
 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "metrics.h"
#include "table.h"

static int collect(struct vms *vms, struct host *host, struct err *e)
{
	int rc = host_read(options.sysroot, host, e);

	return rc ? rc : vms_read(options.sysroot, vms, e);
}

static int numbers_json(struct json_object *object, const struct attr_info *attrs, size_t count,
			const uint64_t *value, uint64_t has)
{
	for (size_t i = 0; i < count; i++)
		if (has >> i & 1 && json_object_object_add(object, attrs[i].file,
							   json_object_new_uint64(value[i])))
			return -ENOMEM;
	return 0;
}

/* The same figures by the names of their files. */
static int print_json(const struct host *host, const struct vms *vms)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();
	int rc = numbers_json(object, host_attrs, HOST_NR, host->value, host->has);

	for (size_t i = 0; !rc && i < vms->count; i++) {
		const struct vm *vm = &vms->list[i];
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "pid", json_object_new_int(vm->pid));
		json_object_object_add(one, "name", json_object_new_string(vm->name));
		json_object_object_add(one, "domain", json_object_new_string(vm->domain));
		rc = numbers_json(one, vm_attrs, VM_NR, vm->value, vm->has);
		json_object_array_add(list, one);
	}
	json_object_object_add(object, "vms", list);
	return json_print(object, stdout);
}

int cmd_metrics(int argc, char **argv)
{
	struct host host;
	struct vms vms;
	struct err e;
	int rc;

	(void)argc;
	rc = collect(&vms, &host, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	rc = options.json ? print_json(&host, &vms) : metrics_print(&host, &vms, stdout);
	vms_free(&vms);
	return cmd_printed(argv[0], rc);
}
