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
# What the daemon ends with over a bad configuration is what systemd does not start it again for.
root=$dest/etc/root
mkdir -p "$root/proc" "$root/etc/pagefold"
printf 'MemTotal: 4194304 kB\nMemAvailable: 4194304 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n' >"$root/proc/meminfo"
echo rubbish >"$root/etc/pagefold/pagefoldd.conf"
"$dest/usr/sbin/pagefoldd" --sysroot "$root" --dry-run --once 2>"$root/said"
status=$?
grep -q 'pagefoldd.conf:1: ' "$root/said" &&
	grep -q -x "RestartPreventExitStatus=$status" "$dest/usr/lib/systemd/system/pagefoldd.service"
ok $? "a bad configuration, exit $status, is not tried again"
rm -r "$root"
# It ends well over a key that it does not know, but says so.
if command -v systemd-analyze >/dev/null; then
	mkdir "$dest/etc/unit"
	sed "s,^ExecStart=,&$dest," "$dest/usr/lib/systemd/system/pagefoldd.service" >"$dest/etc/unit/pagefoldd.service"
	said=$(systemd-analyze verify --man=no "$dest/etc/unit/pagefoldd.service" 2>&1)
	ok $? 'systemd takes the unit'
	[ -z "$said" ]
	ok $? "and finds nothing wrong with it${said:+, but: $said}"
	rm -r "$dest/etc/unit"
else
	ok 0 'systemd takes the unit # SKIP'
fi
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

# The whole project: the tools again, and the modules as a package of DKMS, from the top.
top=$here/..
run_top()
{
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$top" INSTALL_OUT="$out" DESTDIR="$dest" "$@" \
		>"$dest.log" 2>&1 || { sed 's/^/# /' "$dest.log"; return 1; }
	rm -f "$dest.log"
}
version=$("$out/pagefoldctl" --version | sed 's/.* //')
source=usr/src/pagefold-$version
rm -rf "${dest:?}"/*
run_top install
ok $? 'install of the whole project'
for file in usr/sbin/pagefoldctl usr/sbin/pagefoldd usr/lib/systemd/system/pagefoldd.service \
	usr/lib/udev/rules.d/70-pagefold.rules usr/lib/modprobe.d/pagefold_balloon.conf \
	usr/share/bash-completion/completions/pagefoldctl usr/share/man/man4/pagefold_balloon.4 \
	usr/share/man/man5/pagefold-record.5 usr/share/man/man5/pagefoldd.conf.5 usr/share/man/man8/pagefoldctl.8 \
	usr/share/man/man8/pagefoldd.8 usr/share/doc/pagefold/README.md usr/share/doc/pagefold/sysfs-kernel-pagefold \
	etc/pagefold/register.conf etc/pagefold/pagefoldd.conf $source/dkms.conf $source/Kbuild $source/COPYING; do
	[ -s "$dest/$file" ] && [ "$(stat -c %a "$dest/$file")" = "$(case $file in */sbin/*) echo 755 ;; *) echo 644 ;; esac)" ]
	ok $? "$file is there"
done
# Every object that a Kbuild lists has its source, and every header that is included is there.
missing=$(cd "$dest/$source" && for room in module virtio-balloon-guest; do
	grep -o '[a-z_]*\.o' $room/Kbuild | grep -v -e '^pagefold\.o' -e '^pagefold_balloon\.o' | while read -r object; do
		[ -e "$room/${object%.o}.c" ] || echo "$room/$object"
	done
	grep -h -o '^#include "[^"]*"' -r $room | sort -u | cut -d '"' -f 2 | while read -r header; do
		[ -n "$(find $room -path "*/${header#../}" -print -quit)" ] || [ -e "$room/$header" ] ||
			echo "$room: $header"
	done
done)
[ -z "$missing" ] && [ -s "$dest/$source/module/compat/probe.mk" ]
ok $? "the source for DKMS is whole${missing:+, but: $missing}"
(
	# shellcheck disable=SC2034  # what DKMS sets
	dkms_tree=/d kernel_source_dir=/k
	. "$dest/$source/dkms.conf"
	[ "$PACKAGE_NAME-$PACKAGE_VERSION" = "pagefold-$version" ] &&
		[ "${MAKE[0]}" = "make -C /k M=/d/pagefold/$version/build modules" ] &&
		for i in 0 1; do
			grep -q "^obj-m := ${BUILT_MODULE_NAME[i]}\.o" "$dest/$source/${BUILT_MODULE_LOCATION[i]}/Kbuild" ||
				exit 1
		done
)
ok $? 'dkms.conf names what Kbuild makes'
[ -z "$(cd "$dest/$source" && find . -path '*/tests/*' -o -name '*.o')" ]
ok $? 'and nothing else is in it'
echo 'domain = mine' >"$dest/etc/pagefold/register.conf"
run_top uninstall && [ -z "$(list)" ] && grep -q mine "$dest/etc/pagefold/register.conf"
ok $? "uninstall takes it away again$(list | tr '\n' ' ')"
rm -rf "${dest:?}"/*
run_top install PREFIX=/opt/pf SYSCONFDIR=/opt/etc && [ -s "$dest/opt/pf/src/pagefold-$version/dkms.conf" ] &&
	[ -s "$dest/opt/etc/pagefold/pagefoldd.conf" ] && [ ! -e "$dest/usr/sbin" ] &&
	grep -q '^ExecStart=/opt/pf/sbin/pagefoldd' "$dest/opt/pf/lib/systemd/system/pagefoldd.service"
ok $? 'PREFIX and SYSCONFDIR are followed'

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
