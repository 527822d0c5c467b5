#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boot guests from one image in the virtual host and keep what their memory holds, for fold.c.
set -u

works=(idle idle cache)
pids=()
for i in "${!works[@]}"; do
	pf-guest start "g$i" --memory 96M --work "${works[i]}" --work-mb 24 --seed "$i" || exit 1
	pids+=("$(pf-guest pid "g$i")")
done
kill -STOP "${pids[@]}"
for i in "${!pids[@]}"; do
	/files/guest-dump "${pids[i]}" >"/files/guest-$i.new" || exit 1
	mv "/files/guest-$i.new" "/files/guest-$i"
done
