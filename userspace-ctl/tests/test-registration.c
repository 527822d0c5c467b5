// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar of a registration, and the text of its errors.
 */
#include <errno.h>
#include <stdlib.h>

#include "registration.h"
#include "tap.h"

static bool numbers(void)
{
	static const struct {
		const char *text;
		unsigned long long min, max;
		int rc;
		unsigned long long value;
	} table[] = {
		{ "0", 0, 9, 0, 0 },
		{ "9", 0, 9, 0, 9 },
		{ "10", 0, 9, -ERANGE, 0 },
		{ "0", 1, 9, -ERANGE, 0 },
		{ "007", 0, 9, 0, 7 },
		{ "18446744073709551615", 0, ~0ULL, 0, ~0ULL },
		{ "18446744073709551616", 0, ~0ULL, -ERANGE, 0 },
		{ "99999999999999999999999999", 0, ~0ULL, -ERANGE, 0 },
		{ "36893488147419103233", 0, 9, -ERANGE, 0 },	/* 2^65 + 1 */
		{ "", 0, 9, -EINVAL, 0 },
		{ "-1", 0, 9, -EINVAL, 0 },
		{ "+1", 0, 9, -EINVAL, 0 },
		{ " 1", 0, 9, -EINVAL, 0 },
		{ "1 ", 0, 9, -EINVAL, 0 },
		{ "1\n", 0, 9, -EINVAL, 0 },
		{ "0x1", 0, 9, -EINVAL, 0 },
		{ "1.0", 0, 9, -EINVAL, 0 },
		{ "\xd9\xa1", 0, 9, -EINVAL, 0 },		/* a digit, but not an ASCII one */
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		unsigned long long value = 0;
		int rc = parse_number(table[i].text, table[i].min, table[i].max, &value);

		EXPECT(rc == table[i].rc, "row %zu returned %d", i, rc);
		EXPECT(value == table[i].value, "row %zu read %llu", i, value);
	}
	return true;
}

static bool pids(void)
{
	static const char * const wrong[] = {
		"", "0", "-1", "4194305", "4294967297", "1x", "self",
	};
	struct err e;
	int pid;

	EXPECT(!parse_pid("4194304", &pid, &e) && pid == 4194304, "pid %d", pid);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT(parse_pid(wrong[i], &pid, &e) == EX_BAD_INPUT, "row %zu", i);
		EXPECT(strstr(e.text, QUOTE(wrong[i])) && strstr(e.text, "4194304"),
		       "value and range should be in: %s", e.text);
	}
	return true;
}

static bool names(void)
{
	static const struct {
		const char *text;
		bool valid;
		const char *sanitized;
	} table[] = {
		{ "a", true, "a" },
		{ "vm-1.example:B_2", true, "vm-1.example:B_2" },
		{ "", false, "" },
		{ "a b", false, "a-b" },
		{ "a=b", false, "a-b" },
		{ "../x", false, "..-x" },
		{ "a\n", false, "a-" },
		{ "\xc3\xa4", false, "--" },
		{ "123456789012345678901234567890123456789012345678901234567890123", true,
		  "123456789012345678901234567890123456789012345678901234567890123" },
		{ "1234567890123456789012345678901234567890123456789012345678901234", false,
		  "123456789012345678901234567890123456789012345678901234567890123" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char name[PF_NAME_MAX + 1];

		EXPECT(name_is_valid(table[i].text) == table[i].valid, "row %zu", i);
		name_sanitize(table[i].text, name);
		EXPECT(!strcmp(name, table[i].sanitized), "row %zu became %s", i, name);
	}
	return true;
}

static bool settings(void)
{
	static const struct {
		const char *key, *value, *complaint;	/* NULL: taken */
	} table[] = {
		{ "name", "vm1", NULL },
		{ "name", "vm2", "name: given twice" },
		{ "domain", "a/b", "domain \"a/b\": want 1 to 63 characters" },
		{ "domain", "", "domain \"\": want 1 to 63 characters" },
		{ "domain", "tenant", NULL },
		{ "policy", "Always", "policy \"Always\": want madvise or always" },
		{ "policy", "always", NULL },
		{ "policy", "always", "policy: given twice" },
		{ "share", "0", "share \"0\": want a number, 1 to 10000" },
		{ "share", "10001", "share \"10001\": want a number, 1 to 10000" },
		{ "share", "10000", NULL },
		{ "share", "1", "share: given twice" },
		{ "shares", "1", "key \"shares\": want name, domain, policy or share" },
		{ "", "1", "key \"\": want name, domain, policy or share" },
	};
	struct registration r = { .pid = 42 };
	char line[REGISTRATION_LINE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct err e = { "" };
		int rc = registration_set(&r, table[i].key, table[i].value, &e);

		EXPECT(rc == (table[i].complaint ? EX_BAD_INPUT : EX_DONE), "row %zu: %d", i, rc);
		EXPECT(!table[i].complaint || strstr(e.text, table[i].complaint),
		       "row %zu says: %s", i, e.text);
	}
	registration_format(&r, line, sizeof(line));
	EXPECT(!strcmp(line, "42 name=vm1 domain=tenant policy=always share=10000"), "%s", line);
	return true;
}

static bool shortest_and_longest_line(void)
{
	struct registration r = { .pid = 1 };
	char line[REGISTRATION_LINE_MAX];

	registration_format(&r, line, sizeof(line));
	EXPECT(!strcmp(line, "1"), "%s", line);
	r.pid = PF_PID_MAX;
	memset(r.name, 'n', PF_NAME_MAX);
	memset(r.domain, 'd', PF_NAME_MAX);
	r.policy = "madvise";
	r.share = PF_SHARE_MAX;
	EXPECT(registration_format(&r, line, sizeof(line)) < (int)sizeof(line), "cut: %s", line);
	return true;
}

static bool quoting(void)
{
	char buf[16];

	EXPECT(!strcmp(QUOTE("plain"), "\"plain\""), "%s", QUOTE("plain"));
	EXPECT(!strcmp(QUOTE("\033[2J\"\\"), "\"\\x1b[2J\\x22\\x5c\""), "%s", QUOTE("\033[2J\"\\"));
	for (size_t size = 8; size <= sizeof(buf); size++) {
		quote(buf, size, "a long text with \001 in it");
		EXPECT(strlen(buf) < size && strstr(buf, "...\""), "size %zu: %s", size, buf);
	}
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "numbers are plain decimals inside their range", numbers },
		{ "process ids are 1 to PID_MAX_LIMIT and errors name value and range", pids },
		{ "names are valid or become so", names },
		{ "settings are taken once, and errors name what, value and range", settings },
		{ "the shortest and the longest registration line", shortest_and_longest_line },
		{ "quoted text holds no control characters and fits", quoting },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
