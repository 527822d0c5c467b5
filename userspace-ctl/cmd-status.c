// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of the registered VMs, or the same as JSON.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "cmd.h"
#include "daemon/vmm.h"
#include "table.h"
#include "vm.h"

static const struct column columns[] = {
	{ "PID", "pid", CELL_COUNT, false },
	{ "NAME", "name", CELL_TEXT, false },
	{ "DOMAIN", "domain", CELL_TEXT, false },
	{ "RAM", "ram_bytes", CELL_BYTES, true },
	{ "RESIDENT", "resident_bytes", CELL_BYTES, true },
	{ "FOLDED", "folded_bytes", CELL_BYTES, true },
	{ "SAVED", "saved_bytes", CELL_BYTES, true },
	{ "ZERO", "zero_bytes", CELL_BYTES, true },
	{ "BALLOON", "balloon_bytes", CELL_BYTES, true },
	{ "SWAPPED", "swapped_bytes", CELL_BYTES, true },
	{ "WSS", "wss_bytes", CELL_BYTES, true },
	{ "TARGET", "target_bytes", CELL_BYTES, true },
	{ "STATE", "state", CELL_TEXT, false },
};

static struct cell number(const struct vm *vm, enum vm_number n, uint64_t unit)
{
	return CELL_OF_IF(vm_has(vm, n), vm->value[n] * unit);
}

/* The module has counted it when it has been through the VM once. */
static struct cell ram(const struct vm *vm)
{
	uint64_t bytes = vm->value[VM_ELIGIBLE];

	return CELL_OF_IF(vm_has(vm, VM_ELIGIBLE) && (bytes || vm->value[VM_PASSES]), bytes);
}

/* The module does not know it; /proc does. */
static struct cell swapped(const struct vm *vm)
{
	uint64_t bytes = 0;
	bool known = vmm_knows_swapped(options.sysroot, vm->pid, &bytes);

	return CELL_OF_IF(known, bytes);
}

static int add_vm(struct table *table, const struct vm *vm)
{
	struct cell cells[ARRAY_SIZE(columns)] = {
		CELL_OF(vm->pid),
		CELL_OF_TEXT(vm->name),
		CELL_OF_TEXT(vm->domain),
		ram(vm),
		number(vm, VM_RESIDENT, 1),
		number(vm, VM_FOLDED, PF_PAGE_BYTES),
		number(vm, VM_SAVED, 1),
		number(vm, VM_ZERO, PF_PAGE_BYTES),
		number(vm, VM_BALLOON, 1),
		swapped(vm),
		number(vm, VM_WSS, 1),
		/* 0 is how the module says that there is none. */
		CELL_OF_IF(vm_has(vm, VM_TARGET) && vm->value[VM_TARGET], vm->value[VM_TARGET]),
		{ .present = *vm->state, .text = vm->state },
	};

	return table_add(table, cells);
}

static int print_json(const struct table *table)
{
	struct json_object *object = json_object_new_object();
	struct json_object *vms = table_json(table), *total = table_sums_json(table);

	if (!object || !vms || !total) {
		json_object_put(object);
		json_object_put(vms);
		json_object_put(total);
		return -ENOMEM;
	}
	json_object_object_add(object, "vms", vms);
	json_object_object_add(object, "total", total);
	return json_print(object, stdout);
}

int cmd_status(int argc, char **argv)
{
	struct table *table;
	struct vms vms;
	struct err e;
	int rc;

	(void)argc;
	rc = vms_read(options.sysroot, &vms, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	table = table_new(columns, ARRAY_SIZE(columns));
	rc = table ? 0 : -ENOMEM;
	for (size_t i = 0; !rc && i < vms.count; i++)
		rc = add_vm(table, &vms.list[i]);
	vms_free(&vms);
	if (!rc)
		rc = options.json ? print_json(table) : table_print(table, stdout);
	table_free(table);
	return cmd_printed(argv[0], rc);
}
