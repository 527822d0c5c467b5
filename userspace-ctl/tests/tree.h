/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A made-up /sys, /proc or /etc in a directory of its own, for tests.
 */
#ifndef PF_TREE_H
#define PF_TREE_H

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int tree_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void tree_remove(const char *root)
{
	nftw(root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Make @path, absolute in the tree, with the directories that it needs, or give up. */
static inline void tree_bytes(const char *root, const char *path, const void *bytes, size_t len)
{
	char full[PATH_MAX];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(full, 0755);
		*at = '/';
	}
	file = fopen(full, "w");
	if (!file || fwrite(bytes, 1, len, file) != len || fclose(file)) {
		perror(full);
		exit(1);
	}
}

static inline void tree_file(const char *root, const char *path, const char *text)
{
	tree_bytes(root, path, text, strlen(text));
}

static inline void tree_unlink(const char *root, const char *path)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", root, path);
	remove(full);
}

#endif
