// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an operator may decide: pagefoldd.conf, its drop-ins, and a file for each VM.
 *
 * libinih reads the lines; what it lets pass in silence is refused here before and after it: NUL
 * bytes, lines that it would cut, unknown keys, keys given twice, values out of range. A daemon
 * that takes memory from guests must not guess what was meant.
 */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "registration.h"
#include "size.h"

#define LINE_MAX_INI	190	/* inih's own limit is 200, and it cuts */
#define SIZE_MOST	(1ull << 60)
#define USER_MOST	(UINT32_MAX - 1ull)	/* the last is nobody's */

enum value_type { VALUE_NUMBER, VALUE_AMOUNT, VALUE_WORD, VALUE_PATH, VALUE_URI, VALUE_USER };

static const char * const no_yes[] = { "no", "yes", NULL };
static const char * const emergencies[] = { "none", "pause", "quit", NULL };

/* Every key: where it goes, and the range that is taken. */
static const struct conf_key {
	const char *section, *name;
	enum value_type type;
	size_t at;
	uint64_t min, max;
	const char * const *words;
} keys[] = {
#define KEY(in, called, what, field, ...) \
	{ .section = in, .name = called, .type = what, .at = offsetof(struct conf, field), \
	  __VA_ARGS__ }
	KEY("host", "high", VALUE_AMOUNT, high, .min = 1, .max = 90),
	KEY("host", "soft", VALUE_AMOUNT, soft, .min = 1, .max = 90),
	KEY("host", "hard", VALUE_AMOUNT, hard, .min = 1, .max = 90),
	KEY("host", "low", VALUE_AMOUNT, low, .min = 1, .max = 90),
	KEY("host", "psi_some_percent", VALUE_NUMBER, psi_some_percent, .min = 0, .max = 100),
	KEY("host", "psi_full_percent", VALUE_NUMBER, psi_full_percent, .min = 0, .max = 100),
	KEY("host", "interval_ms", VALUE_NUMBER, interval_ms, .min = 200, .max = 60000),
	KEY("host", "record_s", VALUE_NUMBER, record_s, .min = 0, .max = 3600),
	KEY("host", "register", VALUE_WORD, enrol, .words = no_yes),
	KEY("host", "metrics", VALUE_PATH, metrics),
	KEY("host", "libvirt_uri", VALUE_URI, libvirt_uri),
	KEY("policy", "idle_tax_percent", VALUE_NUMBER, idle_tax_percent, .min = 0, .max = 99),
	KEY("policy", "step_percent", VALUE_NUMBER, step_percent, .min = 1, .max = 50),
	KEY("policy", "rise_percent", VALUE_NUMBER, rise_percent, .min = 1, .max = 100),
	KEY("policy", "spike_percent", VALUE_NUMBER, spike_percent, .min = 1, .max = 100),
	KEY("policy", "spike_window_s", VALUE_NUMBER, spike_window_s, .min = 1, .max = 3600),
	KEY("ladder", "share_s", VALUE_NUMBER, share_s, .min = 0, .max = 3600),
	KEY("ladder", "report_s", VALUE_NUMBER, report_s, .min = 0, .max = 3600),
	KEY("ladder", "deadline_s", VALUE_NUMBER, deadline_s, .min = 1, .max = 3600),
	KEY("ladder", "emergency_s", VALUE_NUMBER, emergency_s, .min = 1, .max = 3600),
	KEY("ladder", "keep_percent", VALUE_NUMBER, keep_percent, .min = 0, .max = 50),
	KEY("ladder", "page_step", VALUE_AMOUNT, page_step),
	KEY("vm", "min", VALUE_AMOUNT, vm.min, .min = 1, .max = 100),
	KEY("vm", "max", VALUE_AMOUNT, vm.max, .min = 1, .max = 100),
	KEY("vm", "shares", VALUE_NUMBER, vm.shares, .min = 1, .max = 10000),
	KEY("vm", "balloon", VALUE_WORD, vm.balloon, .words = no_yes),
	KEY("vm", "paging", VALUE_WORD, vm.paging, .words = no_yes),
	KEY("vm", "emergency", VALUE_WORD, vm.emergency, .words = emergencies),
	KEY("vm", "qmp", VALUE_PATH, vm.qmp),
	KEY("vm", "user", VALUE_USER, vm.user),
#undef KEY
};

struct reading {
	struct conf *conf;
	bool given[ARRAY_SIZE(keys)];
	bool vm, failed;
	struct err why;
};

void conf_default(struct conf *c)
{
	*c = (struct conf){
		.high.percent = 6, .soft.percent = 4, .hard.percent = 2, .low.percent = 1,
		.psi_some_percent = 10, .psi_full_percent = 5, .interval_ms = 2000, .record_s = 10,
		.enrol = 1,
		.libvirt_uri = "qemu:///system",
		.idle_tax_percent = 75, .step_percent = 5, .rise_percent = 10, .spike_percent = 5,
		.spike_window_s = 60,
		.share_s = 10, .report_s = 5, .deadline_s = 30, .emergency_s = 30,
		.keep_percent = 5, .page_step.bytes = 16 << 20,
		.vm = { .min.percent = 25, .max.percent = 100, .shares = 100, .balloon = 1,
			.paging = 0, .emergency = EMERGENCY_NONE },
	};
}

uint64_t amount_of(const struct amount *a, uint64_t whole)
{
	return a->percent ? (unsigned __int128)whole * a->percent / 100 : a->bytes;
}

static int take_amount(const struct conf_key *key, const char *value, struct amount *a,
		       struct err *e)
{
	size_t len = strlen(value);
	unsigned long long percent;
	char digits[8];

	if (len && value[len - 1] == '%' && key->max) {
		snprintf(digits, sizeof(digits), "%.*s", (int)(len < 8 ? len - 1 : 7), value);
		if (parse_number(digits, key->min, key->max, &percent))
			return err_set(e, EX_BAD_INPUT, "%s %s: want a size, or %" PRIu64 "%% to %"
				       PRIu64 "%%", key->name, QUOTE(value), key->min, key->max);
		*a = (struct amount){ .percent = percent };
		return EX_DONE;
	}
	a->percent = 0;
	return size_take(key->name, value, 1 << 20, SIZE_MOST, &a->bytes, e);
}

static int take_number(const struct conf_key *key, const char *value, unsigned int *n,
		       struct err *e)
{
	unsigned long long v;

	if (parse_number(value, key->min, key->max, &v))
		return err_set(e, EX_BAD_INPUT, "%s %s: want a number, %" PRIu64 " to %" PRIu64,
			       key->name, QUOTE(value), key->min, key->max);
	*n = v;
	return EX_DONE;
}

static int take_word(const struct conf_key *key, const char *value, unsigned int *n, struct err *e)
{
	char list[64] = "";

	for (unsigned int i = 0; key->words[i]; i++) {
		if (!strcmp(value, key->words[i])) {
			*n = i;
			return EX_DONE;
		}
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			 key->words[i]);
	}
	return err_set(e, EX_BAD_INPUT, "%s %s: want one of %s", key->name, QUOTE(value), list);
}

static int take_path(const struct conf_key *key, const char *value, char *path, struct err *e)
{
	if (*value != '/' || strlen(value) >= CONF_PATH_MAX)
		return err_set(e, EX_BAD_INPUT, "%s %s: want an absolute path of at most %d bytes",
			       key->name, QUOTE(value), CONF_PATH_MAX - 1);
	snprintf(path, CONF_PATH_MAX, "%s", value);
	return EX_DONE;
}

/*
 * This host's libvirt only, for it is asked about processes; and none that needs an environment to
 * be found, as a session's without its socket does.
 */
static int take_uri(const struct conf_key *key, const char *value, char *uri, struct err *e)
{
	static const char * const forms[] = {
		"qemu:///system?socket=/", "qemu:///session?socket=/",
	};
	bool good = !strcmp(value, "qemu:///system");

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		size_t len = strlen(forms[i]);

		/* What else means something in a URI would not reach libvirt as it stands here. */
		if (!strncmp(value, forms[i], len) && !strpbrk(value + len, "?&#%+") &&
		    strlen(value + len - 1) < CONF_PATH_MAX)
			good = true;
	}
	if (!good)
		return err_set(e, EX_BAD_INPUT, "%s %s: want qemu:///system, or one of "
			       "qemu:///system and qemu:///session with ?socket= and an absolute "
			       "path of at most %d bytes without ? & # %% +", key->name,
			       QUOTE(value), CONF_PATH_MAX - 1);
	snprintf(uri, CONF_URI_MAX, "%s", value);
	return EX_DONE;
}

/* Who that is, is looked up when there is a VM; names are as useradd takes them. */
static int take_user(const struct conf_key *key, const char *value, char *user, struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-$";
	size_t len = strlen(value);

	if (!len || len >= CONF_USER_MAX || strspn(value, letters) != len)
		return err_set(e, EX_BAD_INPUT, "%s %s: want a user's name or number", key->name,
			       QUOTE(value));
	strcpy(user, value);
	return EX_DONE;
}

static int take_value(struct conf *c, const struct conf_key *key, const char *value, struct err *e)
{
	void *field = (char *)c + key->at;

	switch (key->type) {
	case VALUE_NUMBER:
		return take_number(key, value, field, e);
	case VALUE_AMOUNT:
		return take_amount(key, value, field, e);
	case VALUE_WORD:
		return take_word(key, value, field, e);
	case VALUE_URI:
		return take_uri(key, value, field, e);
	case VALUE_USER:
		return take_user(key, value, field, e);
	default:
		return take_path(key, value, field, e);
	}
}

static int take_line(struct reading *r, const char *section, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(section, keys[i].section) || strcmp(name, keys[i].name))
			continue;
		if (r->vm && strcmp(section, "vm"))
			break;
		if (!r->vm && keys[i].type == VALUE_USER)
			return err_set(&r->why, EX_BAD_INPUT, "%s: want it in a VM's own file",
				       name);
		if (r->given[i])
			return err_set(&r->why, EX_BAD_INPUT, "%s: given twice", name);
		r->given[i] = true;
		return take_value(r->conf, &keys[i], value, &r->why);
	}
	return err_set(&r->why, EX_BAD_INPUT, "[%s] %s: no such key%s", QUOTE(section),
		       QUOTE(name), r->vm ? " in a VM's own file" : "");
}

/* Called by inih; 0 has it remember the line of the first error. */
static int handle(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;

	if (r->failed)
		return 1;
	r->failed = take_line(r, section, name, value ? value : "") != EX_DONE;
	return !r->failed;
}

static int accept_all(void *arg, const char *section, const char *name, const char *value)
{
	(void)arg;
	(void)section;
	(void)name;
	(void)value;
	return 1;
}

static int check_text(const char *text, size_t len, struct err *e)
{
	int line = 1;

	if (memchr(text, '\0', len))
		return err_set(e, EX_BAD_INPUT, "holds a NUL byte, so it is not a text file");
	for (const char *at = text; *at; line++) {
		size_t n = strcspn(at, "\n");

		if (n > LINE_MAX_INI)
			return err_set(e, EX_BAD_INPUT, "line %d: longer than %d bytes", line,
				       LINE_MAX_INI);
		at += n + (at[n] == '\n');
	}
	return EX_DONE;
}

int conf_parse(struct conf *c, const char *path, const char *text, size_t len, bool vm,
	       struct err *e)
{
	struct reading r = { .conf = c, .vm = vm };
	struct err why;
	int line;

	if (check_text(text, len, &why))
		return err_set(e, EX_BAD_INPUT, "%s: %s", path, why.text);
	/* Twice, because inih tells one line only: of what is no key, or of one that is refused. */
	line = ini_parse_string(text, accept_all, NULL);
	if (line)
		return err_set(e, EX_BAD_INPUT, "%s:%d: want [section] or key = value", path, line);
	line = ini_parse_string(text, handle, &r);
	if (line)
		return err_set(e, EX_BAD_INPUT, "%s:%d: %s", path, line, r.why.text);
	return EX_DONE;
}

/* Unlike file_read() it tells the length, so that a NUL inside is seen. Return: 0 or an errno. */
static int read_text(const char *sysroot, const char *path, char *text, size_t *len)
{
	char full[PATH_MAX];
	int rc = 0;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", sysroot, path);
	f = fopen(full, "re");
	if (!f)
		return errno;
	*len = fread(text, 1, CONF_FILE_MAX + 1, f);
	if (ferror(f))
		rc = errno ? errno : EIO;
	else if (*len > CONF_FILE_MAX)
		rc = EFBIG;
	else
		text[*len] = '\0';
	fclose(f);
	return rc;
}

static int read_file(const char *sysroot, const char *path, struct conf *c, bool vm, struct err *e)
{
	char *text = malloc(CONF_FILE_MAX + 1);
	size_t len;
	int rc;

	if (!text)
		return err_set(e, EX_REFUSED, "%s%s: no memory to read it", sysroot, path);
	rc = read_text(sysroot, path, text, &len);
	if (rc == ENOENT)
		rc = EX_DONE;
	else if (rc)
		rc = err_set(e, EX_BAD_INPUT, "%s%s: cannot read: %s", sysroot, path,
			     strerror(rc));
	else
		rc = conf_parse(c, path, text, len, vm, e);
	free(text);
	return rc;
}

static int is_conf(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && !strcmp(entry->d_name + n - 5, ".conf") && *entry->d_name != '.';
}

static int read_dropins(const char *sysroot, struct conf *c, struct err *e)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct dirent **files;
	int n, rc = EX_DONE;

	snprintf(dir, sizeof(dir), "%s" CONF_DIR "/pagefoldd.conf.d", sysroot);
	n = scandir(dir, &files, is_conf, alphasort);
	if (n < 0)
		return errno == ENOENT ? EX_DONE :
		       err_set(e, EX_BAD_INPUT, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), CONF_DIR "/pagefoldd.conf.d/%s", files[i]->d_name);
		if (!rc)
			rc = read_file(sysroot, path, c, false, e);
		free(files[i]);
	}
	free(files);
	return rc;
}

int conf_read(const char *sysroot, struct conf *c, struct err *e)
{
	int rc;

	conf_default(c);
	rc = read_file(sysroot, CONF_DIR "/pagefoldd.conf", c, false, e);
	return rc ? rc : read_dropins(sysroot, c, e);
}

int conf_read_vm(const char *sysroot, const struct conf *c, const char *name, struct vm_conf *vm,
		 struct err *e)
{
	struct conf own = *c;
	char path[PATH_MAX];
	int rc;

	/* A name that is a path would leave the directory; the module does not take such names. */
	if (!name_is_valid(name))
		return err_set(e, EX_BAD_INPUT, "name %s cannot have a file", QUOTE(name));
	snprintf(path, sizeof(path), CONF_DIR "/vm.d/%s.conf", name);
	rc = read_file(sysroot, path, &own, true, e);
	if (rc)
		return rc;
	*vm = own.vm;
	snprintf(path, sizeof(path), "%s" CONF_DIR "/vm.d/%s.conf", sysroot, name);
	vm->own = !access(path, F_OK);
	return EX_DONE;
}

int conf_user_id(const char *sysroot, const char *user, uid_t *uid, struct err *e)
{
	unsigned long long number;
	const struct passwd *one;
	char path[PATH_MAX];
	bool found = false;
	FILE *f;

	if (!parse_number(user, 0, USER_MOST, &number)) {
		*uid = number;
		return EX_DONE;
	}
	snprintf(path, sizeof(path), "%s/etc/passwd", sysroot);
	f = fopen(path, "re");
	while (f && !found && (one = fgetpwent(f)))
		found = !strcmp(one->pw_name, user);
	if (found)
		*uid = one->pw_uid;
	if (f)
		fclose(f);
	return found ? EX_DONE : err_set(e, EX_BAD_INPUT, "user %s: %s has none of that name",
					 QUOTE(user), path);
}
