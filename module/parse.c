// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read what users write to sysfs: exactly, or not at all.
 *
 * Pure logic: builds in userspace too. A value is one line; a newline may end it, nothing may
 * follow. What is not understood whole is refused, nothing is clamped.
 */
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/string.h>

#include "parse.h"
#include "turn.h"

/* The longest line that is understood: "PID name=... domain=... policy=... share=..." */
#define PF_LINE_MAX	256

/*
 * Copy a line without its newline. Refuses what is empty, too long, of several lines, or not text.
 */
static int pf_parse_line(const char *buf, size_t len, char line[PF_LINE_MAX])
{
	size_t i;

	if (len && buf[len - 1] == '\n')
		len--;
	if (!len || len >= PF_LINE_MAX)
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (buf[i] < ' ' || buf[i] > '~')
			return -EINVAL;
	memcpy(line, buf, len);
	line[len] = '\0';
	return 0;
}

/* Digits only: no sign, no space, no base. */
static int pf_parse_long_digits(const char *text, u64 min, u64 max, u64 *value)
{
	u64 number = 0;
	bool over = false;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (!isdigit(*text))
			return -EINVAL;
		/* Go on to the end: what follows may not be a digit. */
		over |= number > (U64_MAX - 9) / 10;
		number = number * 10 + (*text - '0');
	}
	if (over || number < min || number > max)
		return -ERANGE;
	*value = number;
	return 0;
}

static int pf_parse_digits(const char *text, unsigned int min, unsigned int max,
			   unsigned int *value)
{
	u64 number = 0;
	int err = pf_parse_long_digits(text, min, max, &number);

	if (!err)
		*value = number;
	return err;
}

static int pf_parse_word_name(const char *text, char name[PF_NAME_MAX])
{
	size_t i, len = strlen(text);

	if (!len || len >= PF_NAME_MAX)
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (!isalnum(text[i]) && !strchr("._:-", text[i]))
			return -EINVAL;
	memcpy(name, text, len + 1);
	return 0;
}

static int pf_parse_word_policy(const char *text, enum pf_policy *policy)
{
	if (!strcmp(text, "madvise"))
		*policy = PF_POLICY_MADVISE;
	else if (!strcmp(text, "always"))
		*policy = PF_POLICY_ALWAYS;
	else
		return -EINVAL;
	return 0;
}

/**
 * pf_parse_uint() - read a number
 * @buf: what was written, not terminated
 * @len: its length
 * @min: least value allowed
 * @max: greatest value allowed
 * @value: set on success only
 *
 * Return: 0, -EINVAL if it is not a decimal number, -ERANGE if it is not within the range.
 */
int pf_parse_uint(const char *buf, size_t len, unsigned int min, unsigned int max,
		  unsigned int *value)
{
	char line[PF_LINE_MAX];
	int err = pf_parse_line(buf, len, line);

	return err ?: pf_parse_digits(line, min, max, value);
}

/**
 * pf_parse_bytes() - read an amount of memory
 * @buf: what was written, not terminated
 * @len: its length
 * @bytes: set on success only, 0..PF_BYTES_MAX
 *
 * Return: 0, -EINVAL if it is not a decimal number, -ERANGE if it is too large.
 */
int pf_parse_bytes(const char *buf, size_t len, u64 *bytes)
{
	char line[PF_LINE_MAX];
	int err = pf_parse_line(buf, len, line);

	return err ?: pf_parse_long_digits(line, 0, PF_BYTES_MAX, bytes);
}

/**
 * pf_parse_state() - read what is being done about a VM
 * @buf: what was written, not terminated
 * @len: its length
 * @state: set on success only
 *
 * Return: 0 or -EINVAL.
 */
int pf_parse_state(const char *buf, size_t len, enum pf_state *state)
{
	char line[PF_LINE_MAX];
	int i, err = pf_parse_line(buf, len, line);

	if (err)
		return err;
	for (i = 0; i < PF_NR_STATES && strcmp(line, pf_state_words[i]); i++)
		;
	if (i == PF_NR_STATES)
		return -EINVAL;
	*state = i;
	return 0;
}

/**
 * pf_parse_name() - read a name of a VM or domain
 * @buf: what was written, not terminated
 * @len: its length
 * @name: set on success only
 *
 * Return: 0 or -EINVAL.
 */
int pf_parse_name(const char *buf, size_t len, char name[PF_NAME_MAX])
{
	char line[PF_LINE_MAX];
	int err = pf_parse_line(buf, len, line);

	return err ?: pf_parse_word_name(line, name);
}

/**
 * pf_parse_policy() - read a policy
 * @buf: what was written, not terminated
 * @len: its length
 * @policy: set on success only
 *
 * Return: 0 or -EINVAL.
 */
int pf_parse_policy(const char *buf, size_t len, enum pf_policy *policy)
{
	char line[PF_LINE_MAX];
	int err = pf_parse_line(buf, len, line);

	return err ?: pf_parse_word_policy(line, policy);
}

/* Cut the next word off *@rest; words are separated by one space each. */
static char *pf_parse_word(char **rest)
{
	char *word = *rest, *space;

	if (!word)
		return NULL;
	space = strchr(word, ' ');
	if (space)
		*space++ = '\0';
	*rest = space;
	return word;
}

/* One "key=value" of a registration; @seen has a bit for each key that was there already. */
static int pf_parse_option(char *word, struct pf_vm_config *config, unsigned int *seen)
{
	static const char * const keys[] = { "name", "domain", "policy", "share" };
	char *value = strchr(word, '=');
	unsigned int key;

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	for (key = 0; key < 4 && strcmp(word, keys[key]); key++)
		;
	if (key == 4 || *seen & 1U << key)
		return -EINVAL;
	*seen |= 1U << key;
	switch (key) {
	case 0:
		return pf_parse_word_name(value, config->name);
	case 1:
		return pf_parse_word_name(value, config->domain);
	case 2:
		return pf_parse_word_policy(value, &config->policy);
	default:
		return pf_parse_digits(value, PF_SHARE_MIN, PF_SHARE_MAX, &config->share);
	}
}

static int pf_parse_pid(const char *text, pid_t *pid)
{
	unsigned int value = 0;
	int err = pf_parse_digits(text, 1, INT_MAX, &value);

	*pid = value;
	return err;
}

/**
 * pf_parse_register() - read a registration
 * @buf: "PID [name=NAME] [domain=DOMAIN] [policy=madvise|always] [share=SHARE]", not terminated
 * @len: its length
 * @config: set on success only; what is not said has its default
 *
 * Return: 0; -EINVAL for a line of another form; -ERANGE for a number out of its range.
 */
int pf_parse_register(const char *buf, size_t len, struct pf_vm_config *config)
{
	struct pf_vm_config read = {
		.domain = "default",
		.policy = PF_POLICY_MADVISE,
		.share = PF_SHARE_DEFAULT,
	};
	char line[PF_LINE_MAX], *rest = line, *word;
	unsigned int seen = 0;
	int err;

	err = pf_parse_line(buf, len, line);
	if (err)
		return err;
	word = pf_parse_word(&rest);
	err = pf_parse_pid(word, &read.pid);
	if (err)
		return err;
	snprintf(read.name, sizeof(read.name), "%d", read.pid);
	while (!err && (word = pf_parse_word(&rest)))
		err = pf_parse_option(word, &read, &seen);
	if (!err)
		*config = read;
	return err;
}

/**
 * pf_parse_unregister() - read the end of a registration
 * @buf: "PID [unfold]", not terminated
 * @len: its length
 * @pid: set on success only
 * @unfold: set on success only
 *
 * Return: 0; -EINVAL for a line of another form; -ERANGE for a number out of its range.
 */
int pf_parse_unregister(const char *buf, size_t len, pid_t *pid, bool *unfold)
{
	char line[PF_LINE_MAX], *rest = line;
	pid_t read = 0;
	int err;

	err = pf_parse_line(buf, len, line);
	if (err)
		return err;
	err = pf_parse_pid(pf_parse_word(&rest), &read);
	if (err)
		return err;
	if (rest && strcmp(rest, "unfold"))
		return -EINVAL;
	*pid = read;
	*unfold = rest;
	return 0;
}
