/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One VM as the daemon knows it.
 */
#ifndef PF_GUEST_H
#define PF_GUEST_H

#include "conf.h"
#include "given.h"
#include "ladder.h"
#include "link.h"
#include "pager.h"
#include "policy.h"
#include "registration.h"
#include "vmm.h"

struct guest {
	int pid;
	char name[PF_NAME_MAX + 1];
	uid_t uid;
	struct vm_conf conf;
	struct link link;
	struct policy_vm policy;
	struct ladder ladder;
	struct given given;
	uint64_t ram, usage, wss, shared, swapped;	/* as of this round */
	uint64_t target;		/* what stands in sysfs */
	uint64_t stats_at, swap_in;	/* of the last statistics that were looked at */
	uint64_t page_cursor;
	bool seen, pressed;
	/* What was told last, to tell changes only. */
	struct {
		uint64_t balloon, achieved;
		char state[16];
		enum rung rung;
		enum policy_why why;
		bool known;
	} told;
};

/* What a round needs beside the guest. */
struct surroundings {
	const char *sysroot;
	struct pager *pager;
	const struct conf *conf;
	enum host_state state;
	bool dry_run;
	bool scanning;		/* the module folds */
	bool swapping;		/* something of the host is in swap */
	uint64_t now_ms;
};

/* Return: NULL when the process has gone, or without memory. */
struct guest *guest_new(const struct surroundings *s, sd_event *loop, int pid);
void guest_free(struct guest *g);

/* Read its configuration (again). A mistake is told, and leaves what was before. */
void guest_configure(struct guest *g, const struct surroundings *s);

/* Look at it, and fill its part of the policy's input. Return: false when it has gone. */
bool guest_observe(struct guest *g, const struct surroundings *s);

/* Climb its ladder, after the policy: balloon, paging, emergency. */
void guest_act(struct guest *g, const struct surroundings *s);

/* Tell the module, for others to read, and the journal. */
void guest_report(struct guest *g, const struct surroundings *s);

/* Whether its guest has a balloon that reacts, as far as is known. */
bool guest_answers(const struct guest *g);

/* What its balloon holds, in bytes; 0 when it is not believed. */
uint64_t guest_balloon(const struct guest *g);

/* A line for the journal, with the VM's name and process as fields; @g may be NULL. */
void tell(const struct guest *g, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Write attribute vms/PID/@attr; a failure is told, unless the VM has gone. */
int guest_write(const struct guest *g, const struct surroundings *s, const char *attr,
		const char *value);

#endif
