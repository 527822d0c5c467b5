// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many more guests fit, and what overcommit would mean.
 */
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "memory.h"
#include "plan.h"
#include "process.h"
#include "size.h"
#include "table.h"
#include "vm.h"

/* Kept for the host itself when --reserve does not say: an eighth, as the kernel and its caches. */
#define RESERVE_PART	8

/* Overcommits in tenths that are shown beside what was asked for. */
static const unsigned int shown[] = { 10, 12, 15, 20, 25, 30, 40 };

static const struct column columns[] = {
	{ "MORE", "more_guests", CELL_COUNT, false },
	{ "RAM", "ram_bytes", CELL_BYTES, false },
	{ "OVERCOMMIT", "overcommit", CELL_TENTHS, false },
	{ "NEEDED", "needed_bytes", CELL_BYTES, false },
	{ "GIVE-OR-TAKE", "sd_bytes", CELL_BYTES, false },
	{ "RISK-%", "risk_percent", CELL_TENTHS, false },
	{ "SHORT", "shortfall_bytes", CELL_BYTES, false },
	{ "", "note", CELL_TEXT, false },
};

/* What plan shows above the table. */
struct summary {
	struct plan plan;
	struct memory memory;
	uint64_t reserve;
	size_t measured;	/* guests with a working set */
	int fit;
	int asked;		/* more guests that were asked about, -1: none */
};

/* Of absurd sizes the sum may be no number that there is. */
static struct cell bytes(double n)
{
	return CELL_OF_IF(n < INT64_MAX, n < INT64_MAX ? n : 0);
}

static int add_point(struct table *table, const struct plan *p, unsigned int guests,
		     const char *note)
{
	struct plan_point at;

	plan_at(p, guests, &at);
	return table_add(table, (struct cell []) {
		CELL_OF(guests),
		bytes(at.ram),
		CELL_OF(lround(at.overcommit * 10)),
		bytes(at.mean),
		bytes(at.sd),
		CELL_OF(lround(at.risk * 1000)),
		bytes(at.shortfall),
		CELL_OF_TEXT(note),
	});
}

/* Rows of rising numbers of guests: none more, round overcommits, what fits, what was asked. */
static int add_points(struct table *table, const struct summary *s)
{
	unsigned int next = 0, last = 0;
	int rc = add_point(table, &s->plan, 0, s->fit < 0 ? "here, at more than the risk" :
			   s->asked ? "here" : "here, as asked");
	const struct plan *p = &s->plan;

	while (!rc && p->size > 0) {
		next = PLAN_GUESTS_MAX + 1;
		for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
			double more = (p->capacity * shown[i] / 10 - p->ram) / p->size;

			if (more > last && more <= PLAN_GUESTS_MAX && ceil(more) < next)
				next = ceil(more) > last ? ceil(more) : next;
		}
		if (s->fit > (int)last && s->fit < (int)next)
			next = s->fit;
		if (s->asked > (int)last && s->asked < (int)next)
			next = s->asked;
		if (next > PLAN_GUESTS_MAX)
			break;
		rc = add_point(table, p, next, (int)next == s->asked ? "as asked" :
			       (int)next == s->fit ? "fits at the risk" : "");
		last = next;
	}
	return rc;
}

static void print_overcommit(const struct summary *s)
{
	unsigned int asked = options.overcommit_hundredths;
	struct plan_point at;

	plan_at(&s->plan, s->asked, &at);
	printf("An overcommit of %u.%02u is %d more: with a chance of %.1f%% not all that they "
	       "work with fits at once, and %s are short then and now, on average.\n\n",
	       asked / 100, asked % 100, s->asked, at.risk * 100, SIZE_TEXT(at.shortfall));
}

static int print_text(const struct summary *s, const struct table *table)
{
	const struct plan *p = &s->plan;

	printf("%zu guests, %zu with a measured working set: they work with %.0f%% of their RAM, "
	       "give or take %.0f%%.\n",
	       p->n, s->measured, p->part * 100, p->part_sd * 100);
	printf("Sharing saves %.0f%% of what they work with. The host has %s, %s is kept for it.\n",
	       p->share * 100, SIZE_TEXT(s->memory.total), SIZE_TEXT(s->reserve));
	if (s->fit < 0)
		printf("No more fit: those that are here exceed a risk of %u.%02u%%.\n\n",
		       options.risk_hundredths / 100, options.risk_hundredths % 100);
	else
		printf("%d more of %s fit at a risk of %u.%02u%%.\n\n", s->fit,
		       SIZE_TEXT(p->size), options.risk_hundredths / 100,
		       options.risk_hundredths % 100);
	if (options.overcommit_hundredths)
		print_overcommit(s);
	return table_print(table, stdout);
}

static int print_json(const struct summary *s, const struct table *table)
{
	struct json_object *o = json_object_new_object(), *points = table_json(table);
	const struct plan *p = &s->plan;

	if (!o || !points)
		return -ENOMEM;
	json_object_object_add(o, "guests", json_object_new_uint64(p->n));
	json_object_object_add(o, "measured_guests", json_object_new_uint64(s->measured));
	json_object_object_add(o, "total_bytes", json_object_new_uint64(s->memory.total));
	json_object_object_add(o, "reserve_bytes", json_object_new_uint64(s->reserve));
	json_object_object_add(o, "size_bytes", json_object_new_uint64(p->size));
	json_object_object_add(o, "working_set_part", json_object_new_double(p->part));
	json_object_object_add(o, "working_set_part_sd", json_object_new_double(p->part_sd));
	json_object_object_add(o, "sharing_part", json_object_new_double(p->share));
	json_object_object_add(o, "risk_percent",
			       json_object_new_double(options.risk_hundredths / 100.0));
	json_object_object_add(o, "fits", s->fit < 0 ? NULL : json_object_new_int(s->fit));
	json_object_object_add(o, "asked_guests",
			       s->asked < 0 ? NULL : json_object_new_int(s->asked));
	json_object_object_add(o, "points", points);
	return json_print(o, stdout);
}

/* 0 is also what the module says before its first round, and of a process without KVM. */
static bool has_working_set(const struct vm *vm)
{
	return vm->value[VM_WSS] || (vm->value[VM_WSS_ROUNDS] &&
				     process_has_kvm(options.sysroot, vm->pid, false));
}

/* A guest's RAM is what may be folded of it; before the first pass that is what it has. */
static struct plan_guest measured(const struct vm *vm, bool known)
{
	struct plan_guest g = {
		.ram = vm->value[VM_ELIGIBLE] ? vm->value[VM_ELIGIBLE] : vm->value[VM_RESIDENT],
		.resident = vm->value[VM_RESIDENT],
		.saved = vm->value[VM_SAVED],
		.written = vm->value[VM_WSS_WRITE],
		.has_written = vm_has(vm, VM_WSS_WRITE) && known,
	};

	g.wss = known ? fmin(vm->value[VM_WSS], g.ram) : g.ram;
	return g;
}

/* What was asked about, as a number of guests. */
static int take_question(struct summary *s, struct err *e)
{
	double overcommit = options.overcommit_hundredths / 100.0;
	const struct plan *p = &s->plan;

	s->asked = options.guests ? (int)options.guests : -1;
	if (!options.overcommit_hundredths)
		return EX_DONE;
	if (options.guests)
		return err_set(e, EX_BAD_INPUT, "--overcommit and --guests: want one of them");
	s->asked = plan_guests_for(p, overcommit);
	if (s->asked < 0)
		return err_set(e, EX_BAD_INPUT, "--overcommit %.2f: want %.2f, which is here, to "
			       "%.2f, which is %d more of %s", overcommit, p->ram / p->capacity,
			       (p->ram + p->size * PLAN_GUESTS_MAX) / p->capacity,
			       PLAN_GUESTS_MAX, SIZE_TEXT(p->size));
	return EX_DONE;
}

static int summarize(struct summary *s, struct err *e)
{
	struct plan_guest *guests;
	struct vms vms;
	size_t n = 0;
	int rc;

	rc = memory_read(options.sysroot, &s->memory, e);
	if (!rc)
		rc = vms_read(options.sysroot, &vms, e);
	if (rc)
		return rc;
	s->reserve = options.reserve == UINT64_MAX ? s->memory.total / RESERVE_PART :
		     options.reserve;
	guests = calloc(vms.count + 1, sizeof(*guests));
	for (size_t i = 0; guests && i < vms.count; i++) {
		bool known = has_working_set(&vms.list[i]);

		guests[n] = measured(&vms.list[i], known);
		s->measured += known;
		n += guests[n].ram > 0;
	}
	vms_free(&vms);
	if (!guests)
		return err_set(e, EX_REFUSED, "no memory for %zu guests", n);
	if (s->reserve >= s->memory.total) {
		rc = err_set(e, EX_BAD_INPUT, "--reserve %s: want a size below the host's %s",
			     SIZE_TEXT(s->reserve), SIZE_TEXT(s->memory.total));
	} else {
		plan_make(guests, n, s->memory.total - s->reserve, options.size, &s->plan);
		if (!(s->plan.size > 0))
			rc = err_set(e, EX_BAD_INPUT,
				     "--size: wanted, for there is no guest whose size could be "
				     "taken");
	}
	free(guests);
	if (!rc)
		s->fit = plan_fit(&s->plan, options.risk_hundredths / 10000.0);
	return rc ? rc : take_question(s, e);
}

int cmd_plan(int argc, char **argv)
{
	struct summary s = { 0 };
	struct table *table;
	struct err e;
	int rc;

	(void)argc;
	rc = summarize(&s, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	table = table_new(columns, ARRAY_SIZE(columns));
	rc = table ? add_points(table, &s) : -ENOMEM;
	if (!rc)
		rc = options.json ? print_json(&s, table) : print_text(&s, table);
	table_free(table);
	return cmd_printed(argv[0], rc);
}
