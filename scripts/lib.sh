# SPDX-License-Identifier: GPL-2.0-only
# What every script of the bench shares: where things are, how to speak, how to lock.
#
# Sourced by bash scripts, never run. All that is fetched or built lives under build/, so that a clean
# clone plus one command is always enough, and `make clean` always brings back the clean clone.
# shellcheck shell=bash
# shellcheck disable=SC2034  # used by the scripts that source this

set -u
umask 022
export LC_ALL=C

# scripts/lib.sh is one directory below the top
PF_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PF_BUILD=$PF_TOP/build
PF_LOG=$PF_BUILD/log
PF_KERNELS='6.1 6.12 7'
: "${PF_T0:=${EPOCHREALTIME/.}}"
export PF_T0

# Progress, with the time since the command that the user typed was started.
say()
{
	local us=$((${EPOCHREALTIME/.} - PF_T0))

	printf '[%4d.%ds] %s\n' $((us / 1000000)) $((us / 100000 % 10)) "$*" >&2
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

is_kernel()
{
	[[ " $PF_KERNELS " == *" $1 "* ]] ||
		die "kernel '$1' is not one of: $PF_KERNELS"
}

# Hold the lock NAME until this shell ends: two runs must never fetch or build the same thing at once.
# Children must not inherit it (a daemon would keep it): they are started with ${PF_LOCK}>&- where that matters.
lock()
{
	mkdir -p "$PF_BUILD/lock"
	exec {PF_LOCK}>"$PF_BUILD/lock/$1"
	flock -n "$PF_LOCK" && return
	say "waiting for another run to finish with '$1'"
	flock "$PF_LOCK"
}

unlock()
{
	exec {PF_LOCK}>&-
}

# Run a noisy command into a log of its own; show the end of the log only when it fails.
quietly()
{
	local log=$PF_LOG/$1

	shift
	mkdir -p "${log%/*}"
	"$@" >"$log" 2>&1 && return
	local rc=$?
	tail -n 20 "$log" >&2
	die "'$1' failed with status $rc, all of its output is in $log"
}
