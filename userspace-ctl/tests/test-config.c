// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration file is taken whole or not at all.
 */
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "tap.h"

static int parse(const char *text, size_t len, struct registration *r, struct err *e)
{
	/* On the heap and exact, so that ASan sees a byte read or written beyond. */
	char *copy = malloc(len + 1);
	int rc;

	memcpy(copy, text, len);
	copy[len] = '#';
	*r = (struct registration){ 0 };
	e->text[0] = '\0';
	rc = config_parse(copy, len, r, e);
	free(copy);
	return rc;
}

static bool taken(void)
{
	static const struct {
		const char *text, *domain, *policy;
		unsigned int share;
	} table[] = {
		{ "", "", NULL, 0 },
		{ "\n\n", "", NULL, 0 },
		{ "# domain = x\n; share = 1\n  # more", "", NULL, 0 },
		{ "domain = tenant-a\npolicy = always\nshare = 200\n", "tenant-a", "always", 200 },
		{ "domain=a\r\nshare=1\r\n", "a", NULL, 1 },
		{ "\t domain\t= \ta \t", "a", NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct registration r;
		struct err e;

		EXPECT(!parse(table[i].text, strlen(table[i].text), &r, &e), "row %zu: %s", i,
		       e.text);
		EXPECT(!strcmp(r.domain, table[i].domain), "row %zu: domain %s", i, r.domain);
		EXPECT(!!r.policy == !!table[i].policy, "row %zu: policy %p", i, r.policy);
		EXPECT(!r.policy || !strcmp(r.policy, table[i].policy), "row %zu: policy %s", i,
		       r.policy);
		EXPECT(r.share == table[i].share, "row %zu: share %u", i, r.share);
	}
	return true;
}

static bool refused(void)
{
	static const struct {
		const char *text, *complaint;
	} table[] = {
		{ "domain", "line 1: \"domain\": want key = value" },
		{ "\n\ndomian = a\n", "line 3: key \"domian\": want" },
		{ "name = a\n", "line 1: key \"name\": a name belongs to one guest" },
		{ "domain = a b\n", "line 1: domain \"a b\": want 1 to 63" },
		{ "domain = a # why\n", "line 1: domain \"a # why\": want 1 to 63" },
		{ "domain = a\ndomain = a\n", "line 2: domain: given twice" },
		{ "domain =\n", "line 1: domain \"\": want 1 to 63" },
		{ "= a\n", "line 1: key \"\": want" },
		{ "share = 1e3\n", "line 1: share \"1e3\": want a number, 1 to 10000" },
		{ "[register]\n", "line 1: \"[register]\": want key = value" },
		{ "domain = \xff\n", "line 1: domain \"\\xff\": want 1 to 63" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct registration r;
		struct err e;

		EXPECT(parse(table[i].text, strlen(table[i].text), &r, &e) == EX_BAD_INPUT,
		       "row %zu", i);
		EXPECT(strstr(e.text, table[i].complaint), "row %zu says: %s", i, e.text);
	}
	return true;
}

static bool binary(void)
{
	static const char text[] = "domain = a\0\nshare = 1\n";
	struct registration r;
	struct err e;

	EXPECT(parse(text, sizeof(text) - 1, &r, &e) == EX_BAD_INPUT, "taken");
	EXPECT(strstr(e.text, "NUL"), "%s", e.text);
	return true;
}

static bool noise(void)
{
	static const char alphabet[] = "domainpolicyshare=\n\r\t #;0123456789\0\xff";

	srandom(1);
	for (int round = 0; round < 20000; round++) {
		char text[64];
		size_t len = random() % sizeof(text);
		struct registration r;
		struct err e;

		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[random() % (sizeof(alphabet) - 1)];
		if (parse(text, len, &r, &e))
			EXPECT(*e.text, "round %d: refused without a word", round);
	}
	return true;
}

static bool files(void)
{
	char path[] = "/tmp/test-config.XXXXXX";
	static char line[CONFIG_MAX + 1];
	struct registration r = { 0 };
	int fd = mkstemp(path);
	struct err e;
	bool fits, too_long;

	EXPECT(fd >= 0, "mkstemp");
	EXPECT(!config_read("/nonexistent/register.conf", &r, &e), "%s", e.text);
	EXPECT(config_read("/tmp", &r, &e) == EX_BAD_INPUT && strstr(e.text, "/tmp: cannot read"),
	       "%s", e.text);
	memset(line, '#', sizeof(line));
	fits = write(fd, line, CONFIG_MAX) == CONFIG_MAX && !config_read(path, &r, &e);
	too_long = write(fd, line, 1) == 1 && config_read(path, &r, &e) == EX_BAD_INPUT;
	close(fd);
	unlink(path);
	EXPECT(fits, "%d bytes should be taken: %s", CONFIG_MAX, e.text);
	EXPECT(too_long && strstr(e.text, "longer than 16384 bytes"), "%s", e.text);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "well-formed files are taken", taken },
		{ "malformed files are refused with line, value and range", refused },
		{ "a NUL byte is refused", binary },
		{ "noise is refused with a reason or taken, within bounds", noise },
		{ "a missing file, a directory, the longest file and one byte more", files },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
