// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM tells of a VM that begins.
 *
 * Only the kernel is listened to, but what it passes on is text all the same.
 */
#include <stdbool.h>
#include <string.h>

#include "registration.h"
#include "uevent.h"

int uevent_kvm_create(const char *text, size_t len)
{
	static const char device[] = "DEVPATH=/devices/virtual/misc/kvm";
	bool kvm = false, create = false;
	const char *end = text + len;
	struct err e;
	int tid = 0;

	for (const char *at = text; at < end; at += strlen(at) + 1) {
		kvm |= !strcmp(at, device);
		create |= !strcmp(at, "EVENT=create");
		if (!strncmp(at, "PID=", 4) && parse_pid(at + 4, &tid, &e))
			tid = 0;
	}
	return kvm && create ? tid : 0;
}
