/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module says of itself and of every VM, as structs.
 *
 * One list names the attributes; the enum, the reader, the metrics and the record come from it. An
 * attribute that an older module does not have is no error: its bit in has is 0. A VM that goes
 * while it is read is left out.
 */
#ifndef PF_VM_H
#define PF_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "registration.h"

#define PF_PAGE_BYTES	4096ULL

/* Gauges go up and down, counters only up, settings are what an operator chose. */
enum attr_type { ATTR_GAUGE, ATTR_COUNTER, ATTR_SETTING };

/* X(enum name, file, type, help): files of vms/PID/ that hold a number. */
#define VM_NUMBERS(X)								\
	X(SHARE, share, SETTING, "Turns in scanning relative to other VMs")	\
	X(ELIGIBLE, eligible_bytes, GAUGE, "Memory that may be folded under the VM's policy") \
	X(RESIDENT, resident_bytes, GAUGE, "Resident memory of the VM's process")	\
	X(FOLDED, folded_pages, GAUGE, "Pages mapped to shared frames")		\
	X(ZERO, zero_pages, GAUGE, "Pages given back because they were zero")	\
	X(SAVED, saved_bytes, GAUGE, "Memory that the VM saves by folding")	\
	X(TARGET, target_bytes, SETTING, "Memory that the VM should use at most, 0 for none") \
	X(USAGE, usage_bytes, GAUGE, "Memory that the VM is charged with")	\
	X(BALLOON, balloon_bytes, GAUGE, "Memory that the guest's balloon holds")	\
	X(ACHIEVED, achieved_bytes, GAUGE, "Memory that the daemon got back from the VM")	\
	X(WSS, wss_bytes, GAUGE, "Estimated working set")			\
	X(WSS_FAST, wss_fast_bytes, GAUGE, "Estimated working set, fast moving average")	\
	X(WSS_SLOW, wss_slow_bytes, GAUGE, "Estimated working set, slow moving average")	\
	X(WSS_LAST, wss_last_bytes, GAUGE, "Estimated working set, of the last round")	\
	X(WSS_ERROR, wss_error_bytes, GAUGE, "How far the last round may be off")	\
	X(WSS_WRITE, wss_write_bytes, GAUGE, "Estimated working set of writes")	\
	X(WSS_LAST_WRITE, wss_last_write_bytes, GAUGE, "The same, of the last round")	\
	X(WSS_ROUNDS, wss_rounds, COUNTER, "Rounds of working set sampling")	\
	X(WSS_SAMPLED, wss_sampled_pages, COUNTER, "Samples that counted")	\
	X(WSS_LOST, wss_lost_pages, COUNTER, "Samples that could not be looked at")	\
	X(WSS_TIME, wss_ns, COUNTER, "Time spent on sampling the VM")		\
	X(SCANNED, scanned_pages, COUNTER, "Pages looked at")			\
	X(RESTED, rested_pages, COUNTER, "Pages passed over because their region rested")	\
	X(FOLDS, folds, COUNTER, "Pages mapped to a frame")			\
	X(ZERO_FOLDS, zero_folds, COUNTER, "Pages given back because they were zero")	\
	X(UNFOLDS, unfolds, COUNTER, "Pages given back to the VM on request")	\
	X(COW_BREAKS, cow_breaks, COUNTER, "Pages found to have left their frame")	\
	X(ZERO_BREAKS, zero_breaks, COUNTER, "Empty pages found with a page again")	\
	X(HUGE_SPLITS, huge_splits, COUNTER, "Huge pages that were split")	\
	X(PASSES, passes, COUNTER, "Complete passes over the VM")		\
	X(CPU, cpu_ns, COUNTER, "CPU time of the scan threads spent on the VM")	\
	X(SKIPPED, skipped_pages, COUNTER, "Pages that were not folded, for whatever reason")

/* X(enum name, file, type, help): files of the module that hold a number. */
#define HOST_NUMBERS(X)								\
	X(RUN, run, SETTING, "0 stopped, 1 scanning, 2 unfolded")		\
	X(CPU_PERCENT_NOW, cpu_percent_now, GAUGE, "Budget of a scan thread, percent of a CPU") \
	X(THREADS, threads, SETTING, "Scan threads")				\
	X(WSS_SAMPLES, wss_samples, SETTING, "Pages sampled per VM and period") \
	X(WSS_PERIOD, wss_period_ms, SETTING, "Period of the samples in milliseconds")	\
	X(WSS_PERMILLE, wss_cpu_permille, SETTING, "Limit of sampling a VM, per mille of a CPU") \
	X(VMS, vms_registered, GAUGE, "Registered VMs")				\
	X(FRAMES, frames, GAUGE, "Shared frames")				\
	X(FOLDED, folded_pages, GAUGE, "Pages of VMs mapped to frames")		\
	X(ZERO, zero_pages, GAUGE, "Pages of VMs given back because they were zero")	\
	X(SAVED, saved_bytes, GAUGE, "Memory saved by folding")			\
	X(METADATA, metadata_bytes, GAUGE, "Memory of the module's bookkeeping")	\
	X(SCANNED, scanned_pages, COUNTER, "Pages looked at")			\
	X(RESTED, rested_pages, COUNTER, "Pages passed over because their region rested")	\
	X(FOLDS, folds, COUNTER, "Pages mapped to a frame")			\
	X(ZERO_FOLDS, zero_folds, COUNTER, "Pages given back because they were zero")	\
	X(UNFOLDS, unfolds, COUNTER, "Pages given back to VMs on request")	\
	X(COW_BREAKS, cow_breaks, COUNTER, "Pages found to have left their frame")	\
	X(ZERO_BREAKS, zero_breaks, COUNTER, "Empty pages found with a page again")	\
	X(HUGE_SPLITS, huge_splits, COUNTER, "Huge pages that were split")	\
	X(PASSES, passes, COUNTER, "Times that every VM completed a pass")	\
	X(FRAMES_ALLOCATED, frames_allocated, COUNTER, "Frames allocated")	\
	X(FRAMES_FREED, frames_freed, COUNTER, "Frames freed")			\
	X(FRAMES_SHRUNK, frames_shrunk, COUNTER, "Frames freed because memory was short")	\
	X(CPU, cpu_ns, COUNTER, "CPU time of the scan threads")

#define VM_ENUM(name, file, type, help)		VM_##name,
#define HOST_ENUM(name, file, type, help)	HOST_##name,

enum vm_number { VM_NUMBERS(VM_ENUM) VM_NR };
enum host_number { HOST_NUMBERS(HOST_ENUM) HOST_NR };

struct attr_info {
	const char *file;
	enum attr_type type;
	const char *help;
};

extern const struct attr_info vm_attrs[VM_NR];
extern const struct attr_info host_attrs[HOST_NR];

/**
 * struct vm - a registered VM
 * @pid: its directory's name
 * @name: for people
 * @domain: the trust domain
 * @policy: madvise or always
 * @state: the word that the daemon reports, empty when the module has no such file
 * @has: a bit for each of @value that the module has
 * @value: by enum vm_number
 */
struct vm {
	int pid;
	char name[PF_NAME_MAX + 1];
	char domain[PF_NAME_MAX + 1];
	char policy[PF_NAME_MAX + 1];
	char state[PF_NAME_MAX + 1];
	uint64_t has;
	uint64_t value[VM_NR];
};

/**
 * struct vms - all registered VMs
 * @list: by rising @pid
 * @count: how many there are
 */
struct vms {
	struct vm *list;
	size_t count;
};

/**
 * struct host - the module's own figures
 * @has: a bit for each of @value that the module has
 * @value: by enum host_number
 * @has_profit: whether @profit was there
 * @profit: general_profit_bytes, which may be negative
 */
struct host {
	uint64_t has;
	uint64_t value[HOST_NR];
	bool has_profit;
	int64_t profit;
};

static inline bool vm_has(const struct vm *vm, enum vm_number n)
{
	return vm->has >> n & 1;
}

static inline bool host_has(const struct host *host, enum host_number n)
{
	return host->has >> n & 1;
}

/**
 * vm_read() - read one VM
 * @sysroot: before /sys, "" on a host
 * @pid: whose
 * @vm: where it goes; undefined on error
 * @e: filled on error
 *
 * Return: EX_DONE, -ENOENT without a word when there is no such VM (any more), EX_REFUSED when
 * reading fails, EX_BAD_INPUT when a file does not hold what it should.
 */
int vm_read(const char *sysroot, int pid, struct vm *vm, struct err *e);

/**
 * vms_read() - read all VMs
 * @sysroot: before /sys, "" on a host
 * @vms: where they go; free it with vms_free(), empty on error
 * @e: filled on error
 *
 * Return: EX_DONE, EX_NO_MODULE, EX_REFUSED or EX_BAD_INPUT.
 */
int vms_read(const char *sysroot, struct vms *vms, struct err *e);

/**
 * vms_free() - forget what vms_read() read
 * @vms: it, empty afterwards
 */
void vms_free(struct vms *vms);

/**
 * vms_find() - find a VM by what an operator calls it
 * @vms: among these
 * @who: a process id, or a name that only one VM has
 * @vm: where it goes
 * @e: filled on error; names the process ids when several VMs have the name
 *
 * Digits alone are a process id even where a VM has such a name.
 *
 * Return: EX_DONE, EX_BAD_INPUT for what no VM can be called and for a name that several have,
 * EX_NO_VM when no VM has it.
 */
int vms_find(const struct vms *vms, const char *who, const struct vm **vm, struct err *e);

/**
 * host_read() - read the module's own figures
 * @sysroot: before /sys, "" on a host
 * @host: where they go
 * @e: filled on error
 *
 * Return: EX_DONE, EX_NO_MODULE, EX_REFUSED or EX_BAD_INPUT.
 */
int host_read(const char *sysroot, struct host *host, struct err *e);

#endif
