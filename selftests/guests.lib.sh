# SPDX-License-Identifier: GPL-2.0-only
# Real KVM guests, for the tests that fold them. Sourced after lib.sh.
# shellcheck shell=bash

[ -c /dev/kvm ] || skip_all 'no KVM in this host'

# start_guests NAME:WORK:SEED… side by side, because most of it is waiting for them to boot; but one after
# the other on shadow page tables, where under TCG several that boot at once may never get ready.
start_guests()
{
	local spec name work seed pid bad=0 pids=()

	for spec; do
		IFS=: read -r name work seed <<<"$spec"
		pf-guest start "$name" --memory 128M --work "$work" --work-mb 40 --seed "$seed" &
		pids+=($!)
		[ "${PF_NPT:-1}" = 1 ] || wait $! || bad=1
	done
	for pid in "${pids[@]}"; do
		[ "${PF_NPT:-1}" = 0 ] || wait "$pid" || bad=1
	done
	return $bad
}

register_guests()
{
	local name

	for name; do
		pf_set register "$(pf-guest pid "$name") name=$name" || return 1
	done
}

verify_guests()
{
	local name answer bad=0

	for name; do
		answer=$(pf-guest verify "$name" 2>&1) || bad=1
		note "$answer"
	done
	return $bad
}

pids_of()
{
	local name

	for name; do
		pf-guest pid "$name"
	done
}

saved_pages()
{
	echo $(($(pf_get folded_pages) - $(pf_get frames) + $(pf_get zero_pages)))
}
