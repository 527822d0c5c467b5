// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record, read whole and put in order: what changed over time, for the report.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

/* More VMs than this in one record are left out of the report: nobody could read it. */
#define TIMELINE_VMS_MAX	1024

const char * const state_names[STATES] = { "high", "soft", "hard", "low" };

/* A list with room for one more. Return: the list, which may have moved; NULL without memory. */
static void *grown(void *list, size_t count, size_t *room, size_t size)
{
	void *moved;

	if (count < *room)
		return list;
	*room = *room ? *room * 2 : 16;
	moved = reallocarray(list, *room, size);
	if (!moved)
		*room = count;
	return moved;
}

static int add_point(struct series *s, uint64_t time_ms, double value)
{
	struct point *points = grown(s->points, s->count, &s->room, sizeof(*points));

	if (!points)
		return -ENOMEM;
	s->points = points;
	points[s->count++] = (struct point){ time_ms, value };
	return 0;
}

static int add_host(struct timeline *t, const struct record *r)
{
	const struct memory *m = &r->memory;
	int rc = 0;

	if (m->total) {
		t->total = m->total;
		rc |= add_point(&t->host[SERIES_IN_USE], r->time_ms,
				m->total > m->available ? m->total - m->available : 0);
		rc |= add_point(&t->host[SERIES_SWAP], r->time_ms, m->swap_used);
	}
	if (m->has_psi) {
		rc |= add_point(&t->host[SERIES_SOME], r->time_ms, m->psi_some / 100.0);
		rc |= add_point(&t->host[SERIES_FULL], r->time_ms, m->psi_full / 100.0);
	}
	if (host_has(&r->host, HOST_SAVED))
		rc |= add_point(&t->host[SERIES_SAVED], r->time_ms, r->host.value[HOST_SAVED]);
	for (int i = 0; i < STATES; i++)
		if (!strcmp(r->word, state_names[i]))
			rc |= add_point(&t->host[SERIES_STATE], r->time_ms, i);
	return rc;
}

/* Return: the VM, NULL when there are too many or no memory is left. */
static struct timeline_vm *vm_of(struct timeline *t, const struct vm *vm)
{
	struct timeline_vm *vms;

	for (size_t i = t->vm_count; i--;)
		if (t->vms[i].last.pid == vm->pid && !strcmp(t->vms[i].last.name, vm->name))
			return &t->vms[i];
	if (t->vm_count == TIMELINE_VMS_MAX)
		return NULL;
	vms = reallocarray(t->vms, t->vm_count + 1, sizeof(*vms));
	if (!vms)
		return NULL;
	t->vms = vms;
	vms[t->vm_count] = (struct timeline_vm){ 0 };
	return &vms[t->vm_count++];
}

static int add_vm(struct timeline *t, const struct record *r)
{
	/* What the VM keeps for itself where the module says so, else all that is resident. */
	static const struct {
		enum vm_series series;
		enum vm_number number, instead;
	} kept[] = {
		{ SERIES_USED, VM_USAGE, VM_RESIDENT },
		{ SERIES_TARGET, VM_TARGET, VM_TARGET },
		{ SERIES_WSS, VM_WSS, VM_WSS },
		{ SERIES_BALLOON, VM_BALLOON, VM_BALLOON },
		{ SERIES_VM_SAVED, VM_SAVED, VM_SAVED },
	};
	struct timeline_vm *vm = vm_of(t, &r->vm);
	int rc = 0;

	if (!vm)
		return t->vm_count == TIMELINE_VMS_MAX ? 0 : -ENOMEM;
	vm->last = r->vm;
	if (r->has_paged) {
		vm->double_paged = r->double_paged;
		rc |= add_point(&vm->series[SERIES_SWAPPED], r->time_ms, r->swapped);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		enum vm_number n = vm_has(&r->vm, kept[i].number) ? kept[i].number :
				   kept[i].instead;

		if (vm_has(&r->vm, n))
			rc |= add_point(&vm->series[kept[i].series], r->time_ms,
					r->vm.value[n]);
	}
	return rc;
}

static void add_rung(struct timeline *t, const struct record *r)
{
	size_t i;

	for (i = 0; i < t->rung_count; i++)
		if (!strcmp(t->rungs[i].name, r->word))
			break;
	if (i == RUNGS_MAX)
		return;
	if (i == t->rung_count)
		memcpy(t->rungs[t->rung_count++].name, r->word, sizeof(r->word));
	t->rungs[i].decisions++;
	t->rungs[i].freed += r->has_freed ? r->freed : 0;
}

static int add_moment(struct timeline *t, const struct record *r)
{
	struct moment *moments = grown(t->moments, t->moment_count, &t->moment_room,
				       sizeof(*moments)), *m;

	if (!moments)
		return -ENOMEM;
	t->moments = moments;
	m = &moments[t->moment_count++];
	*m = (struct moment){ .time_ms = r->time_ms, .type = r->type, .pid = r->vm.pid,
			      .has_target = r->has_target, .has_freed = r->has_freed,
			      .from = r->from, .to = r->to, .freed = r->freed };
	memcpy(m->name, r->vm.name, sizeof(m->name));
	memcpy(m->word, r->word, sizeof(m->word));
	memcpy(m->text, r->text, sizeof(m->text));
	if (r->type == RECORD_DECISION && *r->word)
		add_rung(t, r);
	return 0;
}

static int add_record(struct timeline *t, const struct record *r)
{
	if (r->type == RECORD_OTHER)
		return 0;
	if (!t->first_ms || r->time_ms < t->first_ms)
		t->first_ms = r->time_ms;
	if (r->time_ms > t->last_ms)
		t->last_ms = r->time_ms;
	switch (r->type) {
	case RECORD_HOST:
		return add_host(t, r);
	case RECORD_VM:
		return add_vm(t, r);
	case RECORD_DECISION:
	case RECORD_EVENT:
		return add_moment(t, r);
	default:
		if (!*t->program) {
			memcpy(t->program, r->program, sizeof(t->program));
			memcpy(t->kernel, r->kernel, sizeof(t->kernel));
		}
		return 0;
	}
}

static void bad_line(struct timeline *t, size_t number, const char *why)
{
	if (!t->bad_lines++) {
		t->bad_line = number;
		snprintf(t->bad_why, sizeof(t->bad_why), "%.255s", why);
	}
}

static int point_by_time(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

static int moment_by_time(const void *a, const void *b)
{
	const struct moment *x = a, *y = b;

	return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

static void sort_series(struct series *s)
{
	if (s->count)
		qsort(s->points, s->count, sizeof(*s->points), point_by_time);
}

/* Several programs may have written, and a clock may have been set. */
static void put_in_order(struct timeline *t)
{
	for (int i = 0; i < HOST_SERIES; i++)
		sort_series(&t->host[i]);
	for (size_t i = 0; i < t->vm_count; i++)
		for (int j = 0; j < VM_SERIES; j++)
			sort_series(&t->vms[i].series[j]);
	if (t->moment_count)
		qsort(t->moments, t->moment_count, sizeof(*t->moments), moment_by_time);
}

/* One line of the file. Return: 0, -EINVAL with a reason for what is no record, -ENOMEM. */
static int take_line(struct timeline *t, size_t number, const char *line, size_t len,
		     struct err *e)
{
	struct record r;
	int rc;

	if (!len)
		return 0;
	rc = record_parse(line, len, &r, e);
	if (number == 1 && (rc || r.type != RECORD_START)) {
		if (!rc)
			err_set(e, rc, "want a start in the first line");
		return -EINVAL;
	}
	if (rc) {
		bad_line(t, number, e->text);
		return 0;
	}
	return add_record(t, &r);
}

static int read_lines(FILE *from, struct timeline *t, struct err *e)
{
	char line[RECORD_LINE_MAX + 1];
	size_t len = 0, number = 1;
	struct err why;
	int c, rc = 0;

	while (!rc && (c = getc(from)) != EOF) {
		if (c != '\n') {
			if (len < RECORD_LINE_MAX)
				line[len++] = c;
			continue;
		}
		rc = take_line(t, number++, line, len, &why);
		len = 0;
	}
	if (ferror(from))
		return err_set(e, EX_REFUSED, "cannot read: %s", strerror(errno));
	if (rc == -ENOMEM)
		return err_set(e, EX_REFUSED, "no memory for line %zu", number - 1);
	if (rc || number == 1)
		return err_set(e, EX_BAD_INPUT, "no record: %s", rc ? why.text :
			       "it has no line");
	return EX_DONE;
}

int timeline_read(FILE *older, FILE *from, struct timeline *t, struct err *e)
{
	int rc = EX_DONE;

	*t = (struct timeline){ 0 };
	if (older)
		rc = read_lines(older, t, e);
	if (!rc)
		rc = read_lines(from, t, e);
	if (!rc)
		put_in_order(t);
	return rc;
}

void timeline_free(struct timeline *t)
{
	for (int i = 0; i < HOST_SERIES; i++)
		free(t->host[i].points);
	for (size_t i = 0; i < t->vm_count; i++)
		for (int j = 0; j < VM_SERIES; j++)
			free(t->vms[i].series[j].points);
	free(t->vms);
	free(t->moments);
	*t = (struct timeline){ 0 };
}

double series_max(const struct series *s)
{
	double max = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->points[i].value > max)
			max = s->points[i].value;
	return max;
}
