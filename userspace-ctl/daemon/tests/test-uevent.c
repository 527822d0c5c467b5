// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VM a uevent is about, and which it is not.
 */
#include "err.h"
#include "daemon/uevent.h"
#include "tests/tap.h"

#define KVM "add@/devices/virtual/misc/kvm\0ACTION=change\0DEVPATH=/devices/virtual/misc/kvm\0"

static bool vms_that_begin_are_told(void)
{
	static const struct {
		const char *text;
		size_t len;
		int want;
	} table[] = {
#define ROW(text, want) { text, sizeof(text) - 1, want }
		ROW(KVM "CREATED=2\0COUNT=1\0EVENT=create\0PID=812\0SEQNUM=9\0", 812),
		ROW(KVM "PID=4194304\0EVENT=create", 4194304),
		ROW(KVM "EVENT=destroy\0PID=812\0", 0),
		ROW(KVM "PID=812\0", 0),
		ROW(KVM "EVENT=create\0", 0),
		ROW(KVM "EVENT=create\0PID=0\0", 0),
		ROW(KVM "EVENT=create\0PID=-1\0", 0),
		ROW(KVM "EVENT=create\0PID=4194305\0", 0),
		ROW(KVM "EVENT=create\0PID=8 12\0", 0),
		ROW(KVM "EVENT=create\0PID=\0", 0),
		ROW("DEVPATH=/devices/virtual/misc/kvm2\0EVENT=create\0PID=812\0", 0),
		ROW("DEVPATH=/devices/virtual/misc\0EVENT=create\0PID=812\0", 0),
		ROW("\0\0\0", 0),
		ROW("", 0),
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		EXPECT(uevent_kvm_create(table[i].text, table[i].len) == table[i].want,
		       "row %zu: %d", i, uevent_kvm_create(table[i].text, table[i].len));
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "a uevent tells which VM begins, and no other does", vms_that_begin_are_told },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
