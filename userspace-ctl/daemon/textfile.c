// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's own figures as OpenMetrics text, for a node exporter's directory.
 *
 * What the module knows pagefoldctl metrics tells; here is what only the daemon does: decisions,
 * rungs, balloons and who is believed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon.h"

static uint64_t value_target(const struct guest *g)
{
	return g->policy.target;
}

static uint64_t value_ideal(const struct guest *g)
{
	return g->policy.ideal;
}

static uint64_t value_active(const struct guest *g)
{
	return g->policy.active;
}

static uint64_t value_usage(const struct guest *g)
{
	return g->usage;
}

static uint64_t value_swapped(const struct guest *g)
{
	return g->swapped;
}

static uint64_t value_answers(const struct guest *g)
{
	return guest_answers(g);
}

static uint64_t value_fresh(const struct guest *g)
{
	return g->stats_fresh;
}

static uint64_t value_pressed(const struct guest *g)
{
	return g->pressed;
}

static uint64_t value_untrusted(const struct guest *g)
{
	return g->ladder.untrusted;
}

static uint64_t value_page_asked(const struct guest *g)
{
	return g->page_asked;
}

static uint64_t value_double_paged(const struct guest *g)
{
	return g->ladder.double_paged;
}

static const struct metric {
	const char *name, *unit, *help;
	uint64_t (*value)(const struct guest *g);
} gauges[] = {
	{ "target_bytes", "bytes", "Memory that the VM should have", value_target },
	{ "ideal_bytes", "bytes", "Its share by the policy", value_ideal },
	{ "active_bytes", "bytes", "What it works with, as the policy counts", value_active },
	{ "usage_bytes", "bytes", "Host memory that it has", value_usage },
	{ "swapped_bytes", "bytes", "What the host paged out of it", value_swapped },
	{ "balloon_bytes", "bytes", "What its balloon holds, when it is believed", guest_balloon },
	{ "balloon_answers", NULL, "Whether its balloon reacts", value_answers },
	{ "statistics_fresh", NULL, "Whether it was heard of in the last 20 seconds", value_fresh },
	{ "pressed", NULL, "Whether it is short of memory inside, as far as is known",
	  value_pressed },
	{ "untrusted", NULL, "Whether its balloon claimed more than it gave", value_untrusted },
}, counters[] = {
	{ "page_asked_bytes", "bytes", "What the host was asked to page out of it",
	  value_page_asked },
	{ "double_paged_bytes", "bytes", "What the host paged out in vain, at most: the guest let "
	  "go of it, or wrote it to its own swap", value_double_paged },
};

static void put_metric(FILE *f, const struct daemon *d, const struct metric *m,
		       bool counter)
{
	fprintf(f, "# TYPE pagefoldd_vm_%s %s\n", m->name, counter ? "counter" : "gauge");
	if (m->unit)
		fprintf(f, "# UNIT pagefoldd_vm_%s %s\n", m->name, m->unit);
	fprintf(f, "# HELP pagefoldd_vm_%s %s.\n", m->name, m->help);
	for (size_t i = 0; i < d->n; i++)
		fprintf(f, "pagefoldd_vm_%s%s{pid=\"%d\",name=\"%s\"} %" PRIu64 "\n", m->name,
			counter ? "_total" : "", d->guests[i]->pid, d->guests[i]->name,
			m->value(d->guests[i]));
}

static void put_rungs(FILE *f, const struct daemon *d)
{
	fprintf(f, "# TYPE pagefoldd_vm_freed_bytes counter\n"
		"# UNIT pagefoldd_vm_freed_bytes bytes\n"
		"# HELP pagefoldd_vm_freed_bytes Memory that each rung of the ladder gave back.\n");
	for (size_t i = 0; i < d->n; i++)
		for (enum rung r = RUNG_SHARE; r <= RUNG_PAGE; r++)
			fprintf(f, "pagefoldd_vm_freed_bytes_total"
				"{pid=\"%d\",name=\"%s\",rung=\"%s\"} %" PRIu64 "\n",
				d->guests[i]->pid, d->guests[i]->name, rung_name(r),
				d->guests[i]->ladder.freed[r]);
}

static void put_host(FILE *f, const struct daemon *d)
{
	fprintf(f, "# TYPE pagefoldd_host_state stateset\n"
		"# HELP pagefoldd_host_state How short the host is of memory.\n");
	for (enum host_state s = HOST_HIGH; s < HOST_STATES; s++)
		fprintf(f, "pagefoldd_host_state{pagefoldd_host_state=\"%s\"} %d\n",
			host_state_name(s), d->policy.state == s);
	fprintf(f, "# TYPE pagefoldd_budget_bytes gauge\n# UNIT pagefoldd_budget_bytes bytes\n"
		"# HELP pagefoldd_budget_bytes Memory that is divided among the VMs.\n"
		"pagefoldd_budget_bytes %" PRIu64 "\n"
		"# TYPE pagefoldd_rounds counter\n# HELP pagefoldd_rounds Decisions taken.\n"
		"pagefoldd_rounds_total %" PRIu64 "\n", d->policy.budget, d->rounds + 1);
}

void textfile_write(struct daemon *d)
{
	struct err e = { .text = "no memory" };
	char *text = NULL;
	bool failed;
	size_t len;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return;
	put_host(f, d);
	for (size_t i = 0; i < ARRAY_SIZE(gauges); i++)
		put_metric(f, d, &gauges[i], false);
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		put_metric(f, d, &counters[i], true);
	put_rungs(f, d);
	fprintf(f, "# EOF\n");
	failed = fclose(f) || file_replace(d->sysroot, d->conf.metrics, text, len, &e);
	/* Once: nothing will be different in the next round. */
	if (failed && !d->metrics_failed)
		tell(NULL, LOG_WARNING, "metrics: %s", e.text);
	d->metrics_failed = failed;
	free(text);
}
