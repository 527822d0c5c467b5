// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration: what is taken goes where it should, and what a VM's own file may say. What is
 * refused, and in which words, test-daemon.sh sees.
 */
#include <stdlib.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/given.h"
#include "tests/tap.h"

static struct err e;

static int parse(struct conf *c, const char *text, bool vm)
{
	conf_default(c);
	e.text[0] = '\0';
	return conf_parse(c, "f", text, strlen(text), vm, &e);
}

static bool defaults_are_documented(void)
{
	struct conf c;

	EXPECT(!parse(&c, "", false), "%s", e.text);
	EXPECT(c.high.percent == 6 && c.soft.percent == 4 && c.hard.percent == 2 &&
	       c.low.percent == 1 && c.idle_tax_percent == 75 && c.vm.min.percent == 25 &&
	       c.record_s == 10 && !c.vm.paging && c.vm.balloon &&
	       c.vm.emergency == EMERGENCY_NONE, "changed");
	return true;
}

static bool values_are_taken(void)
{
	struct conf c;

	EXPECT(!parse(&c, "# why\n[host]\nhigh = 2GiB\nsoft=3%\n\n[policy]\nstep_percent = 50\n"
		      "[vm]\nmin = 1.5GiB\nmax = 80%\nshares = 10000\nballoon = no\n"
		      "emergency = pause\nqmp = /run/x,y\npaging = yes ; at night\n", false), "%s",
	       e.text);
	EXPECT(c.high.bytes == 2ull << 30 && !c.high.percent && c.soft.percent == 3 &&
	       c.step_percent == 50, "host");
	EXPECT(amount_of(&c.vm.min, 0) == 3ull << 29 && amount_of(&c.vm.max, 1000) == 800 &&
	       c.vm.shares == 10000 && !c.vm.balloon && c.vm.emergency == EMERGENCY_PAUSE &&
	       c.vm.paging && !strcmp(c.vm.qmp, "/run/x,y"), "vm");
	return true;
}

static bool libvirt_is_this_hosts(void)
{
	static const char socket[] = "/23456789/23456789/23456789/23456789/23456789/23456789"
				     "/23456789/23456789/23456789/23456789/23456789/2345678";
	char text[256], want[CONF_URI_MAX];
	struct conf c;

	EXPECT(!parse(&c, "", false) && !strcmp(c.libvirt_uri, "qemu:///system"), "%s",
	       c.libvirt_uri);
	EXPECT(sizeof(socket) == CONF_PATH_MAX, "%zu", sizeof(socket));
	snprintf(want, sizeof(want), "qemu:///session?socket=%s", socket);
	snprintf(text, sizeof(text), "[host]\nlibvirt_uri = %s\n", want);
	EXPECT(!parse(&c, text, false) && !strcmp(c.libvirt_uri, want), "%s", e.text);
	snprintf(text, sizeof(text), "[host]\nlibvirt_uri = %sx\n", want);
	EXPECT(parse(&c, text, false) == EX_BAD_INPUT && strstr(e.text, "at most 107"), "%s",
	       e.text);
	return true;
}

static bool a_vm_speaks_for_itself_only(void)
{
	struct conf c;

	EXPECT(!parse(&c, "[vm]\nshares = 7\n", true) && c.vm.shares == 7, "%s", e.text);
	EXPECT(parse(&c, "[vm]\nshares = 7\n[host]\nhigh = 6%\n", true) == EX_BAD_INPUT &&
	       strstr(e.text, "f:4: ") && strstr(e.text, "VM's own file"), "%s", e.text);
	return true;
}

static bool users_are_known(void)
{
	static const char * const bad[] = { "", "a b", "web:x", "../x", "4294967295" };
	char text[128];
	struct conf c;
	uid_t uid = 1;

	EXPECT(!parse(&c, "[vm]\nuser = libvirt-qemu\n", true) &&
	       !strcmp(c.vm.user, "libvirt-qemu"), "%s", e.text);
	EXPECT(parse(&c, "[vm]\nuser = 107\n", false) == EX_BAD_INPUT &&
	       strstr(e.text, "f:2: user: want it in a VM's own file"), "%s", e.text);
	EXPECT(!conf_user_id("", "root", &uid, &e) && !uid, "root is %u", uid);
	EXPECT(!conf_user_id("/nonexistent", "107", &uid, &e) && uid == 107, "%u", uid);
	EXPECT(conf_user_id("/nonexistent", "root", &uid, &e) && strstr(e.text, "\"root\""), "%s",
	       e.text);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "[vm]\nuser = %s\n", bad[i]);
		EXPECT(parse(&c, text, true) || conf_user_id("", c.vm.user, &uid, &e), "\"%s\"",
		       bad[i]);
	}
	return true;
}

static bool names_stay_in_their_directory(void)
{
	struct vm_conf vm;
	struct conf c;

	conf_default(&c);
	EXPECT(conf_read_vm("/nonexistent", &c, "../passwd", &vm, &e) == EX_BAD_INPUT, "taken");
	EXPECT(!conf_read_vm("/nonexistent", &c, "web-1", &vm, &e) && vm.shares == 100, "%s",
	       e.text);
	return true;
}

static bool long_lines_are_refused(void)
{
	char text[256];
	struct conf c;

	snprintf(text, sizeof(text), "[vm]\n%200s\n", "# a comment that inih would cut in two");
	EXPECT(parse(&c, text, false) == EX_BAD_INPUT && strstr(e.text, "line 2: longer"), "%s",
	       e.text);
	return true;
}

static bool records_survive(void)
{
	static const char * const rubbish[] = {
		"1 2 3 4 5 6\n", "1 2 3 4 1\n", "1 2 3 4 0 0 0\n", "host high\n", "host high up\n",
		"host high soft 1\n",
	};
	struct given list[] = { { 1, 100, 0, 5, 0, 1 },
				{ 4194304, UINT64_MAX, UINT64_MAX, 0, 1, 0 } };
	const struct given_host host = { HOST_LOW, HOST_SOFT };
	char root[] = "/tmp/test-conf.XXXXXX", path[128];
	struct given back[2] = { 0 };
	struct given_host seen = host;

	EXPECT(mkdtemp(root), "mkdtemp");
	snprintf(path, sizeof(path), "mkdir -p %s/run/pagefold", root);
	EXPECT(!system(path), "mkdir");
	EXPECT(!given_read(root, &seen, back, 2, &e) && !*e.text && seen.by_free == HOST_HIGH,
	       "%s", e.text);
	EXPECT(!given_write(root, &host, list, 2, &e), "%s", e.text);
	EXPECT(given_read(root, &seen, back, 2, &e) == 2, "%s", e.text);
	EXPECT(seen.by_free == HOST_LOW && seen.by_psi == HOST_SOFT, "host %d %d", seen.by_free,
	       seen.by_psi);
	for (int i = 0; i < 2; i++)
		EXPECT(back[i].pid == list[i].pid && back[i].start == list[i].start &&
		       back[i].last == list[i].last && back[i].next == list[i].next &&
		       back[i].paused == list[i].paused &&
		       back[i].untrusted == list[i].untrusted, "line %d", i + 1);
	EXPECT(given_read(root, &seen, back, 1, &e) == 1, "more than there is room for");
	for (size_t i = 0; i < ARRAY_SIZE(rubbish); i++) {
		EXPECT(!file_replace(root, GIVEN_PATH, rubbish[i], strlen(rubbish[i]), &e), "%s",
		       e.text);
		EXPECT(!given_read(root, &seen, back, 2, &e) && strstr(e.text, ":1: want \"host\""),
		       "row %zu: %s", i, e.text);
	}
	snprintf(path, sizeof(path), "rm -r %s", root);
	EXPECT(!system(path), "rm");
	EXPECT(file_replace(root, GIVEN_PATH, "", 0, &e) == EX_REFUSED && *e.text, "written");
	return true;
}

static bool hands_are_told_apart(void)
{
	const struct given g = { .last = 10, .next = 20 };

	EXPECT(!given_hand(&g, 10) && !given_hand(&g, 20) && !given_hand(&g, 0), "ours");
	EXPECT(given_hand(&g, 11) == 11, "the operator's");
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "defaults are as documented", defaults_are_documented },
		{ "values are taken", values_are_taken },
		{ "libvirt's address is this host's", libvirt_is_this_hosts },
		{ "a VM's file speaks of the VM only", a_vm_speaks_for_itself_only },
		{ "a VM's file is for a user", users_are_known },
		{ "names stay in their directory", names_stay_in_their_directory },
		{ "lines that inih would cut are refused", long_lines_are_refused },
		{ "the record of targets survives, or is refused whole", records_survive },
		{ "an operator's target is told from ours", hands_are_told_apart },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
