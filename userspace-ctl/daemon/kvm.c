// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a VM's process has KVM: looked at aside, and remembered.
 *
 * That is told by the files that it has open, which can be half a million, and to look at all of them
 * takes seconds. Whoever has a VM keeps it; whoever has none may make one later, so he is looked at
 * again, but seldom.
 */
#include <stdlib.h>

#include "aside.h"
#include "kvm.h"
#include "process.h"

#define LOOK_MS		20
#define AGAIN_MS	60000

struct kvm_look {
	struct aside *aside;
	const char *sysroot;
	int pid;
	bool has;
};

static void look(void *what)
{
	struct kvm_look *l = what;

	l->has = process_has_kvm(l->sysroot, l->pid, false);
}

static struct kvm_look *look_new(const char *sysroot, int pid, uid_t uid)
{
	struct kvm_look *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->sysroot = sysroot;
	l->pid = pid;
	l->aside = aside_new(uid, look, free, l);
	if (l->aside)
		return l;
	free(l);
	return NULL;
}

bool kvm_is_there(struct kvm *k, const char *sysroot, int pid, uid_t uid, uint64_t now_ms)
{
	if (k->has)
		return true;
	if (!k->look && now_ms >= k->again_ms)
		k->look = look_new(sysroot, pid, uid);
	if (k->look && aside_is_over(k->look->aside, LOOK_MS)) {
		k->has = k->look->has;
		k->again_ms = now_ms + AGAIN_MS;
		kvm_leave(k);
	}
	return k->has;
}

void kvm_leave(struct kvm *k)
{
	if (k->look)
		aside_leave(k->look->aside);
	k->look = NULL;
}
