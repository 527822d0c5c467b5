#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A device that is not to be trusted: no crash, no page used early, no page lost, and a word in the log.
#
# The device is a test double inside the guest, see double/balloon_double.c; it also sees what QEMU never
# looks at, so what the specification says of the order of things is tested here.
# shellcheck disable=SC2317  # subtests are called by their names
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/lib.sh"
. "$top/selftests/lib.sh"
. "$top/selftests/balloon/guest.lib.sh"

MIB=512
PARAMETERS=/sys/module/balloon_double/parameters
# Bits: 0 MUST_TELL_HOST, 1 STATS_VQ, 2 DEFLATE_ON_OOM, 4 PAGE_POISON, 5 REPORTING
TELL=1 STATS=2 REPORT=32 POISON=16

seen()
{
	ask get "$PARAMETERS/$1" && value=$answer
}

seen_is()
{
	seen "$1" && [ "$value" = "$2" ]
}

seen_at_least()
{
	seen "$1" && [ "$value" -ge "$2" ]
}

tell()
{
	must ask set "$PARAMETERS/$1" "$2"
}

# double FEATURES [PARAMETERS]: a device with those, bound.
double()
{
	ask rmmod balloon_double	# one that failed left its own
	must ask insmod balloon_double "features=$1 ${*:2}" && until_true bound
}

# Of all that the device has seen, nothing was used early, given twice or stored in pieces.
witness()
{
	local what bad=0

	for what in early bad torn poison_late; do
		seen $what && expect [ "$value" = 0 ] || { note "$what: $value"; bad=1; }
	done
	seen check && note "$value"
	return $bad
}

gone()
{
	must ask rmmod balloon_double && whole
}

cycle_of()
{
	double "$@" && tell num_pages 50000 && until_true seen_is actual 50000 || return 1
	seen inflated && note "inflated $value" && seen reported && note "reported $value"
	tell num_pages 1000 && until_true seen_is actual 1000 && tell num_pages 30000 &&
		until_true seen_is actual 30000 && must ask touch 200 && witness || return 1
}

# C8, C10-C12: every page announced before it is used again.
deflate_is_announced()
{
	cycle_of $((TELL | STATS)) || return 1
	seen check && expect [ "$value" = 'given=30000 gone=0' ] || return 1
	tell num_pages 0 && until_true seen_is actual 0 && seen check && expect [ "$value" = 'given=0 gone=0' ] &&
		witness && gone
}

reports_are_not_used_early()
{
	cycle_of $((TELL | STATS | REPORT)) && tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# C13: a device of the time before 1.0.
legacy_device()
{
	cycle_of $((TELL | STATS)) legacy=1 && tell num_pages 0 && until_true seen_is actual 0 && witness && gone
}

# C14, C15: one buffer of statistics after probing, and no more unasked.
one_stats_buffer()
{
	double $STATS && until_true seen_at_least stats_seen 1 && tell num_pages 1000 && until_true seen_is actual 1000 &&
		seen stats_seen && expect [ "$value" = 1 ] && gone
}

# All memory there could be, and more than that.
absurd_sizes()
{
	local n

	double $((TELL | REPORT)) && tell num_pages 4294967295 && until_true seen_at_least actual 10000 &&
		until_settled seen actual || return 1
	note "at most: $last pages"
	must ask touch 20 || return 1
	for n in 0 4294967295 2147483648 1 4294967294 0; do
		tell num_pages $n || return 1
	done
	until_true seen_is actual 0 && witness && gone
}

# never_acks FEATURES: what waits is the device's; the rest of the guest goes on; removal is not held up.
never_acks()
{
	double "$1" ack=1 && tell num_pages 50000 && until_true seen_at_least held 1 || return 1
	must ask touch 100 && tell num_pages 0 && tell num_pages 40000 && must ask touch 50 && witness && gone
}

never_acks_inflate()
{
	never_acks $TELL
}

never_acks_report()
{
	never_acks $((TELL | REPORT))
}

# In the middle it falls silent, and then speaks again.
acks_late()
{
	double $((TELL | STATS)) && tell num_pages 20000 && until_true seen_is actual 20000 && tell ack 1 &&
		tell num_pages 0 && until_true seen_at_least held 1 && must ask touch 100 || return 1
	seen check && note "$value" && expect [ "${value##*gone=}" = 0 ] && tell ack 0 && until_true seen_is actual 0 &&
		witness && gone
}

removed_while_silent()
{
	double $((TELL | STATS)) && tell num_pages 20000 && until_true seen_is actual 20000 && tell ack 1 &&
		tell num_pages 0 && until_true seen_at_least held 1 && gone
}

unloaded_while_silent()
{
	double $((TELL | STATS)) ack=1 && tell num_pages 20000 && until_true seen_at_least held 1 && unload && whole &&
		must ask insmod "$(driver_module)" && tell num_pages 0 && gone
}

# misacks KIND: twice, or for a buffer nobody gave; the ring is broken then, and what it held is lost to it.
misacks()
{
	double $((TELL | REPORT)) && tell num_pages 1000 && until_true seen_is actual 1000 && tell ack "$1" &&
		tell num_pages 50000 && must ask touch 50 && tell num_pages 0 && must ask touch 50 && gone
}

acks_twice()
{
	misacks 2
}

acks_what_nobody_gave()
{
	misacks 3
}

# After all that a sane device still works.
sane_again()
{
	double $((TELL | STATS | REPORT)) && tell num_pages 50000 && until_true seen_is actual 50000 &&
		tell num_pages 0 && until_true seen_is actual 0 && witness && gone && unload && whole
}

log_says_why()
{
	ask sh "dmesg | grep -i -c -E '(balloon|virtio).*(ack|not a head|out of range|broken|device)'" &&
		note "lines about it: $answer"
}

# The double's broken rings make the virtio core complain with dev_err, which is no trouble of the kernel.
console_is_clean()
{
	console_clean
}

subtests=(deflate_is_announced reports_are_not_used_early legacy_device one_stats_buffer)
# In-tree waits for ever in removal when the device is silent.
[ -z "$ours" ] || subtests+=(absurd_sizes never_acks_inflate never_acks_report acks_late removed_while_silent
	unloaded_while_silent acks_twice acks_what_nobody_gave log_says_why)
subtests+=(sane_again console_is_clean)
[ $# = 0 ] || subtests=("$@")
boot hostile $MIB 2 '' || { echo 'Bail out! the guest does not boot'; exit 1; }
must ask insmod "$(driver_module)" && keep_books || { echo 'Bail out! the driver does not load'; exit 1; }
run_subtests "${subtests[@]}"
