/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a record has of one moment: the host, and every VM.
 */
#ifndef PF_SAMPLE_H
#define PF_SAMPLE_H

#include "record.h"

/**
 * sample_host() - the host's line of a record
 * @host: the module's figures
 * @memory: the host's memory
 * @state: the daemon's word for the host's state, or ""
 * @time_ms: the moment
 * @r: where it goes
 */
void sample_host(const struct host *host, const struct memory *memory, const char *state,
		 uint64_t time_ms, struct record *r);

/**
 * sample_vm() - a VM's line of a record
 * @vm: it
 * @time_ms: the moment
 * @r: where it goes
 */
void sample_vm(const struct vm *vm, uint64_t time_ms, struct record *r);

/**
 * sample_append() - write a whole moment
 * @fd: a descriptor with O_APPEND
 * @sysroot: before /sys and /proc
 * @e: filled on error
 *
 * Return: EX_DONE or an exit code.
 */
int sample_append(int fd, const char *sysroot, struct err *e);

#endif
