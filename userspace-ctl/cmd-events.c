// SPDX-License-Identifier: GPL-2.0-only
/*
 * Follow what changes and what pagefoldd decides.
 *
 * What changes is seen in sysfs, by comparing one reading with the next; the module wakes us when a
 * target or a state changes. Why it changes is in the record that pagefoldd appends to. With
 * --trace the kernel's tracepoints come too, from a trace instance of our own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "record.h"
#include "size.h"
#include "stop.h"
#include "vm.h"

#define INSTANCE_MAX	2048
#define TRACING	"/sys/kernel/tracing/instances"

/* What is followed, and how many events were told. */
struct follow {
	int stop;
	struct vms vms;
	uint64_t run;
	int record;		/* -1 while there is none */
	ino_t inode;		/* of it: another file is followed from its start */
	char line[RECORD_LINE_MAX];
	size_t len;
	int trace;		/* -1 without --trace */
	char instance[INSTANCE_MAX];
	uint64_t told;
};

static bool done(const struct follow *f)
{
	return options.count && f->told >= options.count;
}

/* A moment as people read it, in local time. */
static void print_time(uint64_t time_ms)
{
	time_t seconds = time_ms / 1000;
	char text[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%F %T", &tm);
	printf("%s.%03u ", text, (unsigned int)(time_ms % 1000));
}

static void print_text(const struct record *r)
{
	print_time(r->time_ms);
	if (r->vm.pid)
		printf("%s (%d) ", *r->vm.name ? r->vm.name : "?", r->vm.pid);
	printf("%s:", r->word);
	if (r->type == RECORD_DECISION && r->has_target) {
		printf(" target %s", r->from ? SIZE_TEXT(r->from) : "none");
		printf(" -> %s,", r->to ? SIZE_TEXT(r->to) : "none");
	}
	if (r->type == RECORD_DECISION && r->has_freed)
		printf(" freed %s,", SIZE_TEXT(r->freed));
	printf(" %s\n", r->text);
}

static void tell(struct follow *f, const struct record *r)
{
	char *line;

	if (done(f))
		return;
	f->told++;
	if (!options.json) {
		print_text(r);
	} else {
		line = record_format(r);
		fputs(line ? line : "", stdout);
		free(line);
	}
}

__attribute__((format(printf, 4, 5)))
static void tell_change(struct follow *f, const char *word, const struct vm *vm, const char *fmt,
			...)
{
	struct record r = { .type = RECORD_EVENT, .time_ms = record_now() };
	va_list ap;

	snprintf(r.word, sizeof(r.word), "%s", word);
	if (vm) {
		r.vm.pid = vm->pid;
		memcpy(r.vm.name, vm->name, sizeof(r.vm.name));
	}
	va_start(ap, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, ap);
	va_end(ap);
	tell(f, &r);
}

static void compare_words(struct follow *f, const char *word, const struct vm *vm,
			  const char *before, const char *after)
{
	if (strcmp(before, after))
		tell_change(f, word, vm, "%s -> %s", *before ? before : "none",
			    *after ? after : "none");
}

static void compare_vm(struct follow *f, const struct vm *before, const struct vm *after)
{
	uint64_t from = before->value[VM_TARGET], to = after->value[VM_TARGET];

	compare_words(f, "vm-name", after, before->name, after->name);
	compare_words(f, "vm-domain", after, before->domain, after->domain);
	compare_words(f, "vm-policy", after, before->policy, after->policy);
	compare_words(f, "vm-state", after, before->state, after->state);
	if (from != to)
		tell_change(f, "vm-target", after, "%s -> %s", from ? SIZE_TEXT(from) : "none",
			    to ? SIZE_TEXT(to) : "none");
}

/* Both lists rise by process id. */
static void compare_vms(struct follow *f, const struct vms *now)
{
	size_t i = 0, j = 0;

	while (i < f->vms.count || j < now->count) {
		const struct vm *before = i < f->vms.count ? &f->vms.list[i] : NULL;
		const struct vm *after = j < now->count ? &now->list[j] : NULL;

		if (!after || (before && before->pid < after->pid)) {
			tell_change(f, "vm-del", before, "is registered no more");
			i++;
		} else if (!before || after->pid < before->pid) {
			tell_change(f, "vm-add", after, "registered in domain %s", after->domain);
			j++;
		} else {
			compare_vm(f, before, after);
			i++;
			j++;
		}
	}
}

static int look(struct follow *f, bool first, struct err *e)
{
	struct host host;
	struct vms now;
	int rc = host_read(options.sysroot, &host, e);

	if (!rc)
		rc = vms_read(options.sysroot, &now, e);
	if (rc)
		return rc;
	if (!first && host.value[HOST_RUN] != f->run)
		tell_change(f, "run", NULL, "%" PRIu64 " -> %" PRIu64, f->run,
			    host.value[HOST_RUN]);
	if (!first)
		compare_vms(f, &now);
	f->run = host.value[HOST_RUN];
	vms_free(&f->vms);
	f->vms = now;
	return EX_DONE;
}

/* Decisions, and what sysfs does not show. */
static void take_line(struct follow *f)
{
	static const char * const seen[] = { "vm-add", "vm-del", "vm-state", "run" };
	struct record r;
	struct err e;

	if (record_parse(f->line, f->len, &r, &e)) {
		tell_change(f, "bad-record", NULL, "%s", e.text);
		return;
	}
	if (r.type != RECORD_DECISION && r.type != RECORD_EVENT)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		if (r.type == RECORD_EVENT && !strcmp(r.word, seen[i]))
			return;
	tell(f, &r);
}

/* What is longer than a line can be is told once, by its length; its end is dropped. */
static void take_bytes(struct follow *f, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			take_line(f);
			f->len = 0;
		} else if (f->len < sizeof(f->line)) {
			f->line[f->len++] = bytes[i];
		}
	}
}

static void read_record(struct follow *f)
{
	char buf[4096];
	struct stat st;
	ssize_t n;

	if (f->record >= 0)
		while (!done(f) && (n = read(f->record, buf, sizeof(buf))) > 0)
			take_bytes(f, buf, n);
	/* One that was made anew, as by a daemon that starts. */
	if (stat(options.record, &st) || (f->record >= 0 && st.st_ino == f->inode))
		return;
	if (f->record >= 0)
		close(f->record);
	f->record = open(options.record, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	f->inode = st.st_ino;
	f->len = 0;
}

static void open_record(struct follow *f)
{
	struct stat st;

	f->record = open(options.record, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->record < 0)
		return;
	if (!fstat(f->record, &st))
		f->inode = st.st_ino;
	lseek(f->record, 0, SEEK_END);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = errno;
	close(fd);
	return rc;
}

/* What folds is too much to read: only what happens to VMs. */
static const char * const traced[] = { "vm_add", "vm_del", "vm_domain", "vm_pass", "run", NULL };

static int open_trace(struct follow *f, struct err *e)
{
	char path[PATH_MAX + 128];
	int rc;

	snprintf(f->instance, sizeof(f->instance), "%s" TRACING "/pagefoldctl-%d", options.sysroot,
		 getpid());
	if (mkdir(f->instance, 0700)) {
		rc = errno;
		f->instance[0] = '\0';
		return err_set(e, EX_REFUSED, "--trace: cannot make an instance in %s" TRACING
			       ": %s", options.sysroot, strerror(rc));
	}
	for (const char * const *event = traced; *event; event++) {
		snprintf(path, sizeof(path), "%s/events/pagefold/pagefold_%s/enable", f->instance,
			 *event);
		rc = write_text(path, "1");
		if (rc)
			return err_set(e, EX_REFUSED, "--trace: %s: %s", path, strerror(rc));
	}
	snprintf(path, sizeof(path), "%s/trace_pipe", f->instance);
	f->trace = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->trace < 0)
		return err_set(e, EX_REFUSED, "--trace: %s: %s", path, strerror(errno));
	return EX_DONE;
}

static void read_trace(struct follow *f)
{
	char buf[4096], *line, *end, *text;
	ssize_t n;

	while (f->trace >= 0 && !done(f) && (n = read(f->trace, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		for (line = buf; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			text = strstr(line, "pagefold_");
			if (text)
				tell_change(f, "trace", NULL, "%s", text);
		}
	}
}

static int follow_all(struct follow *f, struct err *e)
{
	int rc;

	rc = look(f, true, e);
	if (!rc && options.trace)
		rc = open_trace(f, e);
	open_record(f);
	while (!rc && !done(f)) {
		fflush(stdout);
		if (ferror(stdout))
			return err_set(e, EX_REFUSED, "cannot write");
		if (changes_wait(options.sysroot, &f->vms, f->stop, f->trace,
				 options.interval_ms))
			break;
		read_record(f);
		read_trace(f);
		rc = look(f, false, e);
	}
	fflush(stdout);
	return rc;
}

int cmd_events(int argc, char **argv)
{
	static struct follow f = { .record = -1, .trace = -1 };
	struct err e;
	int rc;

	(void)argc;
	rc = sysfs_present(options.sysroot, &e);
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	f.stop = stop_on_signals();
	if (f.stop < 0)
		return cmd_fail(argv[0], err_set(&e, EX_REFUSED, "signals: %s",
						 strerror(-f.stop)), &e);
	rc = follow_all(&f, &e);
	vms_free(&f.vms);
	if (f.record >= 0)
		close(f.record);
	if (f.trace >= 0)
		close(f.trace);
	if (*f.instance)
		rmdir(f.instance);
	close(f.stop);
	return rc ? cmd_fail(argv[0], rc, &e) : EX_DONE;
}
