#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs selftests inside the virtual host, one after the other, and says how each went.
#
# usage: run_tests.sh NAME:LIMIT…
# Around a test's own output stand the lines "@begin NAME" and "@end NAME STATUS SECONDS"; scripts/check
# reads those. What the kernel says during a test belongs to its verdict: a complaint fails it, and an
# oops, after which nothing can be trusted, ends the run.
set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
trouble=${PF_TROUBLE:-/host/trouble}
fatal='Oops|BUG: |Kernel panic|Bad page state|bad page'

# What the kernel said since the mark of this test.
said()
{
	dmesg | sed "1,/selftest: begin $1\$/d"
}

complaints()
{
	said "$1" | grep -a -E -f "$trouble" | head -n 20
}

# What a test that died or hung leaves behind must not spoil the next one. Fails if the module stays.
clean_up()
{
	local guest status=0

	pf-guest list 2>/dev/null | while read -r guest _; do
		pf-guest kill "$guest"
	done
	[ ! -d /sys/module/pagefold ] || timeout 120 rmmod pagefold || status=1
	[ ! -w /sys/kernel/mm/ksm/run ] || echo 2 >/sys/kernel/mm/ksm/run
	echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
	return $status
}

run_one()
{
	local name=$1 limit=$2 program=$here/$1 status began=$SECONDS lines

	[ -e "$program.sh" ] && program=$program.sh
	echo "@begin $name"
	# As after each test: Debian boots with always.
	echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
	echo "selftest: begin $name" >/dev/kmsg
	if [ -x "$program" ]; then
		timeout -k 10 "$limit" "$program" </dev/null 2>&1
		status=$?
	else
		echo "# no test '$name'"
		status=1
	fi
	case $status in
	0 | 1 | 4)	;;
	124 | 137)	echo "# hangs: not done within $limit s"
			echo w >/proc/sysrq-trigger
			said "$name" | tail -n 60 | sed 's/^/# /'
			status=1 ;;
	*)		echo "# died with status $status"; status=1 ;;
	esac
	clean_up || { echo '# the module cannot be unloaded'; status=1; }
	lines=$(complaints "$name")
	if [ -n "$lines" ]; then
		said "$name" | tail -n 80 | sed 's/^/# dmesg: /'
		echo "# the kernel complained during $name"
		status=1
	fi
	echo "@end $name $status $((SECONDS - began))"
	if grep -q -E "$fatal" <<<"$lines"; then
		echo "@abort $name"
		return 1
	fi
}

for spec; do
	run_one "${spec%:*}" "${spec#*:}" || exit 1
done
exit 0
