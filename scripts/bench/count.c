// SPDX-License-Identifier: GPL-2.0-only
/*
 * count.c: a plugin of QEMU that counts the kernel's instructions by address, from mark to mark.
 *
 * What an engine costs is known from its thread's time; this says which functions it goes to. Whenever the
 * instruction at a mark runs (a function of fold.c that begins or ends a phase) it writes "@ MARK" and before
 * that, for each 16 bytes of kernel code that ran since the last one, "ADDRESS COUNT". A repeated string instruction
 * counts once for each repetition, as with -icount.
 *
 * Debian has no header of QEMU for plugins, so what is used of its interface (version 4, QEMU 9.2 and
 * later) is declared here. Arguments: out=FILE, mark=ADDRESS (hexadecimal, up to 4 times).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT		__attribute__((visibility("default")))
#define SLOTS		(1UL << 20)
#define MARKS_MAX	4
#define KERNEL		(1ULL << 63)
#define GRAIN		16ULL
#define INLINE_ADD	0

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;

typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int, void *),
					    int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *insn, int op,
							 qemu_plugin_u64 entry, uint64_t add);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_sum(qemu_plugin_u64 entry);

EXPORT int qemu_plugin_version = 4;

/* A hash table of addresses, open: the slot's number is that of its counter. */
static struct {
	uint64_t addr;
	uint64_t seen;
} slot[SLOTS];

static struct qemu_plugin_scoreboard *board;
static uint64_t mark[MARKS_MAX];
static int nr_marks;
static FILE *out;

static qemu_plugin_u64 counter(size_t i)
{
	return (qemu_plugin_u64) { board, i * sizeof(uint64_t) };
}

static size_t slot_of(uint64_t addr)
{
	size_t i = (addr * 0x9e3779b97f4a7c15ULL) >> 44;

	while (slot[i].addr && slot[i].addr != addr)
		i = (i + 1) % SLOTS;
	slot[i].addr = addr;
	return i;
}

static void at_mark(unsigned int cpu, void *data)
{
	size_t i;

	(void)cpu;
	for (i = 0; i < SLOTS; i++) {
		uint64_t now;

		if (!slot[i].addr)
			continue;
		now = qemu_plugin_u64_sum(counter(i));
		if (now != slot[i].seen)
			fprintf(out, "%lx %lu\n", slot[i].addr, now - slot[i].seen);
		slot[i].seen = now;
	}
	fprintf(out, "@ %lx\n", *(uint64_t *)data);
	fflush(out);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	int k;

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t addr = qemu_plugin_insn_vaddr(insn);

		for (k = 0; k < nr_marks; k++)
			if (addr == mark[k])
				qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, 0, &mark[k]);
		if (addr & KERNEL) {
			qemu_plugin_u64 entry = counter(slot_of(addr & ~(GRAIN - 1)));

			qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, INLINE_ADD, entry, 1);
		}
	}
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "mark=", 5) && nr_marks < MARKS_MAX)
			mark[nr_marks++] = strtoull(argv[i] + 5, NULL, 16);
	}
	if (!out || !nr_marks) {
		fputs("count: out=FILE and mark=ADDRESS are needed\n", stderr);
		return 1;
	}
	board = qemu_plugin_scoreboard_new(SLOTS * sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
