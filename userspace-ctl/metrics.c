// SPDX-License-Identifier: GPL-2.0-only
/*
 * Figures in OpenMetrics' text format.
 *
 * There is no library for it in C that a distribution has; the format is a few lines. What the
 * specification asks for: families with TYPE, UNIT where the name ends in it, HELP, no family twice
 * and its samples together, _total after counters, no series twice, label values escaped, "# EOF".
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "metrics.h"

/* How a file is called as a metric. */
struct family {
	char name[96];
	const char *unit;	/* "" for none */
	bool nanoseconds;
};

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && !strcmp(s + n - m, end);
}

static void name_family(const char *prefix, const char *file, struct family *f)
{
	*f = (struct family){ .unit = "" };
	snprintf(f->name, sizeof(f->name), "pagefold_%s%s", prefix, file);
	if (ends_in(file, "_ns")) {
		f->nanoseconds = true;
		f->unit = "seconds";
		snprintf(f->name, sizeof(f->name), "pagefold_%s%.*s_seconds", prefix,
			 (int)(strlen(file) - 3), file);
	} else if (ends_in(file, "_ms")) {
		f->unit = "milliseconds";
		snprintf(f->name, sizeof(f->name), "pagefold_%s%.*s_milliseconds", prefix,
			 (int)(strlen(file) - 3), file);
	} else if (ends_in(file, "_bytes")) {
		f->unit = "bytes";
	} else if (ends_in(file, "_pages")) {
		f->unit = "pages";
	}
}

static void print_head(const struct family *f, const struct attr_info *attr, FILE *to)
{
	fprintf(to, "# TYPE %s %s\n", f->name, attr->type == ATTR_COUNTER ? "counter" : "gauge");
	if (*f->unit)
		fprintf(to, "# UNIT %s %s\n", f->name, f->unit);
	fprintf(to, "# HELP %s %s.\n", f->name, attr->help);
}

static void print_value(const struct family *f, uint64_t value, FILE *to)
{
	if (f->nanoseconds)
		fprintf(to, "%" PRIu64 ".%09" PRIu64 "\n", value / 1000000000, value % 1000000000);
	else
		fprintf(to, "%" PRIu64 "\n", value);
}

static void print_label(const char *name, const char *value, char before, FILE *to)
{
	fprintf(to, "%c%s=\"", before, name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', to);
		if (*value == '\n')
			fputs("\\n", to);
		else
			fputc(*value, to);
	}
	fputc('"', to);
}

static void host_family(const struct host *host, enum host_number n, FILE *to)
{
	const char *total = host_attrs[n].type == ATTR_COUNTER ? "_total" : "";
	struct family f;

	if (!host_has(host, n))
		return;
	name_family("", host_attrs[n].file, &f);
	print_head(&f, &host_attrs[n], to);
	fprintf(to, "%s%s ", f.name, total);
	print_value(&f, host->value[n], to);
}

static void vm_family(const struct vms *vms, enum vm_number n, FILE *to)
{
	const char *total = vm_attrs[n].type == ATTR_COUNTER ? "_total" : "";
	bool begun = false;
	struct family f;
	char pid[16];

	name_family("vm_", vm_attrs[n].file, &f);
	for (size_t i = 0; i < vms->count; i++) {
		const struct vm *vm = &vms->list[i];

		if (!vm_has(vm, n))
			continue;
		if (!begun)
			print_head(&f, &vm_attrs[n], to);
		begun = true;
		snprintf(pid, sizeof(pid), "%d", vm->pid);
		fprintf(to, "%s%s", f.name, total);
		print_label("pid", pid, '{', to);
		print_label("vm", vm->name, ',', to);
		print_label("domain", vm->domain, ',', to);
		fputs("} ", to);
		print_value(&f, vm->value[n], to);
	}
}

void metrics_families(const struct host *host, const struct vms *vms, FILE *to)
{
	for (int n = 0; n < HOST_NR; n++)
		host_family(host, n, to);
	if (host->has_profit) {
		fputs("# TYPE pagefold_general_profit_bytes gauge\n"
		      "# UNIT pagefold_general_profit_bytes bytes\n"
		      "# HELP pagefold_general_profit_bytes Memory saved less what it "
		      "costs.\n", to);
		fprintf(to, "pagefold_general_profit_bytes %" PRId64 "\n", host->profit);
	}
	for (int n = 0; n < VM_NR; n++)
		vm_family(vms, n, to);
}

int metrics_print(const struct host *host, const struct vms *vms, FILE *to)
{
	metrics_families(host, vms, to);
	fputs("# EOF\n", to);
	return fflush(to) || ferror(to) ? -EIO : 0;
}
