// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc tells of a VMM's process.
 *
 * All of it is up to the process itself, which may be hostile: it decides the name that people see
 * and nothing else. A uevent may be handled long after it was sent, when its process id may belong
 * to another process, hence the look at what the process has open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"

#define CMDLINE_MAX	131072	/* an argument's limit; -name stands near the start */
#define KVM_MISC_MINOR	232	/* admin-guide/devices.txt: 10 char, 232 = /dev/kvm */

/* Take the value of "guest", or the first element without a key, out of QEMU's a=b,c=d list. */
static bool option_guest(const char *list, char *value, size_t size)
{
	bool found = false, first = true;

	while (*list) {
		char element[512];
		size_t n = 0;
		const char *v = NULL;

		/* A doubled comma is a comma, a single one ends the element. */
		for (; *list && (*list != ',' || list[1] == ','); list++) {
			if (n < sizeof(element) - 1)
				element[n++] = *list;
			list += *list == ',';
		}
		element[n] = '\0';
		list += *list == ',';
		if (!strncmp(element, "guest=", 6))
			v = element + 6;
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

bool cmdline_guest_name(const char *cmdline, size_t len, char name[PF_NAME_MAX + 1])
{
	const char *end = cmdline + len, *arg = cmdline, *nul;
	bool is_value = false, found = false;
	char value[512];

	/* An argument without its NUL was cut off by the limit: not to be trusted. */
	for (; arg < end && (nul = memchr(arg, '\0', end - arg)); arg = nul + 1) {
		if (is_value && option_guest(arg, value, sizeof(value))) {
			name_sanitize(value, name);
			found = true;
		}
		is_value = !is_value && (!strcmp(arg, "-name") || !strcmp(arg, "--name"));
	}
	return found;
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

void process_vm_name(const char *sysroot, int pid, char name[PF_NAME_MAX + 1])
{
	static char cmdline[CMDLINE_MAX];
	char comm[64];
	ssize_t n;

	n = process_read(sysroot, pid, "cmdline", cmdline, sizeof(cmdline));
	if (n > 0 && cmdline_guest_name(cmdline, n, name))
		return;
	n = process_read(sysroot, pid, "comm", comm, sizeof(comm));
	if (n > 1) {
		comm[n - 1] = '\0';
		name_sanitize(comm, name);
		return;
	}
	snprintf(name, PF_NAME_MAX + 1, "pid-%d", pid);
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
