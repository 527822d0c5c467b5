/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options of the command line: one list for all verbs, each of which takes some.
 */
#ifndef PF_OPTIONS_H
#define PF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* Bits of what a verb takes. --sysroot, --json, --help and --version are taken by all. */
enum {
	OPT_INTERVAL = 1 << 0,
	OPT_COUNT = 1 << 1,
	OPT_OUTPUT = 1 << 2,
	OPT_RECORD = 1 << 3,
	OPT_PLAN = 1 << 4,
	OPT_MODULE = 1 << 5,
	OPT_TRACE = 1 << 6,
};

/**
 * struct options - what was given
 * @sysroot: --sysroot, before every path
 * @json: --json
 * @help: --help
 * @version: --version
 * @module: --module
 * @trace: --trace
 * @interval_ms: --interval, 1000 when not given
 * @count: --count, 0 when not given
 * @output: --output, NULL when not given
 * @record: --record, RECORD_PATH when not given
 * @size: --size, 0 when not given
 * @reserve: --reserve, UINT64_MAX when not given
 * @risk_hundredths: --risk in hundredths of a percent, 500 when not given
 * @guests: --guests, 0 when not given
 * @overcommit_hundredths: --overcommit in hundredths, 0 when not given
 */
struct options {
	const char *sysroot;
	bool json;
	bool help;
	bool version;
	bool module;
	bool trace;
	uint64_t interval_ms;
	uint64_t count;
	const char *output;
	const char *record;
	uint64_t size;
	uint64_t reserve;
	unsigned int risk_hundredths;
	unsigned int guests;
	unsigned int overcommit_hundredths;
};

extern struct options options;

/**
 * options_take() - take the options out of a command line
 * @argc: changed to what is left: the verb and its arguments
 * @argv: changed likewise, and ended by NULL
 * @given: bits of the options that not every verb takes
 * @e: filled on error
 *
 * Return: EX_DONE or EX_BAD_INPUT.
 */
int options_take(int *argc, char **argv, unsigned int *given, struct err *e);

/**
 * options_name() - the name of an option that not every verb takes
 * @bits: the lowest of these
 *
 * Return: the name with its dashes; of --plan's several the first.
 */
const char *options_name(unsigned int bits);

#endif
