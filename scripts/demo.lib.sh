# SPDX-License-Identifier: GPL-2.0-only
# How the parts of the demo in the virtual host speak, and draw. Sourced by them.
#
# Lines that begin with == are progress for scripts/demo, one that begins with "failed: " is why this ended. The
# first argument of each part is 1 when a picture may be drawn over the one before.
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by those who source this

redraw=${1:-0}
every=5		# seconds between pictures: less often where each stays in a log
[ "$redraw" = 1 ] && every=1
drawn=0

tell()
{
	drawn=0
	echo "== $*"
}

fail()
{
	echo "failed: $*"
	exit 1
}

mib()
{
	awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1048576 }'
}

draw()
{
	if [ "$redraw" = 1 ]; then
		[ "$drawn" = 0 ] || printf '\033[%dA\033[J' "$drawn"
		drawn=$(wc -l <<<"$1")
	fi
	printf '%s\n' "$1"
}
