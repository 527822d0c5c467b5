/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hint table: where a page with this hash was seen.
 *
 * Pure logic: builds in userspace too. A hint costs 8 bytes and protects nothing: the page may have
 * changed, moved or gone. Whoever follows a hint must look at the page itself. That is what allows
 * a table without locks in which a lost, doubled or overwritten hint only delays a fold.
 */
#ifndef PF_HINT_H
#define PF_HINT_H

#include <linux/rwsem.h>
#include <linux/types.h>

#define PF_HINT_WAYS		8	/* hints in a bucket: 64 bytes, one cache line */
#define PF_HINT_VM_BITS		14
#define PF_HINT_PAGE_BITS	35	/* 47 bits of address */
#define PF_HINT_MAX_VM		((1U << PF_HINT_VM_BITS) - 1)
#define PF_HINT_MAX_PAGE	((1ULL << PF_HINT_PAGE_BITS) - 1)
/* In the place of a VM, whose indices begin with 1: a frame, named by its page frame number. */
#define PF_HINT_FRAME		0
#define PF_HINT_MAX_FOUND	4
/* No more than this may be spent on a page, resize included. */
#define PF_HINT_MAX_BYTES_PER_PAGE	15

/**
 * struct pf_place - the name of a page
 * @vm: index of its VM, 1..PF_HINT_MAX_VM, or PF_HINT_FRAME
 * @page: its virtual address in pages, 0..PF_HINT_MAX_PAGE; a frame's number in physical
 *	  memory, not 0
 */
struct pf_place {
	u32 vm;
	u64 page;
};

struct pf_hint_bucket {
	u64 slot[PF_HINT_WAYS];
};

/**
 * struct pf_hint_table - all hints
 * @lock: of what is below, against resizing, aging and freeing
 * @bucket: current buckets, NULL while the table is empty
 * @nr_buckets: how many
 * @old: buckets from before the last resize; only looked up, until the next pf_hint_age()
 * @nr_old: how many
 * @age: stamp of new hints, 0..3
 *
 * Finding, adding and deleting may run concurrently, under @lock for reading. Resizing, aging and
 * freeing take it themselves, and neither get nor give back memory under it: a table is as large as
 * its host, and whoever scans would wait for all of it to be cleared.
 */
struct pf_hint_table {
	struct rw_semaphore lock;
	struct pf_hint_bucket *bucket;
	u32 nr_buckets;
	struct pf_hint_bucket *old;
	u32 nr_old;
	u8 age;
};

unsigned int pf_hint_find(const struct pf_hint_table *table, u64 key,
			  struct pf_place found[PF_HINT_MAX_FOUND]);
void pf_hint_add(struct pf_hint_table *table, u64 key, struct pf_place place);
bool pf_hint_alike(const struct pf_hint_table *table, u64 key, u64 other);
void pf_hint_del(struct pf_hint_table *table, u64 key, struct pf_place place);
void pf_hint_age(struct pf_hint_table *table, bool refreshed);
u32 pf_hint_table_want(u32 nr_buckets, u64 pages);
int pf_hint_table_resize(struct pf_hint_table *table, u32 nr_buckets, u64 pages);
void pf_hint_table_free(struct pf_hint_table *table);
size_t pf_hint_table_bytes(const struct pf_hint_table *table);

#endif /* PF_HINT_H */
