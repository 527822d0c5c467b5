// SPDX-License-Identifier: GPL-2.0-only
/*
 * attr_writes.c: every writable attribute refuses what is not a value, and stays as it was.
 *
 * Values are never clamped: an administrator's typo must not become some other setting.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#define LONGEST 9000

struct bytes {
	const char *data;
	size_t size;
	const char *what;
};

#define BYTES(text, what) { text, sizeof(text) - 1, what }

/* Wrong for every attribute there is. */
static const struct bytes never[] = {
	BYTES("\n", "a newline only"),
	BYTES("\0", "one NUL"),
	BYTES("\377\376\001\002", "binary"),
	BYTES("\033[1m", "an escape sequence"),
	BYTES("1\0" "2", "a number, a NUL, more"),
	BYTES("1\n2", "two lines"),
	BYTES("1 2", "two values"),
};

/* Wrong for every attribute that takes a number. */
static const struct bytes not_numbers[] = {
	BYTES("-1", "negative"),
	BYTES("-9223372036854775808", "very negative"),
	BYTES("4294967296", "32 bits and one"),
	BYTES("4294967297", "32 bits and one, plus one"),
	BYTES("18446744073709551616", "64 bits and one"),
	BYTES("18446744073709551617", "64 bits and one, plus one"),
	BYTES("99999999999999999999999999999999999999", "many digits"),
	BYTES("1x", "trailing garbage"),
	BYTES("x1", "leading garbage"),
	BYTES("1,", "trailing comma"),
	BYTES("1.0", "a fraction"),
	BYTES("1e1", "an exponent"),
	BYTES("one", "a word"),
	BYTES("+ 1", "a sign and a space"),
};

struct number {
	const char *attr;
	long long low, high;	/* both still good */
	const char *word;	/* also good */
};

static const struct number numbers[] = {
	{ "run", 0, 1 },	/* 2 is good as well: run_states() below */
	{ "cpu_percent", 1, 100, "auto" },
	{ "threads", 1, 16 },
	{ "pass_interval_ms", 0, 3600000 },
	{ "fold_zero", 0, 1 },
	{ "thp_split_pages", 1, 512 },
	{ "rest_passes_max", 0, 255 },
	{ "merge_across_nodes", 0, 1 },
	{ "lock_hold_max_us", 50, 1000000 },
	{ "busy_hold_max_us", 1, 1000000 },
	{ "wss_samples", 1, 10000 },
	{ "wss_period_ms", 0, 3600000 },
	{ "wss_cpu_permille", 1, 1000 },
};

static void path_of(char *path, const char *attr)
{
	sprintf(path, PF_SYS "%s", attr);
}

/* One write in one system call must fail with EINVAL, or ERANGE, and change nothing. */
static void refused(const char *attr, const void *data, size_t size, const char *what)
{
	char path[256], before[5000] = "", after[5000] = "";
	bool readable = pf_read(attr, before, sizeof(before));
	int ret;

	path_of(path, attr);
	ret = pf_write_raw(path, data, size);
	CHECK(ret == -EINVAL || ret == -ERANGE, "%s: %s gives %s", attr, what,
	      ret ? strerror(-ret) : "success");
	if (readable) {
		pf_read(attr, after, sizeof(after));
		CHECK(!strcmp(before, after), "%s: %s changed '%s' to '%s'", attr, what, before, after);
	}
}

static void accepted(const char *attr, const char *value, const char *reads)
{
	char after[5000] = "";
	int ret = pf_put(attr, "%s", value);

	CHECK(ret == 0, "%s: '%s' gives %s", attr, value, strerror(-ret));
	pf_read(attr, after, sizeof(after));
	CHECK(!strncmp(after, reads, strlen(reads)) && !strcmp(after + strlen(reads), "\n"),
	      "%s reads '%s' after '%s'", attr, after, value);
}

static void refuses_all(const char *attr)
{
	static char many[LONGEST];
	size_t i;

	for (i = 0; i < PF_COUNT(never); i++)
		refused(attr, never[i].data, never[i].size, never[i].what);
	memset(many, '1', sizeof(many));
	refused(attr, many, sizeof(many), "9000 digits");
	refused(attr, many, 4096, "4096 digits");
	memset(many, 'a', sizeof(many));
	refused(attr, many, sizeof(many), "9000 letters");
	refused(attr, many, 4095, "4095 letters");
	memset(many, ' ', sizeof(many));
	refused(attr, many, 4096, "4096 spaces");
	memset(many, 0, sizeof(many));
	refused(attr, many, sizeof(many), "9000 NULs");
	memcpy(many, "1\n", 2);
	refused(attr, many, sizeof(many), "a number and 8998 NULs");
}

static void refuses_not_numbers(const char *attr)
{
	size_t i;

	for (i = 0; i < PF_COUNT(not_numbers); i++)
		refused(attr, not_numbers[i].data, not_numbers[i].size, not_numbers[i].what);
}

static void out_of_range(const char *attr, long long low, long long high)
{
	char text[32];

	sprintf(text, "%lld", low - 1);
	refused(attr, text, strlen(text), text);
	sprintf(text, "%lld", high + 1);
	refused(attr, text, strlen(text), text);
	sprintf(text, "%lld", high * 1000 + 7);
	refused(attr, text, strlen(text), text);
}

static void global_numbers(void)
{
	size_t i;

	for (i = 0; i < PF_COUNT(numbers); i++) {
		const struct number *n = &numbers[i];
		long long high = strcmp(n->attr, "run") ? n->high : 2;
		char low_text[32], high_text[32];

		sprintf(low_text, "%lld", n->low);
		sprintf(high_text, "%lld", n->high);
		accepted(n->attr, high_text, high_text);
		accepted(n->attr, low_text, low_text);
		refuses_all(n->attr);
		refuses_not_numbers(n->attr);
		out_of_range(n->attr, n->low, high);
		if (n->word)
			accepted(n->attr, n->word, n->word);
		refused(n->attr, "autox", 5, "autox");
		refused(n->attr, "AUTO", 4, "AUTO");
		CHECK(pf_put(n->attr, "%lld\n", n->low) == 0, "%s refuses a newline at the end", n->attr);
	}
	pf_set("run", 0);
}

static void defaults(void)
{
	static const struct {
		const char *attr, *value;
	} table[] = {
		{ "run", "0\n" }, { "cpu_percent", "auto\n" }, { "threads", "1\n" },
		{ "pass_interval_ms", "10000\n" }, { "fold_zero", "1\n" },
		{ "thp_split_pages", "64\n" }, { "merge_across_nodes", "1\n" },
		{ "lock_hold_max_us", "1000\n" }, { "busy_hold_max_us", "10\n" }, { "wss_samples", "100\n" },
		{ "wss_period_ms", "30000\n" }, { "wss_cpu_permille", "5\n" },
		{ "rest_passes_max", "31\n" },
	};
	char text[64];
	size_t i;
	int ret;

	ret = pf_insmod("");
	REQUIRE(ret == 0, "insmod: %s", strerror(-ret));
	for (i = 0; i < PF_COUNT(table); i++)
		CHECK(pf_read(table[i].attr, text, sizeof(text)) && !strcmp(text, table[i].value),
		      "%s is '%s'", table[i].attr, text);
}

static void run_states(void)
{
	accepted("run", "1", "1");
	accepted("run", "2", "2");
	accepted("run", "0", "0");
	refused("run", "3", 1, "3");
}

/* The per-VM attributes: two names, a word out of two, a number and a trigger. */
static void per_vm(void)
{
	static const char *const names[] = { "name", "domain" };
	static const struct bytes not_names[] = {
		BYTES("a b", "a space"), BYTES("a/b", "a slash"), BYTES("a=b", "an equals sign"),
		BYTES("caf\303\251", "letters beyond ASCII"), BYTES("a\tb", "a tab"),
		BYTES("a;b", "a semicolon"), BYTES("a\nb", "two lines"), BYTES("a\0b", "a NUL within"),
		BYTES("abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij1234", "64 letters"),
	};
	static const struct bytes not_policies[] = {
		BYTES("never", "an unknown word"), BYTES("Always", "another case"), BYTES("alway", "too short"),
		BYTES("alwaysx", "too long"), BYTES("always madvise", "two words"), BYTES("1", "a number"),
	};
	char attr[64], long_name[64];
	pid_t self = getpid();
	size_t i, k;

	pf_register(self, "name=first domain=tenant.1 policy=madvise share=7");
	for (i = 0; i < PF_COUNT(names); i++) {
		sprintf(attr, "vms/%d/%s", self, names[i]);
		for (k = 0; k < PF_COUNT(not_names); k++)
			refused(attr, not_names[k].data, not_names[k].size, not_names[k].what);
		refused(attr, "\n", 1, "a newline only");
		refuses_all(attr);
		memset(long_name, 'z', 63);
		long_name[63] = 0;
		accepted(attr, long_name, long_name);
		accepted(attr, "A-z_0.9:x", "A-z_0.9:x");
		accepted(attr, "x", "x");
	}
	sprintf(attr, "vms/%d/policy", self);
	for (k = 0; k < PF_COUNT(not_policies); k++)
		refused(attr, not_policies[k].data, not_policies[k].size, not_policies[k].what);
	refuses_all(attr);
	accepted(attr, "always\n", "always");
	accepted(attr, "madvise", "madvise");
	sprintf(attr, "vms/%d/share", self);
	refuses_all(attr);
	refuses_not_numbers(attr);
	out_of_range(attr, 1, 10000);
	accepted(attr, "10000", "10000");
	accepted(attr, "1", "1");
	sprintf(attr, "vms/%d/unfold", self);
	refuses_all(attr);
	refuses_not_numbers(attr);
	out_of_range(attr, 1, 1);
	CHECK(pf_put(attr, "1") == 0, "unfold refuses 1");
}

/* The target, and what is reported about it: three amounts and a word. */
static void per_vm_target(void)
{
	static const char *const amounts[] = { "target_bytes", "balloon_bytes", "achieved_bytes" };
	static const struct bytes not_amounts[] = {
		BYTES("-1", "negative"), BYTES("-9223372036854775808", "very negative"),
		BYTES("9223372036854775808", "63 bits and one"),
		BYTES("18446744073709551615", "64 bits"), BYTES("18446744073709551616", "64 bits and one"),
		BYTES("18446744073709551617", "64 bits and one, plus one"),
		BYTES("184467440737095516160", "ten times 64 bits and one"),
		BYTES("36893488147419103232", "65 bits and one"),
		BYTES("99999999999999999999999999999999999999", "many digits"),
		BYTES("1x", "trailing garbage"), BYTES("1G", "a unit"), BYTES("0x10", "hexadecimal"),
		BYTES("1.0", "a fraction"), BYTES("1e9", "an exponent"), BYTES("+1", "a sign"),
		BYTES(" 1", "a space before"), BYTES("1 ", "a space behind"), BYTES("none", "a word"),
	};
	static const char *const states[] = {
		"none", "share", "balloon", "page", "stuck", "untrusted", "emergency",
	};
	static const struct bytes not_states[] = {
		BYTES("None", "another case"), BYTES("non", "too short"), BYTES("nonee", "too long"),
		BYTES("none share", "two words"), BYTES(" none", "a space before"),
		BYTES("none ", "a space behind"), BYTES("none\0", "a NUL behind"), BYTES("0", "a number"),
		BYTES("swap", "an unknown word"), BYTES("none\n\n", "an empty line behind"),
	};
	char attr[64];
	pid_t self = getpid();
	size_t i, k;

	pf_register(self, "");
	for (i = 0; i < PF_COUNT(amounts); i++) {
		sprintf(attr, "vms/%d/%s", self, amounts[i]);
		CHECK(pf_get("%s", attr) == 0, "%s is %lld", attr, pf_get("%s", attr));
		accepted(attr, "9223372036854775807", "9223372036854775807");
		accepted(attr, "4294967296\n", "4294967296");
		accepted(attr, "1", "1");
		refuses_all(attr);
		for (k = 0; k < PF_COUNT(not_amounts); k++)
			refused(attr, not_amounts[k].data, not_amounts[k].size, not_amounts[k].what);
		accepted(attr, "0", "0");
	}
	sprintf(attr, "vms/%d/state", self);
	accepted(attr, "none", "none");
	for (i = 0; i < PF_COUNT(states); i++) {
		accepted(attr, states[i], states[i]);
		for (k = 0; k < PF_COUNT(not_states); k++)
			refused(attr, not_states[k].data, not_states[k].size, not_states[k].what);
	}
	refuses_all(attr);
	accepted(attr, "share\n", "share");
}

/* Writable, and not in numbers[]: the other tests here, or those of register_errors.c, know what they take. */
static const char *const others[] = {
	"register", "unregister", "vms/<pid>/name", "vms/<pid>/domain", "vms/<pid>/policy", "vms/<pid>/share",
	"vms/<pid>/unfold", "vms/<pid>/target_bytes", "vms/<pid>/balloon_bytes", "vms/<pid>/achieved_bytes",
	"vms/<pid>/state", "debug/fold_all", "debug/fault_site", "debug/fault_every",
};

/* Whether a test knows what attribute @name takes. */
static bool is_known(const char *name)
{
	size_t i;

	for (i = 0; i < PF_COUNT(numbers); i++)
		if (!strcmp(name, numbers[i].attr))
			return true;
	for (i = 0; i < PF_COUNT(others); i++)
		if (!strcmp(name, others[i]))
			return true;
	return false;
}

static size_t writable;

static int visit(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	const char *attr = path + strlen(PF_SYS);
	char self[32], name[256];
	size_t len;

	if (type != FTW_F || !(stat->st_mode & 0222))
		return 0;
	len = sprintf(self, "vms/%d/", getpid());
	if (strncmp(attr, self, len))
		strcpy(name, attr);
	else
		sprintf(name, "vms/<pid>/%s", attr + len);
	CHECK(is_known(name), "%s is writable, and no test knows what it takes", name);
	refuses_all(attr);
	writable++;
	return 0;
}

/* Every file of the live tree that can be written, listed here or not. */
static void live_tree(void)
{
	size_t want = PF_COUNT(numbers) + PF_COUNT(others) - (pf_have("debug") ? 0 : 3);

	pf_register(getpid(), "");
	REQUIRE(nftw(PF_SYS, visit, 16, FTW_PHYS) == 0, "nftw: %s", strerror(errno));
	CHECK(writable == want, "%zu writable files, %zu known", writable, want);
	CHECK(pf_get("vms_registered") == 1 && pf_get("run") == 0, "something was taken");
}

/* Counters are not for writing; triggers are not for reading. */
static void modes(void)
{
	static const char *const read_only[] = {
		"cpu_percent_now", "vms_registered", "frames", "folded_pages", "zero_pages", "saved_bytes",
		"metadata_bytes", "general_profit_bytes", "scanned_pages", "rested_pages", "folds", "passes",
		"skipped/large", "lock_hold/lt_16us", "lock_hold/max_us", "cpu_ns",
		"vms/%d/usage_bytes", "vms/%d/wss_bytes", "vms/%d/wss_rounds",
	};
	static const char *const write_only[] = { "register", "unregister" };
	char path[256], text[8];
	size_t i;

	pf_register(getpid(), "");
	for (i = 0; i < PF_COUNT(read_only); i++) {
		char attr[64];

		snprintf(attr, sizeof(attr), read_only[i], getpid());
		path_of(path, attr);
		CHECK(pf_write_raw(path, "0", 1) < 0, "%s can be written", read_only[i]);
	}
	for (i = 0; i < PF_COUNT(write_only); i++) {
		int fd;

		path_of(path, write_only[i]);
		fd = open(path, O_RDONLY);
		CHECK(fd < 0 || read(fd, text, sizeof(text)) < 0, "%s can be read", write_only[i]);
		close(fd);
	}
}

/* The debug build's fault points are attributes too. */
static void debug_build(void)
{
	if (!pf_have("debug/fault_every"))
		pf_skip("not the debug build");
	refuses_all("debug/fold_all");
	refuses_not_numbers("debug/fold_all");
	out_of_range("debug/fold_all", 0, 1);
	refuses_all("debug/fault_every");
	refuses_not_numbers("debug/fault_every");
	out_of_range("debug/fault_every", 1, 1000000);
	refused("debug/fault_site", "no-such-site", 12, "an unknown site");
	refuses_all("debug/fault_site");
	CHECK(pf_put("debug/fault_site", "none") == 0, "fault_site=none refused");
}

static const struct pf_test tests[] = {
	{ "defaults", defaults, true },
	{ "global_numbers", global_numbers },
	{ "run_states", run_states },
	{ "per_vm", per_vm },
	{ "per_vm_target", per_vm_target },
	{ "live_tree", live_tree },
	{ "modes", modes },
	{ "debug_build", debug_build },
};

PF_MAIN(tests)
