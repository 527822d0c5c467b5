// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the module says of itself and of every VM, as structs.
 *
 * With --sysroot the files may come from anywhere, so nothing in them is trusted: a name is what
 * the module would take for one, a number is digits, and what is neither is refused by file, value
 * and range.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"
#include "vm.h"

#define ATTR_INFO(name, file, type, help)	{ #file, ATTR_##type, help },

const struct attr_info vm_attrs[VM_NR] = { VM_NUMBERS(ATTR_INFO) };
const struct attr_info host_attrs[HOST_NR] = { HOST_NUMBERS(ATTR_INFO) };

_Static_assert(VM_NR <= 64, "a bit of has for each");
_Static_assert(HOST_NR <= 64, "a bit of has for each");

/* A directory that is being read, and how its path is told. */
struct source {
	int dir;
	const char *path;
};

/* The text of a file without its newline. Return: 0 or an errno; EFBIG when it does not fit. */
static int text_read(const struct source *from, const char *file, char *buf, size_t size)
{
	int fd = openat(from->dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;
	int rc;

	if (fd < 0)
		return errno;
	n = read(fd, buf, size);
	rc = n < 0 ? errno : 0;
	close(fd);
	if (rc)
		return rc;
	if ((size_t)n == size)
		return EFBIG;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return strlen(buf) == (size_t)n ? 0 : EILSEQ;
}

static bool gone(int rc)
{
	return rc == ENOENT || rc == ENODEV;
}

static int read_failed(const struct source *from, const char *file, int rc, struct err *e)
{
	if (rc == EFBIG || rc == EILSEQ)
		return err_set(e, EX_BAD_INPUT, "%s/%s: %s", from->path, file,
			       rc == EFBIG ? "longer than a value can be" : "holds a NUL byte");
	return err_set(e, EX_REFUSED, "%s/%s: cannot read: %s", from->path, file, strerror(rc));
}

/* The most that a file can say: what is counted in bytes later must still be a number then. */
static uint64_t number_max(const char *file)
{
	static const char pages[] = "_pages";
	size_t len = strlen(file);

	if (len > strlen(pages) && !strcmp(file + len - strlen(pages), pages))
		return INT64_MAX / PF_PAGE_BYTES;
	return INT64_MAX;
}

/* Return: EX_DONE with @has set or not, or an exit code. */
static int number_read(const struct source *from, const char *file, uint64_t *value, bool *has,
		       struct err *e)
{
	unsigned long long v;
	char text[64];
	int rc;

	rc = text_read(from, file, text, sizeof(text));
	*has = !rc;
	if (gone(rc))
		return EX_DONE;
	if (rc)
		return read_failed(from, file, rc, e);
	if (parse_number(text, 0, number_max(file), &v))
		return err_set(e, EX_BAD_INPUT, "%s/%s holds %s: want a number, 0 to %" PRIu64,
			       from->path, file, QUOTE(text), number_max(file));
	*value = v;
	return EX_DONE;
}

/* Return: EX_DONE, -ENOENT when it is not there or is empty, or an exit code. */
static int word_read(const struct source *from, const char *file, char word[PF_NAME_MAX + 1],
		     struct err *e)
{
	char text[PF_NAME_MAX + 2];
	int rc;

	word[0] = '\0';
	rc = text_read(from, file, text, sizeof(text));
	if (gone(rc) || (!rc && !*text))
		return -ENOENT;
	if (rc)
		return read_failed(from, file, rc, e);
	if (!name_is_valid(text))
		return err_set(e, EX_BAD_INPUT,
			       "%s/%s holds %s: want 1 to %d characters of A-Z a-z 0-9 . _ : -",
			       from->path, file, QUOTE(text), PF_NAME_MAX);
	memcpy(word, text, strlen(text) + 1);
	return EX_DONE;
}

static int numbers_read(const struct source *from, const struct attr_info *attrs, size_t count,
			uint64_t *value, uint64_t *has, struct err *e)
{
	bool present;
	int rc;

	*has = 0;
	for (size_t i = 0; i < count; i++) {
		rc = number_read(from, attrs[i].file, &value[i], &present, e);
		if (rc)
			return rc;
		*has |= (uint64_t)present << i;
	}
	return EX_DONE;
}

/* A module has name, domain and policy in every version; without them the VM is gone. */
static int vm_fill(const struct source *from, struct vm *vm, struct err *e)
{
	int rc;

	rc = word_read(from, "name", vm->name, e);
	if (!rc)
		rc = word_read(from, "domain", vm->domain, e);
	if (!rc)
		rc = word_read(from, "policy", vm->policy, e);
	if (!rc)
		rc = numbers_read(from, vm_attrs, VM_NR, vm->value, &vm->has, e);
	if (rc)
		return rc;
	rc = word_read(from, "state", vm->state, e);
	if (rc > 0)
		return rc;
	/* What was not there may be what this module has not, or have gone with the VM. */
	return faccessat(from->dir, "name", F_OK, 0) ? -ENOENT : EX_DONE;
}

int vm_read(const char *sysroot, int pid, struct vm *vm, struct err *e)
{
	char path[PATH_MAX];
	struct source from = { .path = path };
	int rc;

	*vm = (struct vm){ .pid = pid };
	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms/%d", sysroot, pid);
	from.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from.dir < 0) {
		if (gone(errno))
			return -ENOENT;
		return err_set(e, EX_REFUSED, "%s: cannot open: %s", path, strerror(errno));
	}
	rc = vm_fill(&from, vm, e);
	close(from.dir);
	return rc;
}

static int is_pid_dir(const struct dirent *entry)
{
	unsigned long long pid;

	return *entry->d_name != '0' && !parse_number(entry->d_name, 1, PF_PID_MAX, &pid);
}

static int by_pid(const struct dirent **a, const struct dirent **b)
{
	int x = atoi((*a)->d_name), y = atoi((*b)->d_name);

	return (x > y) - (x < y);
}

int vms_read(const char *sysroot, struct vms *vms, struct err *e)
{
	struct dirent **names;
	char path[PATH_MAX];
	int n, rc;

	*vms = (struct vms){ 0 };
	rc = sysfs_present(sysroot, e);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s" SYSFS_DIR "/vms", sysroot);
	n = scandir(path, &names, is_pid_dir, by_pid);
	if (n < 0)
		return err_set(e, EX_REFUSED, "%s: cannot list: %s", path, strerror(errno));
	vms->list = calloc(n + 1, sizeof(*vms->list));
	if (!vms->list)
		rc = err_set(e, EX_REFUSED, "no memory for %d VMs", n);
	for (int i = 0; i < n; i++) {
		if (!rc)
			rc = vm_read(sysroot, atoi(names[i]->d_name), &vms->list[vms->count], e);
		if (!rc)
			vms->count++;
		else if (rc == -ENOENT)
			rc = EX_DONE;
		free(names[i]);
	}
	free(names);
	if (rc)
		vms_free(vms);
	return rc;
}

void vms_free(struct vms *vms)
{
	free(vms->list);
	*vms = (struct vms){ 0 };
}

static int several(const struct vms *vms, const char *who, struct err *e)
{
	char pids[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < vms->count && len < sizeof(pids); i++)
		if (!strcmp(vms->list[i].name, who))
			len += snprintf(pids + len, sizeof(pids) - len, " %d", vms->list[i].pid);
	return err_set(e, EX_BAD_INPUT, "VM %s: several have this name, want a process id of%s%s",
		       QUOTE(who), pids, len < sizeof(pids) ? "" : "...");
}

int vms_find(const struct vms *vms, const char *who, const struct vm **vm, struct err *e)
{
	bool digits = *who && strspn(who, "0123456789") == strlen(who);
	const struct vm *found = NULL;
	int pid = 0;

	if (digits && parse_pid(who, &pid, e))
		return EX_BAD_INPUT;
	if (!digits && !name_is_valid(who))
		return err_set(e, EX_BAD_INPUT,
			       "VM %s: want a process id, or a name of 1 to %d characters of A-Z "
			       "a-z 0-9 . _ : -",
			       QUOTE(who), PF_NAME_MAX);
	for (size_t i = 0; i < vms->count; i++) {
		if (digits ? vms->list[i].pid != pid : strcmp(vms->list[i].name, who))
			continue;
		if (found)
			return several(vms, who, e);
		found = &vms->list[i];
	}
	if (!found)
		return err_set(e, EX_NO_VM, "VM %s: none of the %zu that are registered",
			       QUOTE(who), vms->count);
	*vm = found;
	return EX_DONE;
}

static int profit_read(const struct source *from, struct host *host, struct err *e)
{
	static const char file[] = "general_profit_bytes";
	unsigned long long v;
	char text[64];
	bool minus;
	int rc;

	rc = text_read(from, file, text, sizeof(text));
	if (gone(rc))
		return EX_DONE;
	if (rc)
		return read_failed(from, file, rc, e);
	minus = *text == '-';
	if (parse_number(text + minus, 0, INT64_MAX, &v))
		return err_set(e, EX_BAD_INPUT, "%s/%s holds %s: want a number, -%lld to %lld",
			       from->path, file, QUOTE(text), LLONG_MAX, LLONG_MAX);
	host->profit = minus ? -(int64_t)v : (int64_t)v;
	host->has_profit = true;
	return EX_DONE;
}

int host_read(const char *sysroot, struct host *host, struct err *e)
{
	char path[PATH_MAX];
	struct source from = { .path = path };
	int rc;

	*host = (struct host){ 0 };
	rc = sysfs_present(sysroot, e);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s" SYSFS_DIR, sysroot);
	from.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from.dir < 0)
		return err_set(e, EX_REFUSED, "%s: cannot open: %s", path, strerror(errno));
	rc = numbers_read(&from, host_attrs, HOST_NR, host->value, &host->has, e);
	if (!rc)
		rc = profit_read(&from, host, e);
	close(from.dir);
	return rc;
}
