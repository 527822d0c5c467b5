// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the module's attributes: of older ones too, of VMs that go, of files that lie.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tap.h"
#include "tree.h"
#include "vm.h"

#define SYS "/sys/kernel/pagefold/"

static char root[] = "/tmp/test-vm.XXXXXX";

static void set(const char *attr, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), SYS "%s", attr);
	tree_file(root, path, text);
}

static void fresh(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/sys", root);
	tree_remove(path);
	set("run", "1\n");
	set("general_profit_bytes", "-4096\n");
	set("vms/99/name", "web-1\n");
	set("vms/99/domain", "tenant\n");
	set("vms/99/policy", "madvise\n");
	set("vms/99/resident_bytes", "67108864\n");
	set("vms/99/folded_pages", "0\n");
}

static bool newer_and_older(void)
{
	struct vm vm;
	struct err e;

	fresh();
	EXPECT(!vm_read(root, 99, &vm, &e), "%s", e.text);
	EXPECT(vm.pid == 99 && !strcmp(vm.name, "web-1") && !strcmp(vm.domain, "tenant") &&
	       !strcmp(vm.policy, "madvise"), "%d %s %s %s", vm.pid, vm.name, vm.domain, vm.policy);
	EXPECT(vm_has(&vm, VM_RESIDENT) && vm.value[VM_RESIDENT] == 67108864, "resident");
	EXPECT(vm_has(&vm, VM_FOLDED) && !vm.value[VM_FOLDED], "folded is there and 0");
	EXPECT(!vm_has(&vm, VM_TARGET) && !vm_has(&vm, VM_WSS) && !*vm.state, "older module");
	set("vms/99/target_bytes", "9223372036854775807\n");
	set("vms/99/state", "balloon\n");
	EXPECT(!vm_read(root, 99, &vm, &e), "%s", e.text);
	EXPECT(vm_has(&vm, VM_TARGET) && vm.value[VM_TARGET] == INT64_MAX, "target");
	EXPECT(!strcmp(vm.state, "balloon"), "state %s", vm.state);
	set("vms/99/state", "\n");
	EXPECT(!vm_read(root, 99, &vm, &e) && !*vm.state, "state %s", vm.state);
	return true;
}

static bool host_figures(void)
{
	struct host host;
	struct err e;

	fresh();
	EXPECT(!host_read(root, &host, &e), "%s", e.text);
	EXPECT(host_has(&host, HOST_RUN) && host.value[HOST_RUN] == 1, "run");
	EXPECT(host.has_profit && host.profit == -4096, "profit %" PRId64, host.profit);
	EXPECT(!host_has(&host, HOST_FRAMES), "frames");
	EXPECT(host_read("/nonexistent", &host, &e) == EX_NO_MODULE, "no module");
	set("general_profit_bytes", "--1");
	EXPECT(host_read(root, &host, &e) == EX_BAD_INPUT && strstr(e.text, "\"--1\""), "%s",
	       e.text);
	return true;
}

static bool refused(void)
{
	static const struct {
		const char *file, *text, *complaint;
	} table[] = {
		{ "resident_bytes", "-1\n",
		  "resident_bytes holds \"-1\": want a number, 0 to 9223372036854775807" },
		{ "resident_bytes", "9223372036854775808\n",
		  "\"9223372036854775808\": want a number" },
		{ "folded_pages", "2251799813685248\n", "want a number, 0 to 2251799813685247" },
		{ "resident_bytes", "1 2\n", "\"1 2\"" },
		{ "resident_bytes", "\n", "holds \"\": want a number" },
		{ "resident_bytes", "1\n\n", "\"1\\x0a\"" },
		{ "resident_bytes",
		  "00000000000000000000000000000000" "00000000000000000000000000000000",
		  "resident_bytes: longer than a value can be" },
		{ "name", "a b\n", "name holds \"a b\": want 1 to 63 characters" },
		{ "domain", "\033[2J\n", "domain holds \"\\x1b[2J\": want" },
		{ "state", "../x\n", "state holds \"../x\": want" },
	};
	struct vms vms;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char attr[64];

		fresh();
		snprintf(attr, sizeof(attr), "vms/99/%s", table[i].file);
		set(attr, table[i].text);
		e.text[0] = '\0';
		EXPECT(vms_read(root, &vms, &e) == EX_BAD_INPUT, "row %zu is taken", i);
		EXPECT(strstr(e.text, table[i].complaint), "row %zu says: %s", i, e.text);
		EXPECT(strstr(e.text, SYS "vms/99/"), "row %zu does not say where: %s", i, e.text);
		EXPECT(!vms.list && !vms.count, "row %zu leaves something", i);
	}
	fresh();
	tree_bytes(root, SYS "vms/99/name", "a\0b\n", 4);
	EXPECT(vms_read(root, &vms, &e) == EX_BAD_INPUT && strstr(e.text, "NUL"), "%s", e.text);
	return true;
}

static bool all_of_them(void)
{
	static const char * const other[] = { "7", "1000", "abc", "0", "007", "4194305" };
	struct vms vms;
	struct err e;

	fresh();
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		char attr[64];

		snprintf(attr, sizeof(attr), "vms/%s/name", other[i]);
		set(attr, "x\n");
		snprintf(attr, sizeof(attr), "vms/%s/domain", other[i]);
		set(attr, "x\n");
		snprintf(attr, sizeof(attr), "vms/%s/policy", other[i]);
		set(attr, "always\n");
	}
	/* Going: its directory is there still, its files are not. */
	set("vms/50/share", "100\n");
	EXPECT(!vms_read(root, &vms, &e), "%s", e.text);
	EXPECT(vms.count == 3, "%zu VMs", vms.count);
	EXPECT(vms.list[0].pid == 7 && vms.list[1].pid == 99 && vms.list[2].pid == 1000, "order");
	vms_free(&vms);
	EXPECT(!vms.list && !vms.count, "not empty");
	EXPECT(vms_read("/nonexistent", &vms, &e) == EX_NO_MODULE, "no module");
	return true;
}

static bool finding(void)
{
	struct vm list[] = {
		{ .pid = 7, .name = "a" },
		{ .pid = 8, .name = "b" },
		{ .pid = 9, .name = "b" },
		{ .pid = 10, .name = "7" },
	};
	struct vms vms = { list, ARRAY_SIZE(list) };
	const struct vm *vm = NULL;
	struct err e;

	EXPECT(!vms_find(&vms, "a", &vm, &e) && vm == &list[0], "a");
	EXPECT(!vms_find(&vms, "8", &vm, &e) && vm == &list[1], "8");
	EXPECT(!vms_find(&vms, "7", &vm, &e) && vm == &list[0], "7 is an id before it is a name");
	EXPECT(vms_find(&vms, "b", &vm, &e) == EX_BAD_INPUT && strstr(e.text, "of 8 9"), "%s",
	       e.text);
	EXPECT(vms_find(&vms, "c", &vm, &e) == EX_NO_VM && strstr(e.text, "\"c\""), "%s", e.text);
	EXPECT(vms_find(&vms, "11", &vm, &e) == EX_NO_VM, "%s", e.text);
	EXPECT(vms_find(&vms, "../7", &vm, &e) == EX_BAD_INPUT, "%s", e.text);
	EXPECT(vms_find(&vms, "", &vm, &e) == EX_BAD_INPUT, "%s", e.text);
	EXPECT(vms_find(&vms, "99999999", &vm, &e) == EX_BAD_INPUT && strstr(e.text, "4194304"),
	       "%s", e.text);
	return true;
}

static atomic_bool stop;
static atomic_uint readings;

/* Let the other thread read twice: once may have begun before. */
static void wait_readings(void)
{
	unsigned int until = readings + 2;

	while (!stop && (int)(readings - until) < 0)
		sched_yield();
}

/* A VM that comes and goes, now as fast as can be, now so that it is seen. */
static void *come_and_go(void *arg)
{
	static const char * const files[] = { "name", "domain", "policy", "resident_bytes" };
	char path[256];

	(void)arg;
	for (unsigned int round = 0; !stop; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			snprintf(path, sizeof(path), SYS "vms/1000/.%s", files[i]);
			tree_file(root, path, i < 3 ? "always\n" : "4096\n");
		}
		for (size_t i = ARRAY_SIZE(files); i--;) {
			char from[600], to[600];

			snprintf(from, sizeof(from), "%s" SYS "vms/1000/.%s", root, files[i]);
			snprintf(to, sizeof(to), "%s" SYS "vms/1000/%s", root, files[i]);
			rename(from, to);
		}
		if (round % 2) {
			wait_readings();
			/* Not always as one begins. */
			for (volatile int i = random() % 30000; i; i--)
				;
		}
		/* sysfs takes all files away at once; who has seen the name go must not believe. */
		tree_unlink(root, SYS "vms/1000/name");
		snprintf(path, sizeof(path), "%s" SYS "vms/1000", root);
		tree_remove(path);
		if (round % 4 == 1)
			wait_readings();
	}
	return NULL;
}

static bool going_while_read(void)
{
	int with = 0, without = 0, rc = 0;
	pthread_t thread;
	struct vms vms;
	struct err e;

	fresh();
	stop = false;
	EXPECT(!pthread_create(&thread, NULL, come_and_go, NULL), "no thread");
	while (with < 2000 || without < 2000) {
		bool both;

		rc = vms_read(root, &vms, &e);
		both = vms.count == 2;
		readings++;
		if (rc || vms.count < 1 || vms.count > 2 ||
		    (both && (strcmp(vms.list[1].name, "always") ||
			      !vm_has(&vms.list[1], VM_RESIDENT))))
			stop = true;
		vms_free(&vms);
		if (stop)
			break;
		with += both;
		without += !both;
	}
	if (stop) {
		pthread_join(thread, NULL);
		EXPECT(false, "half a VM, or: %s", rc ? e.text : "no error");
	}
	stop = true;
	pthread_join(thread, NULL);
	printf("# there %d times, gone %d times\n", with, without);
	EXPECT(with && without, "there %d times, gone %d times", with, without);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "attributes that are there and attributes of newer modules", newer_and_older },
		{ "the module's own figures", host_figures },
		{ "files that lie are refused with path, value and range", refused },
		{ "all VMs in order, without what is none and without who goes", all_of_them },
		{ "a VM is found by id or name, and never guessed", finding },
		{ "a VM that comes and goes is whole or not there", going_while_read },
	};
	int rc;

	if (!mkdtemp(root))
		return 1;
	rc = tap_run(tests, ARRAY_SIZE(tests));
	tree_remove(root);
	return rc;
}
