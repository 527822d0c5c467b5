// SPDX-License-Identifier: GPL-2.0-only
/*
 * targets.c: a VM's target is told to whoever waits for it, and a VM above it is scanned first.
 *
 * That each attribute refuses what is not a value is in attr_writes.c; working sets of real guests are in
 * wss.sh.
 */
#include "pf.h"

#include <fcntl.h>
#include <poll.h>

#define PAGES 4096

static uint64_t unique(size_t i)
{
	return 1 + i;
}

/* Half of it zero, the rest few contents: next to nothing is left when it is folded. */
static uint64_t common(size_t i)
{
	return i % 2 ? 0 : 1 + i % 16;
}

static int open_attr(pid_t pid, const char *attr)
{
	char path[128], text[64];
	int fd;

	sprintf(path, PF_SYS "vms/%d/%s", pid, attr);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0, "%s: %s", path, strerror(errno));
	REQUIRE(read(fd, text, sizeof(text)) > 0, "%s: %s", path, strerror(errno));
	return fd;
}

/* A write wakes a poller, once; a read takes it back. */
static void polled(const char *attr, const char *value, const char *bad)
{
	struct pollfd wait = { .events = POLLPRI };
	pid_t self = getpid(), writer;
	char path[64], text[64] = "";

	sprintf(path, "vms/%d/%s", self, attr);
	wait.fd = open_attr(self, attr);
	CHECK(poll(&wait, 1, 0) == 0, "%s: told before a write: %x", attr, wait.revents);
	CHECK(pf_put(path, "%s", bad) < 0, "%s takes '%s'", attr, bad);
	CHECK(poll(&wait, 1, 0) == 0, "%s: told of a write that was refused", attr);
	writer = fork();
	if (!writer) {
		CHECK(pf_put(path, "%s", value) == 0, "%s refuses '%s'", attr, value);
		_exit(0);
	}
	CHECK(poll(&wait, 1, 60000) == 1 && (wait.revents & POLLPRI), "%s: not told", attr);
	waitpid(writer, NULL, 0);
	lseek(wait.fd, 0, SEEK_SET);
	CHECK(read(wait.fd, text, sizeof(text) - 1) > 0 && !strncmp(text, value, strlen(value)),
	      "%s reads '%s' instead of '%s'", attr, text, value);
	CHECK(poll(&wait, 1, 0) == 0, "%s: told twice", attr);
	close(wait.fd);
}

static void poll_notify(void)
{
	pf_register(getpid(), "");
	polled("target_bytes", "1073741824", "-1");
	polled("state", "balloon", "ballooon");
}

/* What it keeps for itself: not what it shares, not what is zero. */
static void usage(void)
{
	long long before, after, status;
	struct pf_vm vm;
	char path[64];

	pf_vm_start(&vm, PAGES, PF_PLAIN, common);
	pf_register(vm.pid, "");
	before = pf_get("vms/%d/usage_bytes", vm.pid);
	sprintf(path, "/proc/%d/status", vm.pid);
	status = 1024 * (pf_field(path, "RssAnon") + pf_field(path, "RssShmem"));
	CHECK(llabs(before - status) <= (1 << 20), "%lld, the kernel says %lld", before, status);
	/* The kernel counts on each CPU, up to 64 pages of which nobody knows yet. */
	CHECK(before >= (long long)((PAGES - 256) * PF_PAGE), "%lld", before);
	pf_run(1);
	CHECK(PF_UNTIL(pf_get("vms/%d/folded_pages", vm.pid) + pf_get("vms/%d/zero_pages", vm.pid) >=
		       PAGES - 8), "not folded");
	after = pf_get("vms/%d/usage_bytes", vm.pid);
	CHECK(before - after >= (long long)((PAGES - 64) * PF_PAGE), "from %lld to %lld", before, after);
	pf_vm_stop(&vm);
}

/*
 * Both are asked while nothing is scanned: what came in between would be of one alone. The host may take the CPU
 * from a turn, which is charged for it as for its own: so many pages that such a moment does not decide.
 */
static void both_scan(struct pf_vm *a, struct pf_vm *b, long long pages, long long *of_a, long long *of_b)
{
	long long begin_a = pf_get("vms/%d/scanned_pages", a->pid);
	long long begin_b = pf_get("vms/%d/scanned_pages", b->pid);

	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/scanned_pages", b->pid) - begin_b >= pages), "no scan");
	pf_run(0);
	*of_a = pf_get("vms/%d/scanned_pages", a->pid) - begin_a;
	*of_b = pf_get("vms/%d/scanned_pages", b->pid) - begin_b;
	pf_note("%lld against %lld pages", *of_b, *of_a);
}

/* Three turns of four go to the one above its target, and none of what is fair is lost for ever. */
static void above_goes_first(void)
{
	struct pf_vm a, b;
	long long of_a, of_b;
	char attr[64];

	/* What rests takes no turn worth the name. */
	pf_set("rest_passes_max", 0);
	pf_vm_start(&a, PAGES, PF_PLAIN, unique);
	pf_vm_start(&b, PAGES, PF_PLAIN, unique);
	pf_register(a.pid, "domain=a");
	pf_register(b.pid, "domain=b");
	REQUIRE(pf_get("vms/%d/target_bytes", b.pid) == 0, "there is a target");
	sprintf(attr, "vms/%d/target_bytes", a.pid);
	pf_set(attr, 1LL << 40);
	sprintf(attr, "vms/%d/target_bytes", b.pid);
	pf_set(attr, 1);
	both_scan(&a, &b, 256 * PAGES, &of_a, &of_b);
	CHECK(of_b > 2 * of_a, "%lld against %lld", of_b, of_a);
	CHECK(of_a > of_b / 6, "%lld against %lld: starved", of_a, of_b);
	/* Below its target again it is one of two, and has no debt, which would be more than all it gets now. */
	pf_set(attr, 1LL << 40);
	both_scan(&a, &b, 128 * PAGES, &of_a, &of_b);
	CHECK(of_b * 2 > of_a && of_b < of_a * 2, "%lld against %lld afterwards", of_b, of_a);
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

/* It does not wait for its next pass to be due. */
static void target_ends_rest(void)
{
	struct pf_vm a, b;
	char attr[64];

	pf_set("pass_interval_ms", 3600000);
	pf_vm_start(&a, PAGES, PF_PLAIN, unique);
	pf_vm_start(&b, PAGES, PF_PLAIN, unique);
	/* Apart, or all of the two is folded and none is above any target. */
	pf_register(a.pid, "domain=a");
	pf_register(b.pid, "domain=b");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("passes") == 1), "no pass");
	sprintf(attr, "vms/%d/target_bytes", b.pid);
	pf_set(attr, 1LL << 40);
	CHECK(pf_get("vms/%d/passes", b.pid) == 1, "scanned though below its target");
	CHECK(pf_get("vms/%d/usage_bytes", b.pid) > (long long)(PAGES / 2 * PF_PAGE), "%lld used",
	      pf_get("vms/%d/usage_bytes", b.pid));
	pf_set(attr, 1);
	CHECK(PF_UNTIL(pf_get("vms/%d/passes", b.pid) == 2), "rests on");
	CHECK(pf_get("vms/%d/passes", a.pid) == 1, "the other one does not rest");
	pf_vm_stop(&a);
	pf_vm_stop(&b);
}

/* Nor do its regions in which nothing changed for long: all of it is looked at. */
static void target_ends_rests(void)
{
	long long passes, scanned;
	struct pf_vm vm;
	char attr[64];

	pf_vm_start(&vm, PAGES, PF_PLAIN, unique);
	pf_set("rest_passes_max", 255);
	pf_register(vm.pid, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("rested_pages") >= 2 * PAGES), "%lld rested", pf_get("rested_pages"));
	/* While nothing is scanned: the pass that is under way, or due, is the last one. */
	pf_run(0);
	pf_set("pass_interval_ms", 3600000);
	passes = pf_get("vms/%d/passes", vm.pid);
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", vm.pid) > passes), "no pass");
	passes = pf_get("vms/%d/passes", vm.pid);
	scanned = pf_get("scanned_pages");
	sprintf(attr, "vms/%d/target_bytes", vm.pid);
	pf_set(attr, 1);
	REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", vm.pid) > passes), "rests on");
	CHECK(pf_get("scanned_pages") - scanned >= PAGES, "%lld scanned",
	      pf_get("scanned_pages") - scanned);
	pf_vm_stop(&vm);
}

/* Without KVM nothing is ever touched, but sampling goes on, or not, as it is told. */
static void sampling_on_and_off(void)
{
	struct pf_vm vm;
	long long rounds;

	pf_set("wss_cpu_permille", 1000);
	pf_vm_start(&vm, PAGES, PF_PLAIN, unique);
	pf_register(vm.pid, "");
	CHECK(pf_get("vms/%d/wss_rounds", vm.pid) == 0, "a round within no time");
	pf_set("wss_period_ms", 1);
	CHECK(PF_UNTIL(pf_get("vms/%d/wss_rounds", vm.pid) >= 5), "no rounds");
	CHECK(pf_get("vms/%d/wss_sampled_pages", vm.pid) > 400, "%lld samples",
	      pf_get("vms/%d/wss_sampled_pages", vm.pid));
	CHECK(pf_get("vms/%d/wss_bytes", vm.pid) == 0, "%lld touched", pf_get("vms/%d/wss_bytes", vm.pid));
	CHECK(pf_get("vms/%d/wss_ns", vm.pid) > 0, "in no time");
	pf_set("wss_period_ms", 0);
	/* The turn that was under way ends its round, however late; there is no other. */
	rounds = pf_get("vms/%d/wss_rounds", vm.pid);
	pf_set("rest_passes_max", 0);
	pf_run(1);
	REQUIRE(pf_passes(vm.pid, 100), "no passes");
	CHECK(pf_get("vms/%d/wss_rounds", vm.pid) <= rounds + 1, "%lld more rounds",
	      pf_get("vms/%d/wss_rounds", vm.pid) - rounds);
	pf_set("wss_period_ms", 1);
	CHECK(PF_UNTIL(pf_get("vms/%d/wss_rounds", vm.pid) > rounds + 5), "not begun again");
	CHECK(pf_vm_wrong(&vm) == 0, "content changed");
	pf_vm_stop(&vm);
}

static const struct pf_test tests[] = {
	{ "poll_notify", poll_notify },
	{ "usage", usage },
	{ "above_goes_first", above_goes_first },
	{ "target_ends_rest", target_ends_rest },
	{ "target_ends_rests", target_ends_rests },
	{ "sampling_on_and_off", sampling_on_and_off },
};

PF_MAIN(tests)
