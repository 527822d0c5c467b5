/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's memory as /proc tells it: how much, how much is left, swap, and pressure.
 */
#ifndef PF_MEMORY_H
#define PF_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/**
 * struct memory - the host's memory
 * @total: of the host, in bytes
 * @available: what can be had without swapping, in bytes
 * @swap_total: in bytes
 * @swap_used: in bytes
 * @has_psi: whether the kernel tells of pressure
 * @psi_some: hundredths of a percent of the last 10 s in which some task waited for memory
 * @psi_full: the same for all tasks at once
 */
struct memory {
	uint64_t total;
	uint64_t available;
	uint64_t swap_total;
	uint64_t swap_used;
	bool has_psi;
	unsigned int psi_some;
	unsigned int psi_full;
};

/**
 * memory_read() - read /proc/meminfo and /proc/pressure/memory
 * @sysroot: before /proc, "" on a host
 * @m: where it goes
 * @e: filled on error
 *
 * A kernel without pressure information, or with it turned off, is no error.
 *
 * Return: EX_DONE, EX_REFUSED when reading fails, EX_BAD_INPUT when a file does not hold what it
 * should.
 */
int memory_read(const char *sysroot, struct memory *m, struct err *e);

/**
 * file_read() - read a small file whole
 * @sysroot: before @path
 * @path: it
 * @buf: where the text goes, ended by a NUL
 * @size: of @buf
 *
 * Return: 0 or an errno; EFBIG when it does not fit.
 */
int file_read(const char *sysroot, const char *path, char *buf, size_t size);

#endif
