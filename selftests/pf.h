/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pf.h: what every selftest program shares.
 *
 * A program is a table of subtests. Each subtest runs in a process of its own, with a freshly
 * loaded module, and is judged by the parent, which also unloads the module; so a subtest that
 * dies, hangs or leaves children behind spoils neither the next one nor the verdict. Subtests wait
 * on counters through PF_UNTIL(), never on time: its limit only ends what will not happen any more.
 */
#ifndef PF_SELFTEST_H
#define PF_SELFTEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#define PF_PAGE		4096UL
#define PF_HUGE		(512 * PF_PAGE)
#define PF_SYS		"/sys/kernel/pagefold/"
#define PF_COUNT(a)	(sizeof(a) / sizeof((a)[0]))

enum { PF_PASS = 0, PF_FAIL = 1, PF_SKIP = 4 };

struct pf_test {
	const char *name;
	void (*run)(void);
	bool no_module;		/* the subtest loads and unloads by itself */
};

int pf_main(const struct pf_test *tests, size_t count, int argc, char **argv);
#define PF_MAIN(tests)							\
	int main(int argc, char **argv)					\
	{								\
		return pf_main(tests, PF_COUNT(tests), argc, argv);	\
	}

/* Verdicts: CHECK goes on, REQUIRE ends the process it is in, SKIP ends the subtest. */
void pf_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool pf_fail(const char *file, int line, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void pf_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
#define PF_HOLDS(cond, text, ...)						\
	({ bool holds_ = (cond); holds_ || pf_fail(__FILE__, __LINE__, text, " " __VA_ARGS__); })
#define CHECK(cond, ...)	PF_HOLDS(cond, #cond, __VA_ARGS__)
#define REQUIRE(cond, ...)							\
	do {									\
		if (!PF_HOLDS(cond, #cond, __VA_ARGS__))			\
			_exit(PF_FAIL);						\
	} while (0)

/* Waiting: PF_UNTIL(cond) is true once cond is, and false when the limit has passed. */
struct pf_wait {
	double end;
};

double pf_now(void);
struct pf_wait pf_wait_begin(void);
bool pf_wait_more(struct pf_wait *wait);
#define PF_UNTIL(cond)							\
	({								\
		struct pf_wait wait_ = pf_wait_begin();			\
		bool met_;						\
		while (!(met_ = (cond)) && pf_wait_more(&wait_))	\
			;						\
		met_ || (cond);						\
	})

/* The module and its attributes. */
int pf_insmod(const char *params);
int pf_rmmod(void);
void pf_load(void);
void pf_unload(void);
bool pf_loaded(void);
bool pf_have(const char *attr);
long long pf_get(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool pf_read(const char *attr, char *buf, size_t size);
int pf_write_raw(const char *path, const void *data, size_t size);
int pf_put(const char *attr, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pf_set(const char *attr, long long value);
void pf_run(int state);
/* Working sets are sampled as often as it goes, to be in the way of whatever else happens. */
void pf_sample_fast(void);
void pf_register(pid_t pid, const char *options);
bool pf_registered(pid_t pid);
/* Waits until @pid has finished @count passes that started after this call. */
bool pf_passes(pid_t pid, int count);
/* Ends the pass under way, and has no other begin but by pf_pass(), which makes one. */
void pf_hold_passes(pid_t pid);
void pf_pass(pid_t pid);
/* Waits until all of the only VM rests, so many pages, and will for long if rest_passes_max is. */
void pf_wait_resting(long long pages);

/* Other files. */
bool pf_file_write(const char *path, const char *text);
long long pf_file_number(const char *path);
long long pf_field(const char *path, const char *field);
bool pf_ksm_available(void);

/* Memory: content @id of a page can be made again at any time; id 0 is a page of zeros. */
enum { PF_MERGEABLE = 1, PF_HUGEPAGE = 2, PF_NOHUGEPAGE = 4, PF_PLAIN = PF_MERGEABLE | PF_NOHUGEPAGE };
void *pf_map(size_t pages, int flags);
/* Of huge pages alone, filled; NULL when compacting all memory brings none. */
void *pf_map_huge(size_t pages, uint64_t (*id)(size_t));
void pf_fill(void *page, uint64_t id);
bool pf_is(const void *page, uint64_t id);

static inline void *pf_page(void *mem, size_t i)
{
	return (char *)mem + i * PF_PAGE;
}

size_t pf_wrong(void *mem, size_t pages, uint64_t (*id)(size_t));
void pf_fill_all(void *mem, size_t pages, uint64_t (*id)(size_t));
/* Moves pages that wait in per-CPU LRU batches to their lists: the engine leaves them alone before. */
void pf_settle(void *any_page);

/* /proc/PID/pagemap, one entry. */
#define PF_PM_SOFT_DIRTY	(1ULL << 55)
#define PF_PM_FILE		(1ULL << 61)
#define PF_PM_SWAP		(1ULL << 62)
#define PF_PM_PRESENT		(1ULL << 63)
uint64_t pf_pagemap(pid_t pid, const void *addr);
uint64_t pf_pfn(pid_t pid, const void *addr);
/* The kernel's zero page, which a read of memory that nobody wrote maps in every process. */
uint64_t pf_zero_pfn(void);
/* A present page that is not anonymous, in private anonymous memory, can only be a frame. */
bool pf_is_frame(pid_t pid, const void *addr);
size_t pf_frames_in(pid_t pid, void *mem, size_t pages);
long long pf_smaps(pid_t pid, const void *addr, const char *field);

/* A child process with memory of its own that writes and verifies pages when told to. */
struct pf_vm {
	pid_t pid;
	int fd;
	void *mem;
	size_t pages;
};

void pf_vm_start(struct pf_vm *vm, size_t pages, int flags, uint64_t (*id)(size_t));
size_t pf_vm_wrong(struct pf_vm *vm);
void pf_vm_write(struct pf_vm *vm, size_t page, uint64_t id);
void pf_vm_stop(struct pf_vm *vm);

/* Deterministic random numbers, one state per user. */
static inline uint64_t pf_rand(uint64_t *state)
{
	uint64_t x = *state ? *state : 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* How often longer runs repeat what they do: --long sets PF_SCALE. */
int pf_scale(int count);

#endif
