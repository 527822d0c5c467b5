/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Verbs that run until they are told to stop: by a signal, or by --count.
 */
#ifndef PF_STOP_H
#define PF_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "vm.h"

/**
 * stop_on_signals() - have SIGINT, SIGTERM and SIGHUP end waiting instead of the program
 *
 * Return: a descriptor to poll for reading, -errno.
 */
int stop_on_signals(void);

/**
 * changes_wait() - wait until a VM's target or state changes, a descriptor can be read, or for long
 * @sysroot: before /sys
 * @vms: these VMs
 * @stop: of stop_on_signals()
 * @other: another descriptor, or -1
 * @ms: the longest
 *
 * The module tells of changes by POLLPRI. What changed before the call, after @vms was read, may
 * go unnoticed until @ms is over.
 *
 * Return: whether @stop can be read.
 */
bool changes_wait(const char *sysroot, const struct vms *vms, int stop, int other, uint64_t ms);

#endif
