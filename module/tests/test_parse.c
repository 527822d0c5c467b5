// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what reads users' writes, from lines that must be taken, lines that must not, and any bytes.
 *
 * Built with clang's libFuzzer (make fuzz) for the bytes, and as tests that make their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/errno.h>

#include "parse.h"
#include "test.h"
#include "turn.h"

#define MUST(condition) do {						\
	if (!(condition)) {						\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
		abort();						\
	}								\
} while (0)

/* A result that nothing reads to: what is refused must leave it alone. */
static const struct pf_vm_config untouched = {
	.pid = -77, .name = "untouched", .domain = "too", .policy = PF_POLICY_ALWAYS, .share = 4711,
};

/* Is this a name as the document has it? */
static bool is_name(const char *name)
{
	size_t len = strnlen(name, PF_NAME_MAX);

	return len && len < PF_NAME_MAX &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") == len;
}

static void check_register(const char *data, size_t size)
{
	struct pf_vm_config config = untouched, again = untouched;
	char line[512];
	int len;

	if (pf_parse_register(data, size, &config)) {
		MUST(!memcmp(&config, &untouched, sizeof(config)));
		return;
	}
	MUST(config.pid > 0 && is_name(config.name) && is_name(config.domain));
	MUST(config.policy == PF_POLICY_MADVISE || config.policy == PF_POLICY_ALWAYS);
	MUST(config.share >= PF_SHARE_MIN && config.share <= PF_SHARE_MAX);
	/* What was understood can be said again, and means the same. */
	len = snprintf(line, sizeof(line), "%d share=%u policy=%s name=%s domain=%s", config.pid, config.share,
		       config.policy == PF_POLICY_ALWAYS ? "always" : "madvise", config.name, config.domain);
	MUST(!pf_parse_register(line, len, &again));
	MUST(again.pid == config.pid && again.policy == config.policy && again.share == config.share &&
	     !strcmp(again.name, config.name) && !strcmp(again.domain, config.domain));
}

static void check_others(const char *data, size_t size)
{
	enum pf_policy policy = -1;
	unsigned int value = 4711;
	char name[PF_NAME_MAX] = "-";
	bool unfold = false;
	pid_t pid = -77;

	MUST(pf_parse_uint(data, size, 5, 1000, &value) ? value == 4711 : value >= 5 && value <= 1000);
	MUST(pf_parse_name(data, size, name) ? !strcmp(name, "-") : is_name(name));
	MUST((pf_parse_policy(data, size, &policy) != 0) == (policy == (enum pf_policy)-1));
	MUST(pf_parse_unregister(data, size, &pid, &unfold) ? pid == -77 && !unfold : pid > 0);
}

/* A copy of its own size, so that a sanitizer sees a read beyond it. */
static void check_bytes(const void *data, size_t size)
{
	char *exact = malloc(size ?: 1);

	MUST(exact);
	memcpy(exact, data, size);
	check_register(exact, size);
	check_others(exact, size);
	free(exact);
}

#ifdef PF_LIBFUZZER
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	check_bytes(data, size);
	return 0;
}
#else

static int read_number(const char *text, unsigned int *value)
{
	*value = 4711;
	return pf_parse_uint(text, strlen(text), 10, 4294967295U, value);
}

static bool numbers(void)
{
	static const struct { const char *text; int err; unsigned int value; } cases[] = {
		{ "10", 0, 10 }, { "10\n", 0, 10 }, { "4294967295", 0, 4294967295U }, { "0010", 0, 10 },
		{ "9", -ERANGE, 4711 }, { "4294967296", -ERANGE, 4711 }, { "18446744073709551626", -ERANGE, 4711 },
		{ "", -EINVAL, 4711 }, { "\n", -EINVAL, 4711 }, { "10\n\n", -EINVAL, 4711 },
		{ " 10", -EINVAL, 4711 }, { "10 ", -EINVAL, 4711 }, { "+10", -EINVAL, 4711 },
		{ "-10", -EINVAL, 4711 }, { "0x10", -EINVAL, 4711 }, { "99999999999999999999x", -EINVAL, 4711 },
	};
	unsigned int value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int err = read_number(cases[i].text, &value);

		EXPECT(err == cases[i].err && value == cases[i].value, "'%s' gives %d and %u", cases[i].text,
		       err, value);
	}
	EXPECT(pf_parse_uint("10\0" "0", 4, 1, 100, &value) == -EINVAL, "a NUL is taken");
	return true;
}

static bool names(void)
{
	char name[PF_NAME_MAX], text[80];

	memset(text, 'x', sizeof(text));
	EXPECT(!pf_parse_name(text, PF_NAME_MAX - 1, name) && strlen(name) == PF_NAME_MAX - 1, "the longest");
	EXPECT(pf_parse_name(text, PF_NAME_MAX, name) == -EINVAL, "too long");
	EXPECT(!pf_parse_name("a.B_9:-\n", 8, name) && !strcmp(name, "a.B_9:-"), "'%s'", name);
	EXPECT(pf_parse_name("a b", 3, name) == -EINVAL, "a space");
	EXPECT(pf_parse_name("a/b", 3, name) == -EINVAL, "a slash");
	EXPECT(pf_parse_name("\xc3\xa4", 2, name) == -EINVAL, "no ASCII");
	EXPECT(pf_parse_name("", 0, name) == -EINVAL, "nothing");
	return true;
}

static int read_config(const char *text, struct pf_vm_config *config)
{
	*config = untouched;
	return pf_parse_register(text, strlen(text), config);
}

static bool registrations_that_are_taken(void)
{
	struct pf_vm_config config;

	EXPECT(!read_config("123\n", &config), "a pid alone");
	EXPECT(config.pid == 123 && !strcmp(config.name, "123") && !strcmp(config.domain, "default") &&
	       config.policy == PF_POLICY_MADVISE && config.share == PF_SHARE_DEFAULT, "defaults");
	EXPECT(!read_config("2147483647 share=10000 domain=d policy=always name=n", &config), "all options");
	EXPECT(config.pid == 2147483647 && !strcmp(config.name, "n") && !strcmp(config.domain, "d") &&
	       config.policy == PF_POLICY_ALWAYS && config.share == 10000, "all options are read");
	return true;
}

static bool registrations_that_are_refused(void)
{
	static const struct { const char *text; int err; } cases[] = {
		{ "", -EINVAL }, { "x", -EINVAL }, { "0", -ERANGE }, { "2147483648", -ERANGE }, { "-1", -EINVAL },
		{ "1 ", -EINVAL }, { "1  name=a", -EINVAL }, { " 1", -EINVAL }, { "1 name=", -EINVAL },
		{ "1 name", -EINVAL }, { "1 name=a name=b", -EINVAL }, { "1 nom=a", -EINVAL },
		{ "1 share=0", -ERANGE }, { "1 share=10001", -ERANGE }, { "1 share=", -EINVAL },
		{ "1 policy=never", -EINVAL }, { "1 domain=a/b", -EINVAL }, { "1 name=a\n2", -EINVAL },
		{ "1\tname=a", -EINVAL }, { "name=a 1", -EINVAL },
	};
	struct pf_vm_config config;
	char text[300];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int err = read_config(cases[i].text, &config);

		EXPECT(err == cases[i].err, "'%s' gives %d", cases[i].text, err);
		EXPECT(!memcmp(&config, &untouched, sizeof(config)), "'%s' changes something", cases[i].text);
	}
	memset(text, '1', sizeof(text));
	EXPECT(pf_parse_register(text, sizeof(text), &config) == -EINVAL, "too long a line");
	return true;
}

static bool unregistrations(void)
{
	bool unfold = true;
	pid_t pid = -77;

	EXPECT(!pf_parse_unregister("7", 1, &pid, &unfold) && pid == 7 && !unfold, "a pid");
	EXPECT(!pf_parse_unregister("8 unfold\n", 9, &pid, &unfold) && pid == 8 && unfold, "a pid and unfold");
	EXPECT(pf_parse_unregister("9 unfolds", 9, &pid, &unfold) == -EINVAL, "another word");
	EXPECT(pf_parse_unregister("9 ", 2, &pid, &unfold) == -EINVAL, "a space");
	EXPECT(pf_parse_unregister("0", 1, &pid, &unfold) == -ERANGE, "0");
	EXPECT(pid == 8, "pid %d", pid);
	return true;
}

/* Bytes of registrations with a few of them changed, moved or repeated. */
static bool random_lines(void)
{
	static const char *const words[] = {
		"1", "2147483647", "99999999999", " ", " ", "name=", "domain=", "policy=", "share=", "madvise",
		"always", "unfold", "a.b", "10000", "=", "\n", "\t", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	};
	char text[320];
	u64 seed = 9;
	int input;

	for (input = 0; input < 50000; input++) {
		size_t len = 0, nr = random_below(&seed, 12);

		while (nr-- && len < sizeof(text) - 40) {
			const char *word = words[random_below(&seed, ARRAY_SIZE(words))];

			memcpy(text + len, word, strlen(word));
			len += strlen(word);
		}
		if (len && !random_below(&seed, 8))
			text[random_below(&seed, len)] = next_random(&seed);
		check_bytes(text, len);
	}
	return true;
}

static const struct test tests[] = {
	{ "numbers", numbers },
	{ "names", names },
	{ "registrations that are taken", registrations_that_are_taken },
	{ "registrations that are refused", registrations_that_are_refused },
	{ "unregistrations", unregistrations },
	{ "50000 random lines", random_lines },
};

const struct suite parse_suite = { "parse", tests, ARRAY_SIZE(tests) };

#endif
