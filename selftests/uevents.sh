#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests register themselves: KVM's uevent, udev and its rule, pagefoldctl uevent.
# shellcheck disable=SC2317  # subtests are called by their names
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/guests.lib.sh"

registered()
{
	[ -d "$PF_SYS/vms/$1" ]
}

not_registered()
{
	[ ! -d "$PF_SYS/vms/$1" ]
}

start()
{
	pf_load && "$PF_CTL/udev/start"
}

# A guest comes with its name, and goes with its process.
guest()
{
	local pid bad=0

	start_guests u1:idle:1 || return 1
	pid=$(pf-guest pid u1)
	until_true registered "$pid" && expect equals "vms/$pid/name" u1 &&
		expect equals "vms/$pid/domain" default || bad=1
	pf-guest stop u1 || bad=1
	until_true not_registered "$pid" && return $bad
}

# A process that lives on without its VM is none any more.
destroyed()
{
	local said bad=0 pid

	coproc "$here/kvm_vm"
	pid=$COPROC_PID
	read -r -t 60 said <&"${COPROC[0]}" && expect [ "$said" = made ] && until_true registered "$pid" || bad=1
	echo >&"${COPROC[1]}"
	read -r -t 60 said <&"${COPROC[0]}" && expect [ "$said" = gone ] && until_true not_registered "$pid" || bad=1
	expect kill -0 "$pid" || bad=1
	echo >&"${COPROC[1]}"
	wait "$pid" || bad=1
	return $bad
}

# Nobody is told to register where the module is not.
unloaded()
{
	pf_unload && start_guests u2:idle:2 && verify_guests u2 && pf-guest stop u2 && expect [ ! -d "$PF_SYS" ]
}

run_subtests start guest destroyed unloaded
finish
