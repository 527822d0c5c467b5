/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One VM as the daemon knows it.
 */
#ifndef PF_GUEST_H
#define PF_GUEST_H

#include "conf.h"
#include "given.h"
#include "kvm.h"
#include "ladder.h"
#include "link.h"
#include "pager.h"
#include "policy.h"
#include "registration.h"
#include "vmm.h"

/* Who bears the same name. */
enum namesake { NAMESAKE_NONE, NAMESAKE_OF_OTHER, NAMESAKE_OF_USER };

struct guest {
	int pid;
	char name[PF_NAME_MAX + 1];
	uid_t uid;
	enum namesake namesake;
	struct vm_conf conf;
	struct link link;
	struct kvm kvm;
	struct search *search;		/* for its monitor, that is not over */
	bool search_wanted;		/* but not begun: too many hang */
	struct policy_vm policy;
	struct ladder ladder;
	struct ladder_step step;	/* what this round is to do */
	struct given given;
	uint64_t ram, usage, wss, shared, swapped;	/* as of this round */
	bool wss_known;
	uint64_t target;		/* what stands in sysfs */
	uint64_t stats_at, swap_in;	/* of the last statistics that were looked at */
	uint64_t heard_ms;		/* since when its monitor tells something, 0: it does not */
	uint64_t free;			/* in the guest, by the last statistics */
	uint64_t stats_ms;		/* when they were new, by our clock; 0: there were none */
	uint64_t pressed_ms;		/* when they last said that it is short of memory */
	bool ram_told;			/* @ram is its monitor's word, and is believed */
	uint64_t disbelieved;		/* the RAM that was said and not believed, 0: none */
	uint64_t answered_ms;		/* when its balloon was last seen to react, 0: never */
	uint64_t page_cursor, page_after_ms, page_asked;
	unsigned int page_idle;		/* how often in a row nothing came of it */
	int page_error;			/* that was told */
	bool seen, pressed, stats_fresh, stats_news, swap_known;
	uint64_t ending_ms;		/* since when the emergency is to end it, 0: it is not */
	bool end_told;			/* of this connection */
	uint64_t left_ms;		/* when it was taken out, and is leaving */
	unsigned int survived;		/* how often it was to end in this emergency */
	/* What was told last, to tell changes only. */
	struct {
		uint64_t balloon, achieved;
		char state[16];
		enum rung rung;
		uint64_t freed[RUNGS];
		uint64_t hand;
		bool known, paused, refused;
	} told;
};

/* What a round needs beside the guest. */
struct surroundings {
	const char *sysroot;
	struct pager *pager;
	struct virt *virt;
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

/* Go on from what was given to it before, by an earlier daemon or an earlier struct guest. */
void guest_restore(struct guest *g, const struct surroundings *s, const struct given *given);

/* Read its configuration (again). A mistake is told, and leaves what was before. */
void guest_configure(struct guest *g, const struct surroundings *s);

/* Look at it, and fill its part of the policy's input. Return: false when it has gone. */
bool guest_observe(struct guest *g, const struct surroundings *s);

/*
 * Write given.next to the module, as the target. Return: false when that failed, or when it is not
 * the daemon's any more: an operator may have set one since it was looked at.
 */
bool guest_write_target(struct guest *g, const struct surroundings *s);

/* Climb its ladder, after the policy. */
void guest_climb(struct guest *g, const struct surroundings *s);

/* Whether the emergency may strike it: its ladder has come to that, and its monitor listens. */
bool guest_is_in_emergency(const struct guest *g);

/* Whether one that is in the emergency can be struck now: else it is being asked whether it runs. */
bool guest_can_be_struck(const struct guest *g);

/* Do what the ladder said; and the emergency, when given.paused or ending_ms says so. */
void guest_act(struct guest *g, const struct surroundings *s);

/* Whether the daemon took anything from it, or asked it to give, that it has not got back. */
bool guest_gave(const struct guest *g);

/* Have it get that back, and go on: for one that is taken out. Return: whether it has. */
bool guest_give_back(struct guest *g, const struct surroundings *s);

/* Have it paged out, as the ladder said. Return: whether the pager took it. */
bool guest_page(struct guest *g, const struct surroundings *s);

/* What came of that. */
void guest_paged(struct guest *g, const struct surroundings *s, const struct pager_done *done);

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
