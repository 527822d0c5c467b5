/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc tells of a VMM beyond its name: since when it runs, whose it is, where its monitor is.
 */
#ifndef PF_VMM_H
#define PF_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VMM_PATH_MAX	108
#define VMM_PATHS	4

struct vmm {
	uint64_t start;		/* clock ticks after boot: with the pid it names a process for ever */
	uid_t uid;
	char paths[VMM_PATHS][VMM_PATH_MAX];	/* of QMP sockets on its command line */
	size_t npaths;
};

/* The QMP sockets of a QEMU's command line, @len bytes of NUL-terminated arguments. */
size_t cmdline_qmp_paths(const char *cmdline, size_t len, char paths[VMM_PATHS][VMM_PATH_MAX]);

/* Return: false when there is no such process. */
bool vmm_read(const char *sysroot, int pid, struct vmm *vmm);

/* When process @pid was started, 0: there is none. */
uint64_t vmm_start(const char *sysroot, int pid);

/* What of it is in swap, in bytes. */
uint64_t vmm_swapped(const char *sysroot, int pid);

#endif
