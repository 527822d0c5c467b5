// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes: what is taken, what is refused, and that what is written can be read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "size.h"
#include "tap.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define EIB (1024 * 1024 * 1024 * GIB)

static bool parsing(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t bytes;
	} table[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "7B", 0, 7 },
		{ "4K", 0, 4 * KIB },
		{ "4k", 0, 4 * KIB },
		{ "4KiB", 0, 4 * KIB },
		{ "512M", 0, 512 * MIB },
		{ "1.5G", 0, 1536 * MIB },
		{ "1.5GiB", 0, 1536 * MIB },
		{ "0.25T", 0, 256 * GIB },
		{ "1P", 0, 1024 * 1024 * GIB },
		{ "15E", 0, 15 * EIB },
		{ "15.999999999999999999E", 0, UINT64_MAX - 1 },
		{ "0.0001K", 0, 0 },
		{ "1.00000000000000000000000000000001M", 0, MIB },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "16E", -ERANGE, 0 },
		{ "99999999999999999999999999999999G", -ERANGE, 0 },
		{ "18014398509481984K", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1 M", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "1MB", -EINVAL, 0 },
		{ "1Mib", -EINVAL, 0 },
		{ "1MiBs", -EINVAL, 0 },
		{ "1iB", -EINVAL, 0 },
		{ "1BiB", -EINVAL, 0 },
		{ "1b", -EINVAL, 0 },
		{ "1Z", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1.5B", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ ".5G", -EINVAL, 0 },
		{ "1.M", -EINVAL, 0 },
		{ "1,5G", -EINVAL, 0 },
		{ "1.5.5G", -EINVAL, 0 },
		{ "\xd9\xa1", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint64_t bytes = 0;
		int rc = size_parse(table[i].text, 0, UINT64_MAX, &bytes);

		EXPECT(rc == table[i].rc, "%s returned %d", QUOTE(table[i].text), rc);
		EXPECT(bytes == table[i].bytes, "%s is %" PRIu64, QUOTE(table[i].text), bytes);
	}
	return true;
}

static bool ranges(void)
{
	uint64_t bytes = 42;
	struct err e;

	EXPECT(!size_parse("4K", 4096, 4096, &bytes) && bytes == 4096, "%" PRIu64, bytes);
	EXPECT(size_parse("4095", 4096, 8192, &bytes) == -ERANGE, "below");
	EXPECT(size_parse("8193", 4096, 8192, &bytes) == -ERANGE, "above");
	EXPECT(bytes == 4096, "changed on error to %" PRIu64, bytes);
	EXPECT(size_take("target", "1\033G", MIB, 16 * GIB, &bytes, &e) == EX_BAD_INPUT, "taken");
	EXPECT(!strcmp(e.text, "target \"1\\x1bG\": want a size like 512M or 1.5GiB, "
		       "1MiB to 16GiB"),
	       "%s", e.text);
	EXPECT(!size_take("target", "2G", MIB, 16 * GIB, &bytes, &e) && bytes == 2 * GIB, "2G");
	return true;
}

static bool formatting(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} table[] = {
		{ 0, "0B" },
		{ 1023, "1023B" },
		{ 1024, "1KiB" },
		{ 1025, "1.0KiB" },
		{ 1536, "1.5KiB" },
		{ 512 * MIB, "512MiB" },
		{ MIB - 1, "1.0MiB" },
		{ MIB - 52, "1023.9KiB" },
		{ 3 * GIB / 2, "1.5GiB" },
		{ GIB + MIB, "1.0GiB" },
		{ 15 * EIB, "15EiB" },
		{ UINT64_MAX, "16.0EiB" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		EXPECT(!strcmp(SIZE_TEXT(table[i].bytes), table[i].text), "%" PRIu64 " is %s",
		       table[i].bytes, SIZE_TEXT(table[i].bytes));
	return true;
}

/* What is written is read back to what it was, less what rounding to a tenth takes. */
static bool round_trip(void)
{
	srandom(3);
	for (int round = 0; round < 200000; round++) {
		uint64_t bytes = ((uint64_t)random() << 33 ^ (uint64_t)random() << 8 ^ random()) >>
				 random() % 64, back, off;

		if (bytes >= 15 * EIB)
			continue;
		EXPECT(!size_parse(SIZE_TEXT(bytes), 0, UINT64_MAX, &back), "%s",
		       SIZE_TEXT(bytes));
		off = back > bytes ? back - bytes : bytes - back;
		EXPECT(off <= bytes / 20, "%" PRIu64 " became %" PRIu64, bytes, back);
		EXPECT(bytes >= KIB || !off, "%" PRIu64 " became %" PRIu64, bytes, back);
	}
	return true;
}

static bool noise(void)
{
	static const char alphabet[] = "0123456789..KMGTPEkmgiB -+x\n";

	srandom(4);
	for (int round = 0; round < 200000; round++) {
		char text[24];
		size_t len = random() % sizeof(text);
		uint64_t bytes = 7;
		int rc;

		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[random() % (sizeof(alphabet) - 1)];
		text[len] = '\0';
		rc = size_parse(text, 10, 1000000, &bytes);
		EXPECT(rc ? bytes == 7 : bytes >= 10 && bytes <= 1000000, "%s gave %" PRIu64,
		       QUOTE(text), bytes);
	}
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "sizes are taken or refused as written", parsing },
		{ "ranges hold, and errors name what, value and range", ranges },
		{ "sizes are written with a unit that fits", formatting },
		{ "what is written can be read", round_trip },
		{ "noise is refused or inside the range", noise },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
