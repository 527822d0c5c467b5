/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Crowd: do others keep coming to a CPU while we work on it?
 *
 * Pure logic: builds in userspace too. Long pieces of work are cheaper and short ones let others
 * run sooner. Who came twice within a moment will come again, so work is cut short then; whoever
 * comes once an hour need not be expected.
 */
#ifndef PF_CROWD_H
#define PF_CROWD_H

#include <linux/compiler.h>
#include <linux/types.h>

/* A guest that does something a few dozen times a second comes so often. */
#define PF_CROWD_NS	(50 * 1000 * 1000ULL)
/* To ask who wants the CPU takes a fifth of this. */
#define PF_CROWD_ASK_NS	5000

/**
 * struct pf_crowd - who came to a CPU
 * @last_ns: when somebody did last
 * @before_ns: and when before that
 * @asked_ns: when we asked last who wants it
 */
struct pf_crowd {
	u64 last_ns;
	u64 before_ns;
	u64 asked_ns;
};

/**
 * pf_crowd_may_be_asked() - is it time again to ask who wants the CPU
 * @crowd: of this CPU
 * @now_ns: the time, monotonic
 *
 * Return: whether it is; it is taken for asked then.
 */
static inline bool pf_crowd_may_be_asked(struct pf_crowd *crowd, u64 now_ns)
{
	if (now_ns - READ_ONCE(crowd->asked_ns) < PF_CROWD_ASK_NS)
		return false;
	WRITE_ONCE(crowd->asked_ns, now_ns);
	return true;
}

/**
 * pf_crowd_came() - somebody had the CPU
 * @crowd: of this CPU; another thread that notes the same at once does no harm
 * @now_ns: the time, monotonic
 */
static inline void pf_crowd_came(struct pf_crowd *crowd, u64 now_ns)
{
	WRITE_ONCE(crowd->before_ns, READ_ONCE(crowd->last_ns));
	WRITE_ONCE(crowd->last_ns, now_ns);
}

/**
 * pf_crowd_is_there() - will somebody come soon
 * @crowd: of this CPU
 * @now_ns: the time, monotonic
 *
 * Return: whether somebody came twice within the last PF_CROWD_NS.
 */
static inline bool pf_crowd_is_there(const struct pf_crowd *crowd, u64 now_ns)
{
	u64 before_ns = READ_ONCE(crowd->before_ns);

	return before_ns && now_ns - before_ns < PF_CROWD_NS;
}

#endif /* PF_CROWD_H */
