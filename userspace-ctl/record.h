/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A recorded run, as JSON lines: what `pagefoldctl record` and pagefoldd write, and what report and
 * events read.
 *
 * A record is a file of lines. A line is one JSON object of at most RECORD_LINE_MAX bytes with its
 * newline. It is written by one write() to a descriptor with O_APPEND, so several programs may
 * write to one record, and what a crash cuts off is the last line alone: a reader skips a last line
 * without a newline. Every object has
 *
 *   "type"     one of the words below; a reader skips a type that it does not know
 *   "time_ms"  milliseconds since 1970, UTC
 *
 * and, by type, what is listed here. Numbers are 0 to 2^63 - 1, and bytes unless the name says
 * otherwise; a key that is not there means that it is not known; a reader skips keys that it does
 * not know and refuses known ones of another JSON type.
 *
 *   start      first line of every program that appends: "format" 1, "program", "kernel",
 *              "interval_ms"
 *   host       "mem_total_bytes", "mem_available_bytes", "swap_total_bytes", "swap_used_bytes",
 *              "psi_some_percent", "psi_full_percent" (over 10 s, two digits), "state" (the
 *              daemon's: high, soft, hard or low), and the numbers of the module by the names of
 *              their files in /sys/kernel/pagefold, HOST_NUMBERS in vm.h
 *   vm         "pid", "name", "domain", "policy", "state", the numbers by the names of their files
 *              in vms/PID/, VM_NUMBERS in vm.h, and the daemon's "swapped_bytes" and
 *              "double_paged_bytes"
 *   decision   "pid", "name", "rung" (share, report, balloon, pageout or emergency; or another
 *              word), "from_bytes" and "to_bytes" (the VM's target before and after),
 *              "freed_bytes" (what the rung has given back since the last record of this VM and
 *              rung, when that is known), "why" (a sentence)
 *   event      "event" (a word: vm-add, vm-del, run, host-state, vm-state, untrusted, ...), "pid"
 *              (0 or not there: the host), "name", "text" (a sentence)
 *
 * For example:
 *
 *   {"type":"decision","time_ms":1795262400000,"pid":812,"name":"web-1","rung":"balloon",
 *    "from_bytes":805306368,"to_bytes":536870912,"why":"idle tax: 230 MiB idle"}
 */
#ifndef PF_RECORD_H
#define PF_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "memory.h"
#include "vm.h"

/* Where the daemon appends, and where events and report look when they are not told. */
#define RECORD_PATH		"/run/pagefold/record.jsonl"

#define RECORD_FORMAT		1
#define RECORD_LINE_MAX		8192
#define RECORD_TEXT_MAX		256

enum record_type {
	RECORD_OTHER,		/* of a newer format; only time_ms is set */
	RECORD_START,
	RECORD_HOST,
	RECORD_VM,
	RECORD_DECISION,
	RECORD_EVENT,
};

/**
 * struct record - one line
 * @type: which of the members below count
 * @time_ms: since 1970
 * @vm: RECORD_VM: the VM; RECORD_DECISION and RECORD_EVENT: its pid and name alone
 * @program: RECORD_START
 * @kernel: RECORD_START
 * @interval_ms: RECORD_START: how often samples are taken
 * @host: RECORD_HOST
 * @memory: RECORD_HOST
 * @word: RECORD_HOST: state, RECORD_DECISION: rung, RECORD_EVENT: event
 * @has_paged: RECORD_VM: whether @swapped and @double_paged are known
 * @swapped: what of it is in swap, in bytes
 * @double_paged: what was paged out in vain, ever, at most
 * @has_target: RECORD_DECISION: whether @from and @to are known
 * @from: target before, in bytes
 * @to: target after, in bytes
 * @has_freed: RECORD_DECISION: whether @freed is known
 * @freed: in bytes
 * @text: RECORD_DECISION: why, RECORD_EVENT: text; what is too long is cut when it is written
 */
struct record {
	enum record_type type;
	uint64_t time_ms;
	struct vm vm;
	char program[PF_NAME_MAX + 1];
	char kernel[PF_NAME_MAX + 1];
	uint64_t interval_ms;
	struct host host;
	struct memory memory;
	char word[PF_NAME_MAX + 1];
	bool has_paged;
	uint64_t swapped;
	uint64_t double_paged;
	bool has_target;
	uint64_t from;
	uint64_t to;
	bool has_freed;
	uint64_t freed;
	char text[RECORD_TEXT_MAX];
};

/**
 * record_format() - a record as its line
 * @r: it
 *
 * Return: the line with its newline, to be freed; NULL without memory.
 */
char *record_format(const struct record *r);

/**
 * record_open() - open a record to append to
 * @path: made when it is not there, for its owner to write and its group to read
 *
 * When a crash has cut the last line off, it is ended here, so that it spoils no other.
 *
 * Return: the descriptor, -errno.
 */
int record_open(const char *path);

/**
 * record_append() - write a record
 * @fd: a descriptor with O_APPEND
 * @r: it; @r->time_ms of 0 becomes now
 *
 * Return: 0 or -errno; a line that was written in part, as on a full disk, is -EIO.
 */
int record_append(int fd, struct record *r);

/**
 * record_parse() - read a line
 * @line: the line, without its newline; need not end in a NUL
 * @len: its length
 * @r: where it goes; undefined on error
 * @e: filled on error, without the number of the line
 *
 * Return: EX_DONE or EX_BAD_INPUT.
 */
int record_parse(const char *line, size_t len, struct record *r, struct err *e);

/**
 * record_now() - the time as records have it
 *
 * Return: milliseconds since 1970.
 */
uint64_t record_now(void);

#endif
