#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The demo's balloon: one more KVM guest, ballooned down and back, and what the host really holds of it.
#
# Runs in the virtual host. The host's side is read from its own memory map, not from what QEMU says.
PF_KEEP=1
. /host/balloon/lib.sh
. /host/balloon/kvm.lib.sh

# What is in use, and some more, stays with the guest.
MIB=384
LOW=240

tell()
{
	resident
	echo "== $*: this host holds $((rss / 1024)) MiB of it"
}

fail()
{
	echo "failed: guest balloon: $*"
	exit 1
}

boot balloon $MIB 1 "$QUIET" -device virtio-balloon-pci,id=balloon0,free-page-reporting=on,deflate-on-oom=on &&
	must ask insmod pagefold_balloon && until_true bound || fail 'does not start'
must ask hold 60 1 && must ask touch 200 || fail 'does not work'
tell "guest balloon of $MIB MiB has used most of it, and uses 60 MiB still"
target $LOW && until_true actual_is $LOW || fail "is at ${value:-?} MiB, not at $LOW"
tell "ballooned down to $LOW MiB"
resident_at_most $((LOW + SLACK)) || fail 'the host holds more than that'
target $MIB && until_true actual_is $MIB && must ask touch 200 || fail "is at ${value:-?} MiB, not at $MIB"
tell "back at $MIB MiB, and used again"
must ask verify && [ "${answer##*wrong=}" = 0 ] || fail "contents are wrong: $answer"
echo "== contents of guest balloon are right: $answer"
