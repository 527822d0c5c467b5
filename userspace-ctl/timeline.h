/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A record, read whole and put in order: what changed over time, for the report.
 */
#ifndef PF_TIMELINE_H
#define PF_TIMELINE_H

#include <stdio.h>

#include "record.h"

struct point {
	uint64_t time_ms;
	double value;
};

/**
 * struct series - one figure over time
 * @points: by rising time
 * @count: how many
 * @room: for how many there is memory
 */
struct series {
	struct point *points;
	size_t count;
	size_t room;
};

/* Figures of the host and of every VM that are kept. */
enum host_series { SERIES_IN_USE, SERIES_SWAP, SERIES_SAVED, SERIES_SOME, SERIES_FULL,
	SERIES_STATE, HOST_SERIES };
enum vm_series { SERIES_USED, SERIES_TARGET, SERIES_WSS, SERIES_BALLOON, SERIES_VM_SAVED,
	SERIES_SWAPPED, VM_SERIES };

/* Values of SERIES_STATE. */
enum { STATE_HIGH, STATE_SOFT, STATE_HARD, STATE_LOW, STATES };
extern const char * const state_names[STATES];

struct timeline_vm {
	struct vm last;
	uint64_t double_paged;
	struct series series[VM_SERIES];
};

/* What was decided, or happened. */
struct moment {
	uint64_t time_ms;
	enum record_type type;
	int pid;
	char name[PF_NAME_MAX + 1];
	char word[PF_NAME_MAX + 1];
	bool has_target, has_freed;
	uint64_t from, to, freed;
	char text[RECORD_TEXT_MAX];
};

/* What a rung gave back. */
struct rung {
	char name[PF_NAME_MAX + 1];
	uint64_t freed;
	size_t decisions;
};

#define RUNGS_MAX	16

/**
 * struct timeline - a record
 * @kernel: of the first start line
 * @program: likewise
 * @first_ms: the earliest moment
 * @last_ms: the latest
 * @total: the host's memory
 * @host: by enum host_series
 * @vms: by when they were first seen; a process id that has another name later is another VM
 * @vm_count: how many
 * @moments: decisions and events by rising time
 * @moment_count: how many
 * @rungs: in the order of the ladder as first seen
 * @rung_count: how many
 * @bad_lines: that could not be read
 * @bad_line: the first of them, in the file that it is in
 * @bad_why: why
 */
struct timeline {
	char kernel[PF_NAME_MAX + 1];
	char program[PF_NAME_MAX + 1];
	uint64_t first_ms;
	uint64_t last_ms;
	uint64_t total;
	struct series host[HOST_SERIES];
	struct timeline_vm *vms;
	size_t vm_count;
	struct moment *moments;
	size_t moment_count;
	size_t moment_room;
	struct rung rungs[RUNGS_MAX];
	size_t rung_count;
	size_t bad_lines;
	size_t bad_line;
	char bad_why[256];
};

/**
 * timeline_read() - read a record
 * @older: what was written before it, or NULL
 * @from: it
 * @t: where it goes; free it with timeline_free(), also after an error
 * @e: filled on error
 *
 * Lines that cannot be read are counted and left out. What is no record at all is refused: its
 * first line must be a start.
 *
 * Return: EX_DONE, EX_REFUSED when reading fails, EX_BAD_INPUT when there is no record in it.
 */
int timeline_read(FILE *older, FILE *from, struct timeline *t, struct err *e);

/**
 * timeline_free() - forget it
 * @t: it
 */
void timeline_free(struct timeline *t);

/**
 * series_max() - the largest value
 * @s: of this
 *
 * Return: it; 0 when there is none.
 */
double series_max(const struct series *s);

#endif
