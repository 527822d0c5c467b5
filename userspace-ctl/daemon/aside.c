// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may hang is done aside: in a thread of its own, which is left to itself when it does.
 *
 * A path that a VM's user chose may lead to a file system of his that never answers, and what /proc
 * tells of a process's memory waits for a lock that a hung process may hold for ever. Neither can be
 * given a time limit. So a round waits for a moment, goes on without, and looks again later.
 *
 * What hangs keeps its thread, and a user can have as many VMs hang as he likes: he has a few threads
 * of them all, so that the others' VMs find one.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "aside.h"

#define STACK_BYTES	(128 * 1024)
#define THREADS_MAX	64	/* that hang */
#define USER_MAX	8	/* of them, for one user's VMs */
#define ROUND_US	1000000	/* in which others are looked at late, and the watchdog is not fed */

struct aside {
	pthread_cond_t wake;
	void (*work)(void *what);
	void (*drop)(void *what);
	void *what;
	uid_t uid;
	bool over, waited;
	bool left;	/* nobody wants it any more, and its thread frees it */
};

/* Of all, for they are few and short. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int threads;
static uid_t users[THREADS_MAX];	/* whose each thread is */

/* What the round may wait still; its own, no other thread waits. */
static int64_t patience_us;

static bool one_is_free(uid_t uid)
{
	unsigned int his = 0;

	for (unsigned int i = 0; i < threads; i++)
		his += users[i] == uid;
	return threads < THREADS_MAX && his < USER_MAX;
}

static void give_back(uid_t uid)
{
	unsigned int i = 0;

	while (users[i] != uid)
		i++;
	users[i] = users[--threads];
}

static void aside_free(struct aside *a)
{
	a->drop(a->what);
	pthread_cond_destroy(&a->wake);
	free(a);
}

static void *run(void *arg)
{
	struct aside *a = arg;
	bool left;

	a->work(a->what);
	pthread_mutex_lock(&lock);
	a->over = true;
	left = a->left;
	give_back(a->uid);
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&lock);
	if (left)
		aside_free(a);
	return NULL;
}

static int start(struct aside *a)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc = -1;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&lock);
	if (one_is_free(a->uid))
		rc = pthread_create(&thread, &attr, run, a);
	if (!rc)
		users[threads++] = a->uid;
	pthread_mutex_unlock(&lock);
	pthread_attr_destroy(&attr);
	return rc;
}

struct aside *aside_new(uid_t uid, void (*work)(void *), void (*drop)(void *), void *what)
{
	struct aside *a = calloc(1, sizeof(*a));
	pthread_condattr_t clock;

	if (!a)
		return NULL;
	*a = (struct aside){ .work = work, .drop = drop, .what = what, .uid = uid };
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &clock);
	pthread_condattr_destroy(&clock);
	if (!start(a))
		return a;
	pthread_cond_destroy(&a->wake);
	free(a);
	return NULL;
}

void aside_begin_round(void)
{
	patience_us = ROUND_US;
}

static int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}

/* Under the lock. */
static void wait_for(struct aside *a, int64_t us)
{
	int64_t began = clock_us(), end = began + (us < patience_us ? us : patience_us);
	const struct timespec until = {
		.tv_sec = end / 1000000, .tv_nsec = end % 1000000 * 1000,
	};

	while (!a->over && !pthread_cond_timedwait(&a->wake, &lock, &until))
		;
	patience_us -= clock_us() - began;
}

bool aside_is_over(struct aside *a, unsigned int wait_ms)
{
	bool over;

	pthread_mutex_lock(&lock);
	if (!a->over && !a->waited && patience_us > 0)
		wait_for(a, wait_ms * 1000ll);
	a->waited = true;
	over = a->over;
	pthread_mutex_unlock(&lock);
	return over;
}

void aside_leave(struct aside *a)
{
	bool over;

	pthread_mutex_lock(&lock);
	over = a->over;
	a->left = true;
	pthread_mutex_unlock(&lock);
	if (over)
		aside_free(a);
}
