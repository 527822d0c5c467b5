// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc tells of a VMM's process.
 *
 * All of it is up to the process itself, which may be hostile: it decides the name that people see
 * and nothing else. A uevent may be handled long after it was sent, when its process id may belong
 * to another process, hence the look at what the process has open.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"

#define CMDLINE_MAX	131072	/* an argument's limit; -name stands near the start */
#define ELEMENT_MAX	512
#define LIBVIRT_MONITOR	"charmonitor"	/* as libvirt calls it, in every release */
#define KVM_MISC_MINOR	232	/* admin-guide/devices.txt: 10 char, 232 = /dev/kvm */

/*
 * Take the next element off QEMU's a=b,c=d list. A doubled comma is a comma, a single one ends the
 * element. Return: what follows, NULL at the end of the list.
 */
static const char *option_next(const char *list, char element[ELEMENT_MAX])
{
	size_t n = 0;

	if (!*list)
		return NULL;
	for (; *list && (*list != ',' || list[1] == ','); list++) {
		if (n < ELEMENT_MAX - 1)
			element[n++] = *list;
		list += *list == ',';
	}
	element[n] = '\0';
	return list + (*list == ',');
}

/* The value of @key in the list, or with @first of the first element when that has no key. */
static bool option_value(const char *list, const char *key, bool first, char *value, size_t size)
{
	char element[ELEMENT_MAX];
	size_t len = strlen(key);
	bool found = false;

	while ((list = option_next(list, element))) {
		const char *v = NULL;

		if (!strncmp(element, key, len) && element[len] == '=')
			v = element + len + 1;
		else if (first && !strchr(element, '='))
			v = element;
		if (v && *v) {
			snprintf(value, size, "%s", v);
			found = true;
		}
		first = false;
	}
	return found;
}

/* As QEMU reads it: with one dash or two. */
static bool is_option(const char *arg, const char *option)
{
	return !strcmp(arg, option) || (*arg == '-' && !strcmp(arg + 1, option));
}

bool cmdline_guest_name(const char *cmdline, size_t len, char name[PF_NAME_MAX + 1])
{
	const char *end = cmdline + len, *arg = cmdline, *nul;
	bool is_value = false, found = false;
	char value[ELEMENT_MAX];

	/* An argument without its NUL was cut off by the limit: not to be trusted. */
	for (; arg < end && (nul = memchr(arg, '\0', end - arg)); arg = nul + 1) {
		if (is_value && option_value(arg, "guest", true, value, sizeof(value))) {
			name_sanitize(value, name);
			found = true;
		}
		is_value = !is_value && is_option(arg, "-name");
	}
	return found;
}

/* An absolute path that leads nowhere else and fits an address. */
static bool take_path(const char *text, char path[QMP_PATH_MAX])
{
	if (*text != '/' || strstr(text, "/../") || strlen(text) >= QMP_PATH_MAX)
		return false;
	strcpy(path, text);
	return true;
}

/* Of an argument and the one after it, both ended by NUL, the path when they are -qmp unix:PATH. */
static bool qmp_option(const char *arg, const char *value, char path[QMP_PATH_MAX])
{
	char element[ELEMENT_MAX];

	if (!is_option(arg, "-qmp") && !is_option(arg, "-qmp-pretty"))
		return false;
	return option_next(value, element) && !strncmp(element, "unix:", 5) &&
	       take_path(element + 5, path);
}

/* The path of the socket that is called @id. */
static bool chardev_path(const char *cmdline, const char *end, const char *id,
			 char path[QMP_PATH_MAX])
{
	char name[ELEMENT_MAX], value[ELEMENT_MAX];
	const char *arg, *nul, *before = "";

	for (arg = cmdline; arg < end && (nul = memchr(arg, '\0', end - arg)); arg = nul + 1) {
		if (is_option(before, "-chardev") && !strncmp(arg, "socket,", 7) &&
		    option_value(arg, "id", false, name, sizeof(name)) && !strcmp(name, id) &&
		    option_value(arg, "path", false, value, sizeof(value)))
			return take_path(value, path);
		before = arg;
	}
	return false;
}

/* Of an argument and the one after it, the chardev when they are -mon chardev=ID,mode=control. */
static bool monitor_option(const char *arg, const char *value, char id[ELEMENT_MAX])
{
	char mode[ELEMENT_MAX];

	return is_option(arg, "-mon") && option_value(value, "mode", false, mode, sizeof(mode)) &&
	       !strcmp(mode, "control") && option_value(value, "chardev", true, id, ELEMENT_MAX);
}

bool cmdline_qmp_paths(const char *cmdline, size_t len, struct qmp_paths *paths)
{
	const char *end = cmdline + len, *arg, *nul, *before = "";
	char id[ELEMENT_MAX];

	for (arg = cmdline; arg < end && (nul = memchr(arg, '\0', end - arg)); arg = nul + 1) {
		char *path = paths->path[paths->n];

		if (qmp_option(before, arg, path) ||
		    (monitor_option(before, arg, id) && strcmp(id, LIBVIRT_MONITOR) &&
		     chardev_path(cmdline, end, id, path)))
			paths->n++;
		if (paths->n == QMP_PATHS)
			break;
		before = arg;
	}
	return paths->n;
}

static bool uuid_is_valid(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; form[i]; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != '-')
			return false;
	return !text[i];
}

bool cmdline_libvirt_uuid(const char *cmdline, size_t len, char uuid[UUID_TEXT_SIZE])
{
	const char *end = cmdline + len, *arg, *nul, *before = "";
	bool libvirt = false, found = false;
	char id[ELEMENT_MAX];

	for (arg = cmdline; arg < end && (nul = memchr(arg, '\0', end - arg)); arg = nul + 1) {
		if (monitor_option(before, arg, id) && !strcmp(id, LIBVIRT_MONITOR))
			libvirt = true;
		if (is_option(before, "-uuid") && uuid_is_valid(arg)) {
			strcpy(uuid, arg);
			found = true;
		}
		before = arg;
	}
	return libvirt && found;
}

/* JSON is what libvirt writes, without spaces. */
static bool is_balloon(const char *device)
{
	return !strncmp(device, "virtio-balloon", 14) ||
	       (*device == '{' && strstr(device, "\"driver\":\"virtio-balloon"));
}

static bool yields_on_oom(const char *device)
{
	char value[ELEMENT_MAX];

	if (*device == '{')
		return strstr(device, "\"deflate-on-oom\":true");
	return option_value(device, "deflate-on-oom", false, value, sizeof(value)) &&
	       (!strcmp(value, "on") || !strcmp(value, "true") || !strcmp(value, "yes"));
}

enum balloon_device cmdline_balloon(const char *cmdline, size_t len)
{
	const char *end = cmdline + len, *arg, *nul, *before = "";

	for (arg = cmdline; arg < end && (nul = memchr(arg, '\0', end - arg)); arg = nul + 1) {
		if (is_option(before, "-device") && is_balloon(arg))
			return yields_on_oom(arg) ? BALLOON_YIELDS : BALLOON_PLAIN;
		before = arg;
	}
	return BALLOON_NONE;
}

/* Read /proc/@pid/@file. Return: bytes read, at most @size - 1 and followed by a NUL; -errno. */
static ssize_t process_read(const char *sysroot, int pid, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t n, len = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/proc/%d/%s", sysroot, pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	if (n < 0)
		len = -errno;
	close(fd);
	if (len >= 0)
		buf[len] = '\0';
	return len;
}

int process_of_thread(const char *sysroot, int tid)
{
	static const char key[] = "\nTgid:\t";
	char status[4096], *at;
	int pid;

	if (process_read(sysroot, tid, "status", status, sizeof(status)) < 0)
		return 0;
	at = strstr(status, key);
	if (!at || sscanf(at + strlen(key), "%7d\n", &pid) != 1)
		return 0;
	return pid;
}

/* Return: to be freed, and how long it is; NULL when there is none. */
static char *process_cmdline(const char *sysroot, int pid, size_t *len)
{
	char *cmdline = malloc(CMDLINE_MAX);
	ssize_t n = cmdline ? process_read(sysroot, pid, "cmdline", cmdline, CMDLINE_MAX) : -1;

	if (n > 0) {
		*len = n;
		return cmdline;
	}
	free(cmdline);
	return NULL;
}

void process_vm_name(const char *sysroot, int pid, char name[PF_NAME_MAX + 1])
{
	size_t len;
	char *cmdline = process_cmdline(sysroot, pid, &len), comm[64];
	bool found = cmdline && cmdline_guest_name(cmdline, len, name);
	ssize_t n;

	free(cmdline);
	if (found)
		return;
	n = process_read(sysroot, pid, "comm", comm, sizeof(comm));
	if (n > 1) {
		comm[n - 1] = '\0';
		name_sanitize(comm, name);
		return;
	}
	snprintf(name, PF_NAME_MAX + 1, "pid-%d", pid);
}

bool process_qmp_paths(const char *sysroot, int pid, struct qmp_paths *paths)
{
	size_t len;
	char *cmdline = process_cmdline(sysroot, pid, &len);
	bool found = cmdline && cmdline_qmp_paths(cmdline, len, paths);

	free(cmdline);
	return found;
}

bool process_libvirt_uuid(const char *sysroot, int pid, char uuid[UUID_TEXT_SIZE])
{
	size_t len;
	char *cmdline = process_cmdline(sysroot, pid, &len);
	bool found = cmdline && cmdline_libvirt_uuid(cmdline, len, uuid);

	free(cmdline);
	return found;
}

enum balloon_device process_balloon(const char *sysroot, int pid)
{
	size_t len;
	char *cmdline = process_cmdline(sysroot, pid, &len);
	enum balloon_device found = cmdline ? cmdline_balloon(cmdline, len) : BALLOON_UNKNOWN;

	free(cmdline);
	return found;
}

static bool fd_is_kvm(int dir, const char *fd, bool device)
{
	static const char vm[] = "anon_inode:kvm-vm";
	char target[sizeof(vm)];
	struct statx st;

	/* A VM's link is this text and no more: one byte of room more shows what is longer. */
	if (readlinkat(dir, fd, target, sizeof(target)) == sizeof(vm) - 1 &&
	    !memcmp(target, vm, sizeof(vm) - 1))
		return true;
	/* DONT_SYNC: a file on a hostile FUSE mount must not make us wait for its server. */
	return device && !statx(dir, fd, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) &&
	       S_ISCHR(st.stx_mode) && st.stx_rdev_major == 10 &&
	       st.stx_rdev_minor == KVM_MISC_MINOR;
}

bool process_has_kvm(const char *sysroot, int pid, bool device)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/%d/fd", sysroot, pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = fd_is_kvm(dirfd(dir), entry->d_name, device);
	closedir(dir);
	return found;
}
