// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a record has of one moment: the host, and every VM.
 */
#include <stdio.h>
#include <string.h>

#include "sample.h"

void sample_host(const struct host *host, const struct memory *memory, const char *state,
		 uint64_t time_ms, struct record *r)
{
	*r = (struct record){ .type = RECORD_HOST, .time_ms = time_ms, .host = *host,
			      .memory = *memory };
	snprintf(r->word, sizeof(r->word), "%s", state);
}

void sample_vm(const struct vm *vm, uint64_t time_ms, struct record *r)
{
	*r = (struct record){ .type = RECORD_VM, .time_ms = time_ms, .vm = *vm };
}

int sample_append(int fd, const char *sysroot, struct err *e)
{
	uint64_t now = record_now();
	struct memory memory;
	struct record r;
	struct host host;
	struct vms vms;
	int rc;

	rc = host_read(sysroot, &host, e);
	if (!rc)
		rc = memory_read(sysroot, &memory, e);
	if (!rc)
		rc = vms_read(sysroot, &vms, e);
	if (rc)
		return rc;
	sample_host(&host, &memory, "", now, &r);
	rc = record_append(fd, &r);
	for (size_t i = 0; !rc && i < vms.count; i++) {
		sample_vm(&vms.list[i], now, &r);
		rc = record_append(fd, &r);
	}
	vms_free(&vms);
	return rc ? err_set(e, EX_REFUSED, "cannot write: %s", strerror(-rc)) : EX_DONE;
}
