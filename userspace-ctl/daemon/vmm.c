// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc tells of a VMM beyond process.h: since when it runs, whose it is, what is swapped.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "vmm.h"

uint64_t vmm_start(const char *sysroot, int pid)
{
	char path[64], stat[2048], *at;
	uint64_t start;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_read(sysroot, path, stat, sizeof(stat)))
		return 0;
	/* The name may hold anything, a bracket too: what counts stands after the last. */
	at = strrchr(stat, ')');
	if (!at || sscanf(at + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			  "%*s %*s %*s %*s %20" SCNu64, &start) != 1)
		return 0;
	return start;
}

bool vmm_is(const char *sysroot, int pid, uint64_t start)
{
	uint64_t now = vmm_start(sysroot, pid);
	char path[PATH_MAX];

	if (now)
		return now == start;
	snprintf(path, sizeof(path), "%s/proc/%d", sysroot, pid);
	return !access(path, F_OK);
}

static bool status_number(const char *sysroot, int pid, const char *key, uint64_t *value)
{
	char path[64], status[8192], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read(sysroot, path, status, sizeof(status)))
		return false;
	at = strstr(status, key);
	return at && sscanf(at + strlen(key), "%20" SCNu64, value) == 1;
}

bool vmm_knows_swapped(const char *sysroot, int pid, uint64_t *bytes)
{
	uint64_t kib;

	if (!status_number(sysroot, pid, "\nVmSwap:", &kib) || kib > UINT64_MAX / 1024)
		return false;
	*bytes = kib * 1024;
	return true;
}

uint64_t vmm_swapped(const char *sysroot, int pid)
{
	uint64_t bytes;

	return vmm_knows_swapped(sysroot, pid, &bytes) ? bytes : 0;
}

uint64_t vmm_size(const char *sysroot, int pid)
{
	uint64_t kib;

	return status_number(sysroot, pid, "\nVmSize:", &kib) ? kib * 1024 : 0;
}

bool vmm_read(const char *sysroot, int pid, struct vmm *vmm)
{
	uint64_t uid;

	*vmm = (struct vmm){ .start = vmm_start(sysroot, pid) };
	if (!vmm->start || !status_number(sysroot, pid, "\nUid:", &uid))
		return false;
	vmm->uid = uid;
	return true;
}
