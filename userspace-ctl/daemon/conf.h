/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an operator may decide: pagefoldd.conf, its drop-ins, and a file for each VM.
 */
#ifndef PF_CONF_H
#define PF_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

#define CONF_DIR	"/etc/pagefold"
#define CONF_PATH_MAX	108	/* what fits a socket's address */
#define CONF_URI_MAX	144	/* a socket's path and what stands before it */
#define CONF_FILE_MAX	65536
#define CONF_USER_MAX	33

/* A size, or a part of something that is known only later. */
struct amount {
	uint64_t bytes;
	unsigned int percent;	/* 0: it is @bytes */
};

enum emergency { EMERGENCY_NONE, EMERGENCY_PAUSE, EMERGENCY_QUIT };

struct vm_conf {
	struct amount min, max;
	unsigned int shares, balloon, paging, emergency;
	char qmp[CONF_PATH_MAX];
	char user[CONF_USER_MAX];	/* whose VM a file of its own is for, empty: anybody's */
	bool own;			/* it has a file of its own */
};

struct conf {
	struct amount high, soft, hard, low;
	unsigned int psi_some_percent, psi_full_percent, interval_ms, record_s;
	unsigned int idle_tax_percent, step_percent, rise_percent, spike_percent, spike_window_s;
	unsigned int share_s, report_s, deadline_s, emergency_s, keep_percent;
	struct amount page_step;
	unsigned int enrol;
	char metrics[CONF_PATH_MAX], libvirt_uri[CONF_URI_MAX];
	struct vm_conf vm;	/* of VMs that have no file of their own */
};

void conf_default(struct conf *c);

/**
 * conf_parse() - take a file's text
 * @c: what is changed
 * @path: its name, for messages
 * @text: it, ended by a NUL
 * @len: its length, to find a NUL inside
 * @vm: a VM's own file: [vm] only, taken into @c->vm
 * @e: filled on error with file, line and reason
 *
 * Return: EX_DONE or EX_BAD_INPUT; then @c is half changed and to be thrown away.
 */
int conf_parse(struct conf *c, const char *path, const char *text, size_t len, bool vm,
	       struct err *e);

/* Read pagefoldd.conf, then pagefoldd.conf.d/ in the order of names; neither has to be there. */
int conf_read(const char *sysroot, struct conf *c, struct err *e);

/* Read vm.d/@name.conf on top of what @c says of VMs. */
int conf_read_vm(const char *sysroot, const struct conf *c, const char *name, struct vm_conf *vm,
		 struct err *e);

/**
 * conf_user_id() - who a name or a number stands for
 * @sysroot: what stands before /etc/passwd; nobody else is asked, for that might not answer
 * @user: it, as it stands in a file
 * @uid: filled
 * @e: filled on error
 *
 * Return: EX_DONE or EX_BAD_INPUT.
 */
int conf_user_id(const char *sysroot, const char *user, uid_t *uid, struct err *e);

uint64_t amount_of(const struct amount *a, uint64_t whole);

#endif
