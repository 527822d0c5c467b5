/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Targets that the daemon wrote itself, kept over its own death with what else cannot be seen.
 *
 * A target in sysfs that is none of these was set by an operator, and is his.
 */
#ifndef PF_GIVEN_H
#define PF_GIVEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "policy.h"

#define GIVEN_PATH	"/run/pagefold/targets"

/*
 * One VM's: @last stands in sysfs, @next is about to. Both are on record before the write, so that
 * being killed between the two leaves no target that nobody owns up to.
 */
struct given {
	int pid;
	uint64_t start;		/* of the process, for ids are used again */
	uint64_t last, next;
	unsigned int paused;	/* the emergency may have stopped it: it was not seen to go on */
	unsigned int untrusted;	/* its balloon's claims do not count */
};

/* The host's states: each is left at another mark than it was entered at, so it has to be known. */
struct given_host {
	enum host_state by_free, by_psi;
};

/**
 * given_read() - read what the daemon before this one wrote
 * @sysroot: where /run is
 * @host: high, when the file does not say
 * @list: one for each VM
 * @max: room in @list
 * @e: filled when the file holds something else: then nothing is taken from it; else its text is
 *     empty
 *
 * Return: how many VMs were taken into @list; none when there is no file.
 */
size_t given_read(const char *sysroot, struct given_host *host, struct given *list, size_t max,
		  struct err *e);

/**
 * given_write() - replace the file in one step
 * @sysroot: where /run is
 * @host: the host
 * @list: one for each VM
 * @n: how many
 * @e: filled on error
 *
 * Return: EX_DONE or EX_REFUSED.
 */
int given_write(const char *sysroot, const struct given_host *host, const struct given *list,
		size_t n, struct err *e);

/* Replace @path by @len bytes of @text in one step. Return: EX_DONE or EX_REFUSED. */
int file_replace(const char *sysroot, const char *path, const char *text, size_t len,
		 struct err *e);

/* What a target in sysfs means when @g is what the daemon wrote. Return: the operator's, or 0. */
uint64_t given_hand(const struct given *g, uint64_t target);

#endif
