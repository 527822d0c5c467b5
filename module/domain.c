// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains: who may share frames with whom.
 *
 * A domain exists while a VM is in it. Its number keeps frames apart; numbers are not used
 * again, so that a frame of a domain that is gone can never be taken for one of a new domain.
 */
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "domain.h"
#include "fault.h"

/* Protects the list, the numbers, and the last put. */
static DEFINE_MUTEX(pf_domains_lock);
static LIST_HEAD(pf_domains);
static u32 pf_domain_last;

static struct pf_domain *pf_domain_new(const char *name)
{
	struct pf_domain *domain =
		pf_fault(PF_FAULT_DOMAIN) ? NULL : kzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return NULL;
	strscpy(domain->name, name, sizeof(domain->name));
	kref_init(&domain->ref);
	domain->id = ++pf_domain_last;
	list_add_tail(&domain->node, &pf_domains);
	return domain;
}

/**
 * pf_domain_get() - the domain of that name, made if need be
 * @name: a valid name
 *
 * Context: may sleep.
 * Return: the domain with a reference for the caller, or NULL for want of memory.
 */
struct pf_domain *pf_domain_get(const char *name)
{
	struct pf_domain *domain;

	mutex_lock(&pf_domains_lock);
	list_for_each_entry(domain, &pf_domains, node) {
		if (!strcmp(domain->name, name)) {
			kref_get(&domain->ref);
			goto unlock;
		}
	}
	domain = pf_domain_new(name);
unlock:
	mutex_unlock(&pf_domains_lock);
	return domain;
}

static void pf_domain_release(struct kref *ref)
{
	struct pf_domain *domain = container_of(ref, struct pf_domain, ref);

	list_del(&domain->node);
	mutex_unlock(&pf_domains_lock);
	kfree(domain);
}

/**
 * pf_domain_put() - drop a reference
 * @domain: no longer used by the caller; may be NULL
 *
 * Context: may sleep.
 */
void pf_domain_put(struct pf_domain *domain)
{
	if (domain)
		kref_put_mutex(&domain->ref, pf_domain_release, &pf_domains_lock);
}
