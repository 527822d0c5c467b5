#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What pagefoldctl prints over made-up hosts, against what was read by a person once.
#
# usage: test-golden.sh PAGEFOLDCTL [--update]
# A host is golden/NAME.tree, lines of a path and a value in which | stands for a new line; what begins
# with -> is a link. --update writes what is printed now; look at the difference before it is believed.
set -u
export LC_ALL=C TZ=UTC
here=$(cd "$(dirname "$0")" && pwd)
golden=$here/golden
ctl=${1:?usage: test-golden.sh PAGEFOLDCTL [--update]}
update=${2-}
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
number=0 bad=0

# plant NAME: make its tree below $root.
plant()
{
	local path value

	rm -rf "${root:?}"/*
	while read -r path value; do
		[ "${path:0:1}" = / ] || continue
		mkdir -p "$root${path%/*}"
		[[ $value != '-> '* ]] || { ln -s "${value#-> }" "$root$path"; continue; }
		printf '%s\n' "$value" | tr '|' '\n' >"$root$path"
	done <"$golden/$1.tree"
}

ok()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		bad=1
		echo "not ok $number $2"
	fi
}

# same NAME EXIT-CODE ARGUMENTS…: what is printed is golden/NAME. The tree's own place is /.
same()
{
	local file=$golden/$1 code=$2 status

	shift 2
	"$ctl" --sysroot "$root" "$@" >"$root/out" 2>&1 </dev/null
	status=$?
	sed "s,$root,,g" "$root/out" >"$root/printed"
	[ "$update" != --update ] || cp "$root/printed" "$file"
	diff -u "$file" "$root/printed" | sed 's/^/# /'
	cmp -s "$file" "$root/printed" && [ "$status" = "$code" ]
	ok $? "${file##*/}, exit $status"
}

echo 'KTAP version 1'
for host in two old none; do
	code=5
	[ $host != two ] || code=0
	plant "$host"
	same "$host.status" 0
	same "$host.status.json" 0 status --json
	same "$host.metrics" 0 metrics
	same "$host.doctor" $code doctor
	same "$host.doctor.json" $code doctor --json
done
# Nobody has counted the RAM of a VM that was not looked through yet.
plant old
echo 0 >"$root/sys/kernel/pagefold/vms/99/passes"
same new.status 0
plant two
same two.metrics.json 0 metrics --json
same two.plan 0 plan --size 1G --guests 4
same two.plan-overcommit 0 plan --size 1G --overcommit 2.5
same two.plan.json 0 plan --size 1G --json
same two.plan-full 0 plan --size 1G --reserve 6.8G
same two.run.json 0 run --json
plant idle
same idle.plan 0 plan --size 1G --guests 4
plant none
same none.plan 0 plan --size 1G
same none.plan-no-size 2 plan --json
same record.html 0 report --record "$golden/record.jsonl"
rm -r "${root:?}/sys"
same gone.status 3 status
same gone.doctor 5 doctor
same help 0 --help

for host in two old none; do
	awk -f "$here/openmetrics.awk" "$golden/$host.metrics" | sed 's/^/# /'
	ok "${PIPESTATUS[0]}" "$host.metrics is OpenMetrics"
done
# What validates must be able to say no. Single quotes keep sed's $ and \\.
# shellcheck disable=SC2016,SC1003
for spoil in '/# EOF/d' '$a # EOF' '2i\\' 's/_total{/{/' 's/vm="/vm=/' \
	'/cpu_seconds_total/s/ 1/ -1/' \
	'/^# TYPE pagefold_run/d' 's/UNIT pagefold_saved_bytes bytes/UNIT pagefold_saved_bytes pages/' \
	'/^pagefold_vm_share/p' 's/pid="812",/&pid="812",/' 's/^pagefold_run .*/& x/'; do
	sed "$spoil" "$golden/two.metrics" | awk -f "$here/openmetrics.awk" >/dev/null
	[ "${PIPESTATUS[1]}" = 1 ]
	ok $? "spoilt by $spoil it is not"
done
echo "1..$number"
exit $bad
