#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# make install puts everything where PREFIX says and make uninstall takes it away, but for what is
# the operator's, in /etc; man pages are without a mistake.
#
# usage: test-install.sh OUT
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:?usage: test-install.sh OUT}
dest=$(mktemp -d) || exit 1
trap 'rm -rf "$dest"' EXIT
number=0 bad=0

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

# Without what the make that called us says of its own job server and goals.
run_make()
{
	local status

	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$here" OUT="$out" DESTDIR="$dest" "$@" \
		>"$dest.log" 2>&1
	status=$?

	[ $status = 0 ] || sed 's/^/# /' "$dest.log"
	rm -f "$dest.log"
	return $status
}

# What is left that is not the operator's.
list()
{
	(cd "$dest" && find . -type f -not -path './etc/*' | sort)
}

echo 'KTAP version 1'
run_make install
ok $? 'install'
for file in usr/sbin/pagefoldctl usr/lib/udev/rules.d/70-pagefold.rules \
	usr/share/man/man8/pagefoldctl.8 usr/share/man/man5/pagefold-record.5 \
	usr/share/bash-completion/completions/pagefoldctl etc/pagefold/register.conf; do
	[ -s "$dest/$file" ]
	ok $? "$file is there"
done
"$dest/usr/sbin/pagefoldctl" --version | grep -q '^pagefoldctl [0-9]'
ok $? 'the program runs'
grep -q '"/usr/sbin/pagefoldctl uevent"' "$dest/usr/lib/udev/rules.d/70-pagefold.rules"
ok $? 'the rule names it'
echo 'domain = mine' >"$dest/etc/pagefold/register.conf"
run_make install && grep -q mine "$dest/etc/pagefold/register.conf"
ok $? 'installing anew leaves the configuration as it is'
run_make uninstall && [ -z "$(list)" ] && grep -q mine "$dest/etc/pagefold/register.conf"
ok $? "uninstall leaves the configuration alone$(list | tr '\n' ' ')"
rm -rf "${dest:?}"/*
run_make install PREFIX=/usr/local &&
	grep -q '"/usr/local/sbin/pagefoldctl uevent"' "$dest/usr/local/lib/udev/rules.d/70-pagefold.rules" &&
	[ ! -e "$dest/usr/sbin" ]
ok $? 'PREFIX is followed, by the rule too'
run_make uninstall PREFIX=/usr/local && [ -z "$(list)" ]
ok $? 'and by uninstall'

for page in "$here"/man/*.[1-8]; do
	said=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
	[ -z "$said" ] || echo "# $said"
	[ -z "$said" ]
	ok $? "${page##*/} has no mistake"
done
# Every verb and option is in the page, as the program says them.
missing=$("$out/pagefoldctl" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | while read -r verb; do
	grep -A 1 -F .TP "$here/man/pagefoldctl.8" | grep -q -E "^\.(B|BI|BR) +\"? *$verb\b" ||
		echo "$verb"
done)
[ -z "$missing" ]
ok $? "every verb is in the man page${missing:+, but: $missing}"
missing=$("$out/pagefoldctl" --help | grep -o -E -- '--[a-z]+' | sort -u | while read -r option; do
	grep -q -F -- "\\-\\-${option#--}" "$here/man/pagefoldctl.8" || echo "$option"
done)
[ -z "$missing" ]
ok $? "every option is in the man page${missing:+, but: $missing}"
echo "1..$number"
exit $bad
