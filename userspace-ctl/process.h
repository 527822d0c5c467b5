/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What /proc tells of a VMM's process.
 */
#ifndef PF_PROCESS_H
#define PF_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "registration.h"

/*
 * The guest's name in a VMM's command line, @len bytes of NUL-terminated arguments: what QEMU was
 * given as "-name guest=NAME,..." or "-name NAME,...", sanitized.
 * Return: false when there is none.
 */
bool cmdline_guest_name(const char *cmdline, size_t len, char name[PF_NAME_MAX + 1]);

#define QMP_PATH_MAX	108		/* as a socket's address takes */

#define QMP_PATHS	4		/* that are taken from a command line at most */

struct qmp_paths {
	size_t n;
	char path[QMP_PATHS][QMP_PATH_MAX];
};

/*
 * The paths of QMP sockets in a VMM's command line, as for cmdline_guest_name(): of "-qmp
 * unix:PATH,...", or of a "-chardev socket,id=ID,path=PATH,..." that a "-mon
 * chardev=ID,mode=control" names. The first that are absolute and without "..", and not libvirt's.
 * @paths: all zeroes. Return: false when there is none.
 */
bool cmdline_qmp_paths(const char *cmdline, size_t len, struct qmp_paths *paths);

/* The same for process @pid. */
bool process_qmp_paths(const char *sysroot, int pid, struct qmp_paths *paths);

#define UUID_TEXT_SIZE	37		/* with its NUL */

/*
 * The UUID in a VMM's command line whose monitor is libvirt's own, by the name that libvirt gives
 * it. Such a monitor serves libvirt and nobody else, so cmdline_qmp_path() passes it over.
 * Return: false when libvirt did not start it.
 */
bool cmdline_libvirt_uuid(const char *cmdline, size_t len, char uuid[UUID_TEXT_SIZE]);

/* The same for process @pid. */
bool process_libvirt_uuid(const char *sysroot, int pid, char uuid[UUID_TEXT_SIZE]);

enum balloon_device {
	BALLOON_UNKNOWN,		/* no command line, as of a process that has ended */
	BALLOON_NONE,
	BALLOON_PLAIN,			/* the guest waits for its host when it runs out of memory */
	BALLOON_YIELDS,			/* deflate-on-oom: it takes back what it needs */
};

/* The virtio balloon in a VMM's command line: of "-device virtio-balloon...", as text or as JSON. */
enum balloon_device cmdline_balloon(const char *cmdline, size_t len);

/* The same for process @pid. */
enum balloon_device process_balloon(const char *sysroot, int pid);

/* The process that thread @tid is of. Return: its id, 0 when there is no such thread (any more). */
int process_of_thread(const char *sysroot, int tid);

/* A name for the VM of process @pid: the guest's, else the program's, else "pid-N". */
void process_vm_name(const char *sysroot, int pid, char name[PF_NAME_MAX + 1]);

/* Whether the process has the KVM device (with @device) or a KVM VM open. */
bool process_has_kvm(const char *sysroot, int pid, bool device);

#endif
