// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything that reads what others wrote, for libFuzzer: the first byte says which reader gets the
 * rest.
 *
 * What is looked at beside memory errors: who refuses has a reason, and who takes gives what is
 * inside the range.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "process.h"
#include "record.h"
#include "report.h"
#include "size.h"
#include "timeline.h"
#include "tree.h"
#include "vm.h"

#define MUST(condition) do {		\
	if (!(condition))		\
		abort();		\
} while (0)

static void fuzz_size(const char *text)
{
	uint64_t bytes = 1, again;
	struct err e = { "" };

	if (size_take("size", text, 10, 1ULL << 60, &bytes, &e)) {
		MUST(bytes == 1 && strstr(e.text, "want a size"));
		return;
	}
	MUST(bytes >= 10 && bytes <= 1ULL << 60);
	MUST(!size_parse(SIZE_TEXT(bytes), 0, UINT64_MAX, &again));
}

/* What is taken is written and read as the same. */
static void fuzz_record(const char *text, size_t len)
{
	struct record r, again;
	struct err e = { "" };
	char *line;

	if (record_parse(text, len, &r, &e)) {
		MUST(*e.text);
		return;
	}
	if (r.type == RECORD_OTHER)
		return;
	line = record_format(&r);
	MUST(line && !record_parse(line, strlen(line) - 1, &again, &e));
	MUST(again.type == r.type && again.time_ms == r.time_ms && again.vm.has == r.vm.has &&
	     again.vm.pid == r.vm.pid && !memcmp(again.vm.value, r.vm.value, sizeof(r.vm.value)));
	free(line);
}

static void fuzz_report(const char *text, size_t len)
{
	FILE *from = fmemopen((char *)text, len, "r"), *to = fopen("/dev/null", "w");
	struct timeline t;
	struct err e = { "" };

	MUST(from && to);
	if (timeline_read(NULL, from, &t, &e))
		MUST(*e.text);
	else
		MUST(!report_print(&t, to));
	timeline_free(&t);
	fclose(from);
	fclose(to);
}

static void fuzz_config(const char *text, size_t len)
{
	char *copy = malloc(len + 1);
	struct registration r = { 0 };
	struct err e = { "" };

	memcpy(copy, text, len);
	if (config_parse(copy, len, &r, &e))
		MUST(*e.text);
	else
		MUST(!*r.domain || name_is_valid(r.domain));
	free(copy);
}

static void fuzz_cmdline(const char *text, size_t len)
{
	char name[PF_NAME_MAX + 1], uuid[UUID_TEXT_SIZE];
	struct qmp_paths paths = { 0 };

	if (cmdline_guest_name(text, len, name))
		MUST(name_is_valid(name));
	if (cmdline_libvirt_uuid(text, len, uuid))
		MUST(strlen(uuid) == UUID_TEXT_SIZE - 1);
	MUST(cmdline_balloon(text, len) != BALLOON_UNKNOWN);
	MUST(cmdline_qmp_paths(text, len, &paths) == (paths.n > 0) && paths.n <= QMP_PATHS);
	for (size_t i = 0; i < paths.n; i++)
		MUST(*paths.path[i] == '/' && strlen(paths.path[i]) < QMP_PATH_MAX);
}

/* A dump in which one file is what nobody would have written. */
static void fuzz_dump(const char *text, size_t len)
{
	static const char * const files[] = { "name", "domain", "policy", "state", "share",
		"resident_bytes", "target_bytes", "../../general_profit_bytes", "../../run" };
	static char root[] = "/tmp/fuzz.XXXXXX", path[128];
	static bool planted;
	struct err e = { "" };
	struct host host;
	struct vms vms;
	size_t which;

	if (!len)
		return;
	if (!planted) {
		MUST(mkdtemp(root));
		tree_file(root, "/sys/kernel/pagefold/run", "1\n");
	}
	planted = true;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/pagefold/vms/7/%s", files[i]);
		tree_file(root, path, "x\n");
	}
	which = (unsigned char)*text % ARRAY_SIZE(files);
	snprintf(path, sizeof(path), "/sys/kernel/pagefold/vms/7/%s", files[which]);
	tree_bytes(root, path, text + 1, len - 1);
	if (vms_read(root, &vms, &e))
		MUST(*e.text && !vms.list);
	else
		MUST(vms.count <= 1 && (!vms.count || name_is_valid(vms.list[0].name)));
	vms_free(&vms);
	if (host_read(root, &host, &e))
		MUST(*e.text);
	tree_unlink(root, path);
	tree_file(root, "/sys/kernel/pagefold/run", "1\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	size_t len;

	if (!size)
		return 0;
	/* On the heap and exact but for a NUL that readers of strings need. */
	len = size - 1;
	text = malloc(len + 1);
	memcpy(text, data + 1, len);
	text[len] = '\0';
	switch (*data % 6) {
	case 0:
		fuzz_size(text);
		break;
	case 1:
		fuzz_record(text, len);
		break;
	case 2:
		fuzz_report(text, len);
		break;
	case 3:
		fuzz_config(text, len);
		break;
	case 4:
		fuzz_cmdline(text, len);
		break;
	default:
		fuzz_dump(text, len);
	}
	free(text);
	return 0;
}
