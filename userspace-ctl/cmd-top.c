// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMs live, with what they used lately as bars.
 */
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "history.h"
#include "memory.h"
#include "size.h"
#include "stop.h"
#include "vm.h"

/* What VMs are put in order by, and the key for it. */
enum order { BY_RESIDENT, BY_SAVED, BY_WSS, BY_PID, ORDERS };

static const struct {
	int key;
	const char *name;
	enum vm_number number;		/* falling; VM_NR: by rising process id */
} orders[ORDERS] = {
	[BY_RESIDENT] = { 'r', "resident", VM_RESIDENT },
	[BY_SAVED] = { 's', "saved", VM_SAVED },
	[BY_WSS] = { 'w', "working set", VM_WSS },
	[BY_PID] = { 'p', "process", VM_NR },
};

struct screen {
	struct vms vms;
	struct host host;
	struct memory memory;
	struct history history;
	enum order order;
	bool utf8;
};

static enum order sorting;

static int compare(const void *a, const void *b)
{
	const struct vm *x = a, *y = b;
	enum vm_number n = orders[sorting].number;

	if (n != VM_NR && x->value[n] != y->value[n])
		return x->value[n] < y->value[n] ? 1 : -1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static const char *bytes_or_dash(const struct vm *vm, enum vm_number n, char buf[SIZE_TEXT_MAX])
{
	if (!vm_has(vm, n) || (n == VM_TARGET && !vm->value[n]))
		return strcpy(buf, "-");
	return size_format(buf, vm->value[n]);
}

static void draw_vm(const struct screen *s, const struct vm *vm, int row)
{
	static const enum vm_number numbers[] = {
		VM_ELIGIBLE, VM_RESIDENT, VM_SAVED, VM_BALLOON, VM_WSS, VM_TARGET,
	};
	char bar[HISTORY_TEXT_MAX], buf[SIZE_TEXT_MAX];
	int column = 25;

	mvprintw(row, 0, "%7d %-16.16s", vm->pid, vm->name);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++, column += 10)
		mvprintw(row, column, "%9s", bytes_or_dash(vm, numbers[i], buf));
	mvprintw(row, column + 1, "%-9.9s %s", *vm->state ? vm->state : "-",
		 history_bar(&s->history, vm->pid, s->utf8, bar));
}

static void draw_head(const struct screen *s)
{
	static const char * const run[] = { "stopped", "scanning", "unfolded" };
	uint64_t n = s->host.value[HOST_RUN];

	mvprintw(0, 0, "Pagefold %s, %" PRIu64 " VMs, scan threads at %" PRIu64 "%% of a CPU",
		 n < ARRAY_SIZE(run) ? run[n] : "?", s->host.value[HOST_VMS],
		 s->host.value[HOST_CPU_PERCENT_NOW]);
	mvprintw(1, 0, "host: %s, ", SIZE_TEXT(s->memory.total));
	printw("%s available, ", SIZE_TEXT(s->memory.available));
	printw("swap %s, ", SIZE_TEXT(s->memory.swap_used));
	printw("saved %s, ", SIZE_TEXT(s->host.value[HOST_SAVED]));
	if (s->memory.has_psi)
		printw("waiting %u.%02u%%", s->memory.psi_some / 100, s->memory.psi_some % 100);
	else
		printw("waiting ?");
	attron(A_REVERSE);
	mvprintw(3, 0, "%7s %-16s %9s %9s %9s %9s %9s %9s %-9s %-*s", "PID", "NAME", "RAM",
		 "RESIDENT", "SAVED", "BALLOON", "WSS", "TARGET", "STATE", HISTORY_SAMPLES,
		 "RESIDENT LATELY");
	attroff(A_REVERSE);
}

static void draw(struct screen *s)
{
	sorting = s->order;
	qsort(s->vms.list, s->vms.count, sizeof(*s->vms.list), compare);
	erase();
	draw_head(s);
	for (size_t i = 0; i < s->vms.count && (int)i < LINES - 6; i++)
		draw_vm(s, &s->vms.list[i], 4 + i);
	if ((int)s->vms.count > LINES - 6)
		mvprintw(LINES - 2, 0, "%zu more", s->vms.count - (LINES - 6));
	mvprintw(LINES - 1, 0, "by %s; r resident, s saved, w working set, p process, q quit",
		 orders[s->order].name);
	refresh();
}

static int look(struct screen *s, struct err *e)
{
	int rc;

	rc = memory_read(options.sysroot, &s->memory, e);
	if (!rc)
		rc = host_read(options.sysroot, &s->host, e);
	vms_free(&s->vms);
	if (!rc)
		rc = vms_read(options.sysroot, &s->vms, e);
	if (!rc && history_add(&s->history, &s->vms))
		rc = err_set(e, EX_REFUSED, "no memory for %zu VMs", s->vms.count);
	return rc;
}

/* Wait for a key, a signal or the next reading. Return: whether to go on. */
static bool wait_key(struct screen *s, int stop)
{
	struct pollfd wait[] = {
		{ .fd = stop, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	int key;

	/* A window that changes its size interrupts poll and is a key to ncurses. */
	if (poll(wait, 2, options.interval_ms) > 0 &&
	    (wait[0].revents || wait[1].revents & (POLLHUP | POLLERR)))
		return false;
	while ((key = getch()) != ERR) {
		if (key == 'q')
			return false;
		for (int i = 0; i < ORDERS; i++)
			if (orders[i].key == key)
				s->order = i;
	}
	return true;
}

static int run(struct screen *s, int stop, struct err *e)
{
	int rc;

	for (uint64_t n = 1; ; n++) {
		rc = look(s, e);
		if (rc)
			return rc;
		draw(s);
		if (n == options.count || !wait_key(s, stop))
			return EX_DONE;
	}
}

int cmd_top(int argc, char **argv)
{
	struct screen s = { .order = BY_RESIDENT };
	SCREEN *terminal;
	struct err e;
	int rc, stop;

	(void)argc;
	rc = sysfs_present(options.sysroot, &e);
	if (!rc && options.json)
		rc = err_set(&e, EX_BAD_INPUT,
			     "--json: top is for a terminal; status and record have it");
	if (!rc && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		rc = err_set(&e, EX_BAD_INPUT, "wants a terminal; status does not");
	if (rc)
		return cmd_fail(argv[0], rc, &e);
	setlocale(LC_CTYPE, "");
	s.utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	stop = stop_on_signals();
	terminal = newterm(NULL, stdout, stdin);
	if (stop < 0 || !terminal)
		return cmd_fail(argv[0], err_set(&e, EX_REFUSED,
						 "TERM %s: no terminal that is known",
						 QUOTE(getenv("TERM") ?: "")), &e);
	cbreak();
	noecho();
	curs_set(0);
	nodelay(stdscr, true);
	rc = run(&s, stop, &e);
	endwin();
	delscreen(terminal);
	vms_free(&s.vms);
	history_free(&s.history);
	close(stop);
	return rc ? cmd_fail(argv[0], rc, &e) : EX_DONE;
}
