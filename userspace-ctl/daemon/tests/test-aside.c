// SPDX-License-Identifier: GPL-2.0-only
/*
 * What hangs takes a thread, and each user has a few of them all.
 */
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "err.h"
#include "daemon/aside.h"
#include "tests/tap.h"

#define EACH	8
#define ALL	64

/* Until the other end is closed. */
static void hang(void *what)
{
	char c;

	while (read(*(int *)what, &c, 1) > 0)
		;
}

static atomic_int dropped;

static void drop(void *what)
{
	(void)what;
	dropped++;
}

/* Return: how many of @n are begun for @uid, and left to themselves. */
static int begin(uid_t uid, int n, int *fd)
{
	int begun = 0;

	for (int i = 0; i < n; i++) {
		struct aside *a = aside_new(uid, hang, drop, fd);

		if (a)
			aside_leave(a);
		begun += !!a;
	}
	return begun;
}

/* What hung ends, all of it. */
static void release(int fd[2], int begun)
{
	close(fd[1]);
	while (dropped < begun)
		poll(NULL, 0, 1);
	close(fd[0]);
	dropped = 0;
}

static bool a_user_has_a_few(void)
{
	int fd[2];

	EXPECT(!pipe(fd), "no pipe");
	EXPECT(begin(1000, EACH + 1, &fd[0]) == EACH, "one user has more or less than his");
	EXPECT(begin(1001, 1, &fd[0]) == 1, "none for another user");
	release(fd, EACH + 1);
	EXPECT(!pipe(fd), "no pipe");
	EXPECT(begin(1000, EACH, &fd[0]) == EACH, "what ended is not given back");
	release(fd, EACH);
	return true;
}

static bool all_have_so_many(void)
{
	int fd[2];

	EXPECT(!pipe(fd), "no pipe");
	for (uid_t uid = 0; uid < ALL / EACH; uid++)
		EXPECT(begin(uid, EACH, &fd[0]) == EACH, "none for user %u", uid);
	EXPECT(!begin(ALL / EACH, 1, &fd[0]), "more than of all");
	release(fd, ALL);
	return true;
}

/* Many that hang, each for a day, would hold up a round for as many. */
static bool a_round_waits_for_so_long(void)
{
	struct aside *hung[EACH], *quick;
	int fd[2], none[2];

	EXPECT(!pipe(fd) && !pipe(none), "no pipe");
	close(none[1]);
	aside_begin_round();
	for (int i = 0; i < EACH; i++) {
		hung[i] = aside_new(1000, hang, drop, &fd[0]);
		EXPECT(hung[i], "not begun");
		EXPECT(!aside_is_over(hung[i], 86400000), "over already");
	}
	aside_begin_round();
	quick = aside_new(1001, hang, drop, &none[0]);
	EXPECT(quick && aside_is_over(quick, 86400000), "the next round does not wait");
	aside_leave(quick);
	for (int i = 0; i < EACH; i++)
		aside_leave(hung[i]);
	release(fd, EACH + 1);
	close(none[0]);
	return true;
}

int main(void)
{
	static const struct tap_test tests[] = {
		{ "what hangs takes a few threads of each user's", a_user_has_a_few },
		{ "and so many of all", all_have_so_many },
		{ "a round waits for all of them together", a_round_waits_for_so_long },
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
