// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork.c: a parent forks after its memory was folded; both write, each sees only its own.
 */
#include "pf.h"

#define PAGES 1024

static uint64_t thirds(size_t i)
{
	return i % 3 == 0 ? 0 : i % 3 == 1 ? 1 + i / 30 : 10000 + i;
}

static uint64_t by_child(size_t i)
{
	return i % 2 ? thirds(i) : 20000 + i;
}

static uint64_t by_parent(size_t i)
{
	return i % 5 ? thirds(i) : 30000 + i;
}

static void write_some(char *mem, uint64_t (*id)(size_t))
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (id(i) != thirds(i))
			pf_fill(pf_page(mem, i), id(i));
}

static char *folded(pid_t self)
{
	char *mem = pf_map(PAGES, PF_PLAIN);

	pf_fill_all(mem, PAGES, thirds);
	pf_settle(mem);
	pf_register(self, "");
	pf_run(1);
	REQUIRE(PF_UNTIL(pf_get("folded_pages") >= PAGES / 3 - 3), "%lld", pf_get("folded_pages"));
	REQUIRE(PF_UNTIL(pf_get("zero_pages") >= PAGES / 3), "%lld", pf_get("zero_pages"));
	return mem;
}

static void both_write(void)
{
	pid_t self = getpid(), child;
	char *mem = folded(self);
	int status;

	child = fork();
	if (!child) {
		write_some(mem, by_child);
		REQUIRE(pf_wrong(mem, PAGES, by_child) == 0, "%zu wrong", pf_wrong(mem, PAGES, by_child));
		_exit(0);
	}
	write_some(mem, by_parent);
	CHECK(pf_wrong(mem, PAGES, by_parent) == 0, "%zu wrong", pf_wrong(mem, PAGES, by_parent));
	waitpid(child, &status, 0);
	CHECK(status == 0, "child: status %x", status);
	CHECK(pf_wrong(mem, PAGES, by_parent) == 0, "%zu wrong", pf_wrong(mem, PAGES, by_parent));
	CHECK(!pf_registered(child), "the child is registered");
}

/* The parent's memory is shared with a child while it is folded: anonymous pages mapped twice. */
static void fold_under_child(void)
{
	pid_t self = getpid(), child;
	char *mem = pf_map(PAGES, PF_PLAIN);
	int go[2], status;
	char byte = 0;

	pf_fill_all(mem, PAGES, thirds);
	pf_settle(mem);
	REQUIRE(pipe(go) == 0, "pipe");
	child = fork();
	if (!child) {
		REQUIRE(read(go[0], &byte, 1) == 1, "read");
		REQUIRE(pf_wrong(mem, PAGES, thirds) == 0, "%zu wrong", pf_wrong(mem, PAGES, thirds));
		write_some(mem, by_child);
		REQUIRE(pf_wrong(mem, PAGES, by_child) == 0, "%zu wrong", pf_wrong(mem, PAGES, by_child));
		_exit(0);
	}
	pf_register(self, "");
	pf_run(1);
	REQUIRE(pf_passes(self, 2), "no passes");
	REQUIRE(write(go[1], &byte, 1) == 1, "write");
	waitpid(child, &status, 0);
	CHECK(status == 0, "child: status %x", status);
	CHECK(pf_wrong(mem, PAGES, thirds) == 0, "%zu wrong", pf_wrong(mem, PAGES, thirds));
	CHECK(PF_UNTIL(pf_get("folded_pages") >= PAGES / 3 - 3), "%lld", pf_get("folded_pages"));
	CHECK(pf_wrong(mem, PAGES, thirds) == 0, "%zu wrong", pf_wrong(mem, PAGES, thirds));
}

/* Child and parent in one domain fold with each other, generation after generation. */
static void generations(void)
{
	pid_t child;
	int status, depth;
	char *mem = folded(getpid());

	for (depth = 0; depth < 5; depth++) {
		child = fork();
		if (child) {
			waitpid(child, &status, 0);
			CHECK(status == 0, "status %x at depth %d", status, depth);
			CHECK(pf_wrong(mem, PAGES, depth ? by_child : thirds) == 0, "depth %d", depth);
			if (depth)
				_exit(0);
			return;
		}
		pf_register(getpid(), "");
		write_some(mem, by_child);
		REQUIRE(pf_passes(getpid(), 1), "no passes");
		REQUIRE(pf_wrong(mem, PAGES, by_child) == 0, "depth %d", depth);
	}
	_exit(0);
}

static const struct pf_test tests[] = {
	{ "both_write", both_write },
	{ "fold_under_child", fold_under_child },
	{ "generations", generations },
};

PF_MAIN(tests)
