// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's memory, from files as kernels write them and from files that lie.
 */
#include <inttypes.h>

#include "memory.h"
#include "tap.h"
#include "tree.h"

#define MEMINFO "/proc/meminfo"
#define PRESSURE "/proc/pressure/memory"

static char root[] = "/tmp/test-memory.XXXXXX";

static const char good[] =
	"MemTotal:       24604124 kB\nMemFree:          123 kB\nMemAvailable:   20000000 kB\n"
	"SwapCached:            7 kB\nSwapTotal:       1048572 kB\nSwapFree:        1048000 kB\n";

static bool well_formed(void)
{
	struct memory m;
	struct err e;

	tree_file(root, MEMINFO, good);
	EXPECT(!memory_read(root, &m, &e), "%s", e.text);
	EXPECT(m.total == 24604124ULL << 10 && m.available == 20000000ULL << 10,
	       "%" PRIu64 " %" PRIu64, m.total, m.available);
	EXPECT(m.swap_total == 1048572ULL << 10 && m.swap_used == 572 << 10,
	       "%" PRIu64 " %" PRIu64, m.swap_total, m.swap_used);
	EXPECT(!m.has_psi, "pressure out of nothing");
	tree_file(root, PRESSURE, "some avg10=1.25 avg60=0.00 avg300=0.00 total=5\n"
				  "full avg10=100.00 avg60=0.00 avg300=0.00 total=1\n");
	EXPECT(!memory_read(root, &m, &e), "%s", e.text);
	EXPECT(m.has_psi && m.psi_some == 125 && m.psi_full == 10000, "%u %u", m.psi_some,
	       m.psi_full);
	tree_file(root, PRESSURE, "some avg10=250.00\nfull avg10=0.00\n");
	EXPECT(!memory_read(root, &m, &e) && !m.has_psi, "250 %% are believed");
	return true;
}

static bool refused(void)
{
	static const struct {
		const char *text, *complaint;
	} table[] = {
		{ "", "no line \"MemTotal: N kB\"" },
		{ "XMemTotal: 1 kB\n", "no line \"MemTotal: N kB\"" },
		{ "MemTotal: x kB\n", "no line \"MemTotal: N kB\"" },
		{ "MemTotal: 1 MB\n", "no line \"MemTotal: N kB\"" },
		{ "MemTotal: 99999999999999999999999 kB\n", "no line \"MemTotal: N kB\"" },
		{ "MemTotal: 1 kB\n", "no line \"MemAvailable: N kB\"" },
		{ "MemTotal: 1 kB\nMemAvailable: 1 kB\nSwapTotal: 1 kB\nSwapFree: 2 kB\n",
		  "SwapFree 2048 is more than SwapTotal 1024" },
	};
	static char big[20000];
	struct memory m;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		tree_file(root, MEMINFO, table[i].text);
		EXPECT(memory_read(root, &m, &e) == EX_BAD_INPUT, "row %zu is taken", i);
		EXPECT(strstr(e.text, table[i].complaint), "row %zu says %s", i, e.text);
	}
	memset(big, 'x', sizeof(big) - 1);
	tree_file(root, MEMINFO, big);
	EXPECT(memory_read(root, &m, &e) == EX_REFUSED, "an endless file is taken");
	tree_unlink(root, MEMINFO);
	EXPECT(memory_read(root, &m, &e) == EX_REFUSED && strstr(e.text, "No such file"), "%s",
	       e.text);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "memory, swap and pressure", well_formed },
		{ "files that lie are refused", refused },
	};
	int rc;

	if (!mkdtemp(root))
		return 1;
	rc = tap_run(tests, ARRAY_SIZE(tests));
	tree_remove(root);
	return rc;
}
