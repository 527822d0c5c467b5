/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sizes in bytes as people write and read them.
 *
 * Units are IEC's: K, KiB, M, MiB and so on are powers of 1024. KB and MB are refused, for they are
 * 1000 to some and 1024 to others.
 */
#ifndef PF_SIZE_H
#define PF_SIZE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Enough for every text that size_format() writes, its NUL included. */
#define SIZE_TEXT_MAX	16

/**
 * size_parse() - read a size
 * @s: digits, at most one point with digits on both sides, then nothing, B, or a letter of
 *	KMGTPE in either case with or without iB; a part of a byte is dropped
 * @min: the least that is taken
 * @max: the most that is taken
 * @bytes: where it goes; left alone on error
 *
 * Return: 0, -EINVAL when it is no such text, -ERANGE when it is outside @min..@max.
 */
int size_parse(const char *s, uint64_t min, uint64_t max, uint64_t *bytes);

/**
 * size_take() - read a size that somebody wrote, or tell him what is wrong with it
 * @what: what the size is of, for the message
 * @s: as for size_parse()
 * @min: the least that is taken
 * @max: the most that is taken
 * @bytes: where it goes; left alone on error
 * @e: filled on error: what, the value and the range
 *
 * Return: EX_DONE or EX_BAD_INPUT.
 */
int size_take(const char *what, const char *s, uint64_t min, uint64_t max, uint64_t *bytes,
	      struct err *e);

/**
 * size_format() - write a size with the unit that leaves less than 1024 before the point
 * @buf: where it goes, SIZE_TEXT_MAX bytes
 * @bytes: the size
 *
 * "512MiB" and "1.5GiB" are exact or rounded to one digit; "2.0GiB" says that it was rounded.
 *
 * Return: @buf.
 */
const char *size_format(char buf[SIZE_TEXT_MAX], uint64_t bytes);

#define SIZE_TEXT(bytes) size_format((char [SIZE_TEXT_MAX]) { 0 }, (bytes))

#endif
