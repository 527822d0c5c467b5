// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is said of a VM when it is registered.
 *
 * The module checks all of this again and answers with a number; here it is checked so that the
 * answer can be a sentence with the value and the range.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "registration.h"

#define NAME_RULE "1 to 63 characters of A-Z a-z 0-9 . _ : -"

static const char * const policies[] = { "madvise", "always" };

int parse_number(const char *s, unsigned long long min, unsigned long long max,
		 unsigned long long *value)
{
	unsigned long long v = 0;
	bool overflow = false;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		overflow |= __builtin_mul_overflow(v, 10, &v);
		overflow |= __builtin_add_overflow(v, *s - '0', &v);
	}
	if (overflow || v < min || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

int parse_pid(const char *s, int *pid, struct err *e)
{
	unsigned long long v;

	if (parse_number(s, 1, PF_PID_MAX, &v))
		return err_set(e, EX_BAD_INPUT, "PID %s: want a process id, 1 to %d", QUOTE(s),
			       PF_PID_MAX);
	*pid = v;
	return EX_DONE;
}

static bool name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       strchr("._:-", c);
}

bool name_is_valid(const char *s)
{
	size_t n;

	for (n = 0; s[n]; n++)
		if (n == PF_NAME_MAX || !name_char(s[n]))
			return false;
	return n > 0;
}

void name_sanitize(const char *s, char name[PF_NAME_MAX + 1])
{
	size_t n;

	for (n = 0; s[n] && n < PF_NAME_MAX; n++)
		name[n] = name_char(s[n]) ? s[n] : '-';
	name[n] = '\0';
}

static int set_name(char *field, const char *key, const char *value, struct err *e)
{
	if (*field)
		return err_set(e, EX_BAD_INPUT, "%s: given twice", key);
	if (!name_is_valid(value))
		return err_set(e, EX_BAD_INPUT, "%s %s: want " NAME_RULE, key, QUOTE(value));
	memcpy(field, value, strlen(value) + 1);
	return EX_DONE;
}

static int set_policy(struct registration *r, const char *value, struct err *e)
{
	if (r->policy)
		return err_set(e, EX_BAD_INPUT, "policy: given twice");
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
		if (!strcmp(value, policies[i])) {
			r->policy = policies[i];
			return EX_DONE;
		}
	return err_set(e, EX_BAD_INPUT, "policy %s: want madvise or always", QUOTE(value));
}

static int set_share(struct registration *r, const char *value, struct err *e)
{
	unsigned long long v;

	if (r->share)
		return err_set(e, EX_BAD_INPUT, "share: given twice");
	if (parse_number(value, 1, PF_SHARE_MAX, &v))
		return err_set(e, EX_BAD_INPUT, "share %s: want a number, 1 to %d", QUOTE(value),
			       PF_SHARE_MAX);
	r->share = v;
	return EX_DONE;
}

int registration_set(struct registration *r, const char *key, const char *value, struct err *e)
{
	if (!strcmp(key, "name"))
		return set_name(r->name, key, value, e);
	if (!strcmp(key, "domain"))
		return set_name(r->domain, key, value, e);
	if (!strcmp(key, "policy"))
		return set_policy(r, value, e);
	if (!strcmp(key, "share"))
		return set_share(r, value, e);
	return err_set(e, EX_BAD_INPUT, "key %s: want name, domain, policy or share", QUOTE(key));
}

int registration_format(const struct registration *r, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%d", r->pid);

	if (*r->name)
		n += snprintf(buf + n, size - n, " name=%s", r->name);
	if (*r->domain)
		n += snprintf(buf + n, size - n, " domain=%s", r->domain);
	if (r->policy)
		n += snprintf(buf + n, size - n, " policy=%s", r->policy);
	if (r->share)
		n += snprintf(buf + n, size - n, " share=%u", r->share);
	return n;
}
