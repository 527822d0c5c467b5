/* SPDX-License-Identifier: GPL-2.0-only */
/* Domains: who may share frames with whom. */
#ifndef PF_DOMAIN_H
#define PF_DOMAIN_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/types.h>

#include "vm.h"

/**
 * struct pf_domain - a set of VMs that trust each other
 * @node: in the list of domains
 * @ref: one for each VM in it
 * @id: never used again for another domain of this load
 * @name: what users call it
 */
struct pf_domain {
	struct list_head node;
	struct kref ref;
	u32 id;
	char name[PF_NAME_MAX];
};

struct pf_domain *pf_domain_get(const char *name);
void pf_domain_put(struct pf_domain *domain);

#endif /* PF_DOMAIN_H */
