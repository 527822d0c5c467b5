// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is read of a process that may be hostile.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "tap.h"

static bool guest_name(const char *cmdline, size_t len, char name[PF_NAME_MAX + 1])
{
	char *copy = malloc(len ? len : 1);
	bool found;

	memcpy(copy, cmdline, len);
	name[0] = '\0';
	found = cmdline_guest_name(copy, len, name);
	free(copy);
	return found;
}

static bool guest_qmp(const char *cmdline, size_t len, char path[QMP_PATH_MAX])
{
	char *copy = malloc(len ? len : 1);
	struct qmp_paths paths = { 0 };
	bool found;

	memcpy(copy, cmdline, len);
	found = cmdline_qmp_paths(copy, len, &paths);
	memcpy(path, paths.path[0], QMP_PATH_MAX);
	free(copy);
	return found;
}

/* Each in its turn, and no more than there is room for. */
static bool all_sockets_are_found(void)
{
	static const char line[] = "qemu\0-qmp\0unix:/a\0-qmp\0unix:b\0-qmp\0unix:/c,server=on\0"
				   "-chardev\0socket,id=m,path=/d\0-mon\0m,mode=control\0"
				   "-qmp\0unix:/e\0-qmp\0unix:/f";
	static const char * const want[QMP_PATHS] = { "/a", "/c", "/d", "/e" };
	struct qmp_paths paths = { 0 };

	EXPECT(cmdline_qmp_paths(line, sizeof(line), &paths) && paths.n == QMP_PATHS, "%zu",
	       paths.n);
	for (size_t i = 0; i < QMP_PATHS; i++)
		EXPECT(!strcmp(paths.path[i], want[i]), "%zu: %s", i, paths.path[i]);
	return true;
}

static bool guest_uuid(const char *cmdline, size_t len, char uuid[UUID_TEXT_SIZE])
{
	char *copy = malloc(len ? len : 1);
	bool found;

	memcpy(copy, cmdline, len);
	uuid[0] = '\0';
	found = cmdline_libvirt_uuid(copy, len, uuid);
	free(copy);
	return found;
}

static enum balloon_device guest_balloon(const char *cmdline, size_t len)
{
	char *copy = malloc(len ? len : 1);
	enum balloon_device found;

	memcpy(copy, cmdline, len);
	found = cmdline_balloon(copy, len);
	free(copy);
	return found;
}

#define ROW(cmdline, name) { cmdline, sizeof(cmdline) - 1, name }

static bool command_lines(void)
{
	static const struct {
		const char *cmdline;
		size_t len;
		const char *name;	/* NULL: none found */
	} table[] = {
		ROW("qemu-system-x86_64\0-name\0guest=vm1,debug-threads=on\0-m\0" "512\0", "vm1"),
		ROW("qemu\0-name\0vm2\0", "vm2"),
		ROW("qemu\0--name\0vm3\0", "vm3"),
		ROW("qemu\0-name\0vm4,process=qemu-vm4\0", "vm4"),
		ROW("qemu\0-name\0debug-threads=on,guest=vm5\0", "vm5"),
		ROW("qemu\0-name\0guest=a,,b\0", "a-b"),
		ROW("qemu\0-name\0guest=a b/c\0", "a-b-c"),
		ROW("qemu\0-name\0first\0-name\0guest=last\0", "last"),
		ROW("qemu\0-name\0guest=\0", NULL),
		ROW("qemu\0-name\0debug-threads=on\0", NULL),
		ROW("qemu\0-name\0on,process=x,other\0", "on"),
		ROW("qemu\0-name\0\0", NULL),
		ROW("qemu\0-name\0", NULL),
		ROW("qemu\0-name", NULL),
		ROW("qemu\0-name\0guest=cut", NULL),
		ROW("\0\0\0", NULL),
		ROW("", NULL),
		ROW("qemu\0-name\0guest=\033]0;x\007\0", "-]0;x-"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char name[PF_NAME_MAX + 1], want[PF_NAME_MAX + 1];
		bool found = guest_name(table[i].cmdline, table[i].len, name);

		EXPECT(found == !!table[i].name, "row %zu: %s", i, name);
		if (!found)
			continue;
		name_sanitize(table[i].name, want);
		EXPECT(!strcmp(name, want) && name_is_valid(name), "row %zu: %s", i, name);
	}
	return true;
}

static bool monitors(void)
{
	static const struct {
		const char *cmdline;
		size_t len;
		const char *path;	/* NULL: none found */
	} table[] = {
		ROW("qemu\0-qmp\0unix:/run/a.qmp,server=on,wait=off\0", "/run/a.qmp"),
		ROW("qemu\0--qmp\0unix:/run/a,,b\0", "/run/a,b"),
		ROW("qemu\0-qmp\0tcp:localhost:4444\0-qmp\0unix:/b\0", "/b"),
		ROW("qemu\0-chardev\0socket,id=m,path=/run/m,server=on\0-mon\0chardev=m,mode=control\0",
		    "/run/m"),
		ROW("qemu\0-mon\0chardev=m,mode=control\0-chardev\0socket,path=/run/m,id=m\0", "/run/m"),
		ROW("qemu\0-mon\0m,mode=control\0-chardev\0socket,path=/run/m,id=m\0", "/run/m"),
		ROW("qemu\0--mon\0m,mode=control\0--chardev\0socket,path=/run/m,id=m\0", "/run/m"),
		ROW("qemu\0--qmp-pretty\0unix:/run/a\0", "/run/a"),
		ROW("qemu\0---qmp\0unix:/run/a\0", NULL),
		ROW("qemu\0-chardev\0socket,id=m,path=/run/m\0-mon\0chardev=m,mode=readline\0", NULL),
		ROW("qemu\0-chardev\0socket,id=m,path=/run/m\0-mon\0chardev=n,mode=control\0", NULL),
		ROW("qemu\0-chardev\0file,id=m,path=/run/m\0-mon\0chardev=m,mode=control\0", NULL),
		ROW("qemu\0-qmp\0unix:/234567890123456789012345678901234567890123456789012345678901234567"
		    "890123456789012345678901234567890123456\0-qmp\0unix:/b\0",
		    "/234567890123456789012345678901234567890123456789012345678901234567"
		    "890123456789012345678901234567890123456"),
		ROW("qemu\0-qmp\0unix:/234567890123456789012345678901234567890123456789012345678901234567"
		    "89012345678901234567890123456789012345678\0-qmp\0unix:/b\0", "/b"),
		ROW("qemu\0-chardev\0socket,id=charmonitor,path=/run/m\0"
		    "-mon\0chardev=charmonitor,mode=control\0", NULL),
		ROW("qemu\0-chardev\0socket,id=charmonitor,fd=24\0-mon\0chardev=charmonitor,"
		    "mode=control\0-qmp\0unix:/run/own\0", "/run/own"),
		ROW("qemu\0-qmp\0unix:relative\0", NULL),
		ROW("qemu\0-qmp\0unix:/run/../etc/x\0", NULL),
		ROW("qemu\0-qmp\0unix:/run/cut", NULL),
		ROW("qemu\0-qmp\0", NULL),
		ROW("-qmp", NULL),
		ROW("", NULL),
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char path[QMP_PATH_MAX];
		bool found = guest_qmp(table[i].cmdline, table[i].len, path);

		EXPECT(found == !!table[i].path, "row %zu: %s", i, path);
		EXPECT(!found || !strcmp(path, table[i].path), "row %zu: %s", i, path);
	}
	return true;
}

#define UUID	"88206ee3-17d0-4341-9108-9351A76A6C1C"
#define LIBVIRT	"-mon\0chardev=charmonitor,id=monitor,mode=control\0"

static bool libvirt_guests(void)
{
	static const struct {
		const char *cmdline;
		size_t len;
		const char *uuid;	/* NULL: none found */
	} table[] = {
		ROW("qemu\0-uuid\0" UUID "\0" LIBVIRT, UUID),
		ROW("qemu\0" LIBVIRT "-uuid\0" UUID "\0", UUID),
		ROW("qemu\0-" LIBVIRT "--uuid\0" UUID "\0", UUID),
		ROW("qemu\0-uuid\0" UUID "\0-mon\0chardev=m,mode=control\0", NULL),
		ROW("qemu\0-uuid\0" UUID "\0-mon\0chardev=charmonitor,mode=readline\0", NULL),
		ROW("qemu\0" LIBVIRT, NULL),
		ROW("qemu\0-uuid\0" UUID "0\0" LIBVIRT, NULL),
		ROW("qemu\0-uuid\0" "88206ee3-17d0-4341-9108-9351A76A6C1\0" LIBVIRT, NULL),
		ROW("qemu\0-uuid\0" "88206ee3-17d0-4341-9108_9351A76A6C1C\0" LIBVIRT, NULL),
		ROW("qemu\0-uuid\0" "88206ee3-17d0-4341-9108-9351A76A6C1X\0" LIBVIRT, NULL),
		ROW("qemu\0" LIBVIRT "-uuid\0" UUID, NULL),
		ROW("", NULL),
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char uuid[UUID_TEXT_SIZE];
		bool found = guest_uuid(table[i].cmdline, table[i].len, uuid);

		EXPECT(found == !!table[i].uuid, "row %zu: %s", i, uuid);
		EXPECT(!found || !strcmp(uuid, table[i].uuid), "row %zu: %s", i, uuid);
	}
	return true;
}

static bool noise(void)
{
	static const char * const pieces[] = {
		"-name", "--name", "guest=", ",", "=", "a", "\x80", "", "-qmp", "-mon", "-chardev",
		"unix:/", "chardev=", "id=a", "path=/", "socket,", "mode=control",
	};

	srandom(2);
	for (int round = 0; round < 20000; round++) {
		char line[128], name[PF_NAME_MAX + 1], path[QMP_PATH_MAX];
		size_t len = 0;

		while (len < sizeof(line) - 16) {
			const char *piece = pieces[random() % ARRAY_SIZE(pieces)];

			memcpy(line + len, piece, strlen(piece));
			len += strlen(piece);
			if (random() % 2)
				line[len++] = '\0';
		}
		len = random() % (len + 1);
		if (guest_name(line, len, name))
			EXPECT(name_is_valid(name), "round %d: %s", round, name);
		if (guest_qmp(line, len, path))
			EXPECT(*path == '/', "round %d: %s", round, path);
	}
	return true;
}

static bool longest(void)
{
	static char line[4096] = "-name";
	char name[PF_NAME_MAX + 1];

	memset(line + 6, 'x', sizeof(line) - 7);
	EXPECT(guest_name(line, sizeof(line), name), "not found");
	EXPECT(strlen(name) == PF_NAME_MAX, "%zu characters", strlen(name));
	return true;
}

static bool this_process(void)
{
	char name[PF_NAME_MAX + 1];

	EXPECT(process_of_thread("", getpid()) == getpid(), "of itself");
	EXPECT(!process_of_thread("", PF_PID_MAX), "of a thread that is not there");
	process_vm_name("", getpid(), name);
	EXPECT(!strcmp(name, "test-process"), "named %s", name);
	process_vm_name("", PF_PID_MAX, name);
	EXPECT(!strcmp(name, "pid-4194304"), "named %s", name);
	EXPECT(!process_has_kvm("", PF_PID_MAX, true), "a process that is not there has KVM");
	return true;
}

static bool descriptors(void)
{
	static const struct {
		const char *target;
		bool vm;
	} table[] = {
		{ "anon_inode:kvm-vm", true },
		{ "anon_inode:kvm-vcpu:0", false },
		{ "anon_inode:kvm-vm-not", false },
		{ "anon_inode:kvm-v", false },
		{ "/tmp/anon_inode:kvm-vm", false },
	};
	char root[] = "/tmp/test-process.XXXXXX", path[64], link[80];

	EXPECT(mkdtemp(root), "mkdtemp");
	snprintf(path, sizeof(path), "%s/proc", root);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/proc/7", root);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/proc/7/fd", root);
	mkdir(path, 0700);
	snprintf(link, sizeof(link), "%s/3", path);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		EXPECT(!symlink(table[i].target, link), "symlink");
		EXPECT(process_has_kvm(root, 7, true) == table[i].vm, "row %zu", i);
		unlink(link);
	}
	rmdir(path);
	snprintf(path, sizeof(path), "%s/proc/7", root);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/proc", root);
	rmdir(path);
	rmdir(root);
	return true;
}

static bool balloons(void)
{
	static const struct {
		const char *cmdline;
		size_t len;
		enum balloon_device want;
	} table[] = {
		ROW("qemu\0-device\0virtio-balloon-pci\0", BALLOON_PLAIN),
		ROW("qemu\0--device\0virtio-balloon-pci\0", BALLOON_PLAIN),
		ROW("qemu\0-device\0virtio-balloon-device,deflate-on-oom=on\0", BALLOON_YIELDS),
		ROW("qemu\0-device\0virtio-balloon-pci,deflate-on-oom=off\0", BALLOON_PLAIN),
		ROW("qemu\0-device\0{\"driver\":\"virtio-balloon-pci\",\"deflate-on-oom\":true}\0",
		    BALLOON_YIELDS),
		ROW("qemu\0-device\0{\"driver\":\"virtio-balloon-pci\",\"id\":\"balloon0\"}\0",
		    BALLOON_PLAIN),
		ROW("qemu\0-name\0virtio-balloon-pci\0", BALLOON_NONE),
		ROW("qemu\0-device\0virtio-net-pci,deflate-on-oom=on\0", BALLOON_NONE),
		ROW("qemu\0-device\0virtio-balloon-pci", BALLOON_NONE),
		ROW("qemu\0-device\0", BALLOON_NONE),
		ROW("", BALLOON_NONE),
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		enum balloon_device found = guest_balloon(table[i].cmdline, table[i].len);

		EXPECT(found == table[i].want, "row %zu: %d", i, found);
	}
	EXPECT(process_balloon("/nowhere", 1) == BALLOON_UNKNOWN, "nowhere");
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "all monitors of a command line are found", all_sockets_are_found },
		{ "the balloon on a command line", balloons },
		{ "guest names in command lines", command_lines },
		{ "monitors in command lines", monitors },
		{ "guests of libvirt in command lines", libvirt_guests },
		{ "noise gives valid names or none, within bounds", noise },
		{ "an endless name is cut", longest },
		{ "this process and one that is not there", this_process },
		{ "a VM's descriptor is told from others", descriptors },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
