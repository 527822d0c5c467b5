// SPDX-License-Identifier: GPL-2.0-only
/*
 * register_errors.c: registering and unregistering wrongly gives the right errno and no entry.
 */
#define _GNU_SOURCE
#include "pf.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>

/* Written after a pid that is there and could be registered. */
static const struct {
	const char *options;
	int error;
} malformed[] = {
	{ "x", EINVAL },
	{ "name", EINVAL },
	{ "name=", EINVAL },
	{ "=x", EINVAL },
	{ "name=a/b", EINVAL },
	{ "name=a=b", EINVAL },
	{ "name=\001", EINVAL },
	{ "name=abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij1234", EINVAL },
	{ "domain=", EINVAL },
	{ "domain=../x", EINVAL },
	{ "policy=", EINVAL },
	{ "policy=never", EINVAL },
	{ "policy=Always", EINVAL },
	{ "share=", EINVAL },
	{ "share=0", ERANGE },
	{ "share=10001", ERANGE },
	{ "share=-1", EINVAL },
	{ "share=1x", EINVAL },
	{ "share=99999999999999999999", ERANGE },
	{ "colour=red", EINVAL },
	{ "name=a,domain=b", EINVAL },
	{ "policy=always extra", EINVAL },
	{ "unfold", EINVAL },
};

/* Written as they are. */
static const char *const not_pids[] = {
	"\n", "x", "0", "-1", "+", "1.5", "0x1", "1x", "name=a", "99999999999999999999", "18446744073709551617",
	"4294967297", "2147483648",
};

static size_t entries(void)
{
	DIR *dir = opendir(PF_SYS "vms");
	struct dirent *entry;
	size_t count = 0;

	REQUIRE(dir, "vms/: %s", strerror(errno));
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void no_entry(void)
{
	CHECK(pf_get("vms_registered") == 0, "%lld", pf_get("vms_registered"));
	CHECK(entries() == 0, "%zu", entries());
}

static void fails(int want, const char *attr, const char *text)
{
	int ret = pf_put(attr, "%s", text);

	CHECK(ret == -want, "%s '%s' gives %s, not %s", attr, text, ret ? strerror(-ret) : "success", strerror(want));
}

static void not_there(void)
{
	char text[32];
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	sprintf(text, "%d", pid);
	fails(ESRCH, "register", text);
	fails(ENOENT, "unregister", text);
	sprintf(text, "%d", getpid());
	fails(ENOENT, "unregister", text);
	no_entry();
}

static void zombie(void)
{
	siginfo_t info;
	char text[32];
	pid_t pid = fork();
	int ret;

	if (!pid)
		_exit(0);
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	sprintf(text, "%d", pid);
	ret = pf_put("register", "%s", text);
	CHECK(ret == -ESRCH || ret == -EINVAL, "a zombie gives %s", ret ? strerror(-ret) : "success");
	waitpid(pid, NULL, 0);
	no_entry();
}

static void kernel_thread(void)
{
	fails(EINVAL, "register", "2");
	no_entry();
}

static void malformed_forms(void)
{
	char text[256];
	size_t i;

	for (i = 0; i < PF_COUNT(malformed); i++) {
		snprintf(text, sizeof(text), "%d %s", getpid(), malformed[i].options);
		fails(malformed[i].error, "register", text);
		CHECK(!pf_registered(getpid()), "registered by '%s'", malformed[i].options);
	}
	for (i = 0; i < PF_COUNT(not_pids); i++) {
		int ret = pf_put("register", "%s", not_pids[i]);

		/* A number that is no pid may be refused for being none or for not being there. */
		CHECK(ret == -EINVAL || ret == -ERANGE || ret == -ESRCH, "'%s' gives %s", not_pids[i],
		      ret ? strerror(-ret) : "success");
		ret = pf_put("unregister", "%s", not_pids[i]);
		CHECK(ret == -EINVAL || ret == -ERANGE || ret == -ENOENT, "'%s' gives %s", not_pids[i],
		      ret ? strerror(-ret) : "success");
	}
	no_entry();
}

static void overlong_and_binary(void)
{
	static char text[9000];
	int at = sprintf(text, "%d name=", getpid());
	int ret;

	memset(text + at, 'a', sizeof(text) - at);
	ret = pf_write_raw(PF_SYS "register", text, sizeof(text));
	CHECK(ret == -EINVAL || ret == -ERANGE, "9000 bytes give %d", ret);
	memset(text + at, 0, sizeof(text) - at);
	memcpy(text + at, "a", 1);
	ret = pf_write_raw(PF_SYS "register", text, at + 10);
	CHECK(ret == -EINVAL, "NULs at the end give %d", ret);
	memset(text, 0xff, sizeof(text));
	ret = pf_write_raw(PF_SYS "register", text, 100);
	CHECK(ret == -EINVAL, "binary gives %d", ret);
	no_entry();
	/* What begins with a pid that is registered, and goes on too long or in no letters. */
	pf_register(getpid(), "");
	memset(text, ' ', sizeof(text));
	at = sprintf(text, "%d unfold", getpid());
	text[at] = ' ';
	ret = pf_write_raw(PF_SYS "unregister", text, sizeof(text));
	CHECK(ret == -EINVAL || ret == -ERANGE, "unregister: 9000 bytes give %d", ret);
	ret = pf_write_raw(PF_SYS "unregister", text, 4096);
	CHECK(ret == -EINVAL || ret == -ERANGE, "unregister: 4096 bytes give %d", ret);
	memset(text + at, 0, sizeof(text) - at);
	ret = pf_write_raw(PF_SYS "unregister", text, at + 10);
	CHECK(ret == -EINVAL, "unregister: NULs at the end give %d", ret);
	memset(text + at - 6, 0xff, 100);
	ret = pf_write_raw(PF_SYS "unregister", text, at + 90);
	CHECK(ret == -EINVAL, "unregister: binary behind the pid gives %d", ret);
	ret = pf_write_raw(PF_SYS "unregister", text + at - 6, 90);
	CHECK(ret == -EINVAL, "unregister: binary gives %d", ret);
	memset(text, '1', sizeof(text));
	ret = pf_write_raw(PF_SYS "unregister", text, sizeof(text));
	CHECK(ret == -EINVAL || ret == -ERANGE, "unregister: 9000 digits give %d", ret);
	CHECK(pf_registered(getpid()), "unregistered by what is not a request");
	pf_set("unregister", getpid());
	no_entry();
}

static void twice(void)
{
	char text[64];
	pid_t self = getpid(), thread_like;

	sprintf(text, "%d", self);
	pf_register(self, "name=once");
	fails(EEXIST, "register", text);
	/* Another process with the same memory is the same VM. */
	thread_like = vfork();
	if (!thread_like) {
		char same[32];

		sprintf(same, "%d", (int)syscall(SYS_getpid));
		fails(EEXIST, "register", same);
		_exit(0);
	}
	waitpid(thread_like, NULL, 0);
	CHECK(pf_get("vms_registered") == 1, "%lld", pf_get("vms_registered"));
	pf_set("unregister", self);
	no_entry();
	pf_register(self, "name=again");
	CHECK(pf_put("unregister", "%d unfold", self) == 0, "unregister with unfold");
	no_entry();
	snprintf(text, sizeof(text), "%d fold", self);
	pf_register(self, "");
	fails(EINVAL, "unregister", text);
	CHECK(pf_registered(self), "an unregister that was refused took the entry");
}

static void good_forms(void)
{
	static const char *const good[] = {
		"", "name=a", "domain=b", "policy=always", "policy=madvise", "share=1", "share=10000",
		"name=A.z:0_9-x domain=d policy=always share=5", "share=5 policy=madvise domain=d name=n",
	};
	pid_t self = getpid();
	char attr[64], text[64];
	size_t i;

	for (i = 0; i < PF_COUNT(good); i++) {
		pf_register(self, good[i]);
		CHECK(pf_registered(self), "'%s'", good[i]);
		pf_set("unregister", self);
	}
	pf_register(self, "name=n domain=d policy=always share=5");
	sprintf(attr, "vms/%d/name", self);
	CHECK(pf_read(attr, text, sizeof(text)) && !strcmp(text, "n\n"), "'%s'", text);
	sprintf(attr, "vms/%d/domain", self);
	CHECK(pf_read(attr, text, sizeof(text)) && !strcmp(text, "d\n"), "'%s'", text);
	CHECK(pf_get("vms/%d/share", self) == 5, " ");
	CHECK(pf_put("register", "%d\n", self) == -EEXIST, "a newline at the end");
}

/* exec gives the process other memory: what was registered is gone. */
static void exec_ends_entry(void)
{
	int go[2];
	char byte;
	pid_t pid;

	REQUIRE(pipe2(go, 0) == 0, "pipe");
	pid = fork();
	if (!pid) {
		REQUIRE(read(go[0], &byte, 1) == 1, "read");
		execl("/bin/busybox", "sleep", "1000", NULL);
		_exit(PF_FAIL);
	}
	pf_register(pid, "name=before");
	CHECK(pf_registered(pid), "not registered");
	REQUIRE(write(go[1], "x", 1) == 1, "write");
	CHECK(PF_UNTIL(!pf_registered(pid)), "still registered after exec");
	CHECK(PF_UNTIL(pf_get("vms_registered") == 0), "%lld", pf_get("vms_registered"));
	pf_register(pid, "name=after");
	CHECK(pf_registered(pid), "cannot be registered again");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(PF_UNTIL(pf_get("vms_registered") == 0), "%lld", pf_get("vms_registered"));
}

static bool is_named(pid_t pid, const char *name)
{
	char path[32], comm[32] = "";
	FILE *file;

	sprintf(path, "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(comm, sizeof(comm), file))
		comm[0] = 0;
	fclose(file);
	return !strncmp(comm, name, strlen(name));
}

/* A process that scans until it is told to be another program. */
static pid_t start_changeling(int go)
{
	char byte, *mem;
	pid_t pid = fork();
	size_t i;

	if (pid)
		return pid;
	mem = pf_map(8192, PF_PLAIN);
	for (i = 0; i < 8192; i++)
		pf_fill(pf_page(mem, i), 1 + i);
	REQUIRE(read(go, &byte, 1) == 1, "read");
	execl("/bin/busybox", "sleep", "1000", NULL);
	_exit(PF_FAIL);
}

/*
 * What is another program by now can be registered at once, though its former memory is just being
 * scanned, and though nobody has told its entry yet.
 */
static void exec_is_another(void)
{
	int go[2], round;

	pf_set("threads", 2);
	pf_sample_fast();
	pf_run(1);
	for (round = 0; round < 20; round++) {
		pid_t pid;
		int ret;

		REQUIRE(pipe2(go, 0) == 0, "pipe");
		pid = start_changeling(go[0]);
		pf_register(pid, "");
		REQUIRE(PF_UNTIL(pf_get("vms/%d/passes", pid) > 0), "no pass");
		REQUIRE(write(go[1], "x", 1) == 1, "write");
		REQUIRE(PF_UNTIL(is_named(pid, "busybox")), "no exec");
		ret = pf_put("register", "%d", pid);
		CHECK(ret == 0, "round %d: %s", round, strerror(-ret));
		CHECK(PF_UNTIL(pf_get("vms/%d/passes", pid) > 0), "not scanned as what it is now");
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(go[0]);
		close(go[1]);
	}
	CHECK(PF_UNTIL(pf_get("vms_registered") == 0), "%lld", pf_get("vms_registered"));
}

/* Leaves behind at each fork what start_small() has no need of, which would be copied and given back each time. */
static void fork_little(void)
{
	char line[256];
	/* Its stack, its code, and where the kernel writes when a thread comes back from it. */
	const uintptr_t needed[] = {
		(uintptr_t)line, (uintptr_t)fork_little, (uintptr_t)__builtin_thread_pointer(),
	};
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	size_t i;

	REQUIRE(maps, "/proc/self/maps: %s", strerror(errno));
	while (fgets(line, sizeof(line), maps)) {
		REQUIRE(sscanf(line, "%lx-%lx ", &start, &end) == 2, "maps: %s", line);
		for (i = 0; i < PF_COUNT(needed); i++)
			if (needed[i] >= start && needed[i] < end)
				break;
		if (i == PF_COUNT(needed))
			madvise((void *)start, end - start, MADV_DONTFORK);
	}
	fclose(maps);
}

/* A process that waits. Not by fork(), which writes to what child and parent share until then. */
static pid_t start_small(void)
{
	pid_t pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0UL);

	while (!pid)
		syscall(SYS_pause);
	return pid;
}

/* All get an entry, all entries go with them. */
static void ten_thousand(void)
{
	const int want = 10000, kib_each = 160;
	int made, ret = 0, i;
	pid_t *pids = calloc(want, sizeof(*pids));
	long long before;

	if (pf_field("/proc/meminfo", "MemAvailable") < (long long)want * kib_each)
		pf_skip("no memory for %d processes", want);
	pf_file_write("/proc/sys/kernel/pid_max", "65536");
	pf_file_write("/proc/sys/kernel/threads-max", "30000");
	/* They are scanned meanwhile, but not with a CPU of two. */
	pf_set("cpu_percent", 10);
	pf_run(1);
	before = pf_get("metadata_bytes");
	fork_little();
	for (made = 0; made < want; made++) {
		pids[made] = start_small();
		if (pids[made] < 0)
			break;
		ret = pf_put("register", "%d", pids[made]);
		if (ret)
			break;
	}
	CHECK(made == want, "process %d: fork gives %d, register gives %s", made, pids[made < want ? made : 0],
	      strerror(-ret));
	CHECK(pf_get("vms_registered") == made, "%lld", pf_get("vms_registered"));
	CHECK(entries() == (size_t)made, "%zu", entries());
	for (i = 0; i <= made && i < want; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	CHECK(PF_UNTIL(pf_get("vms_registered") == 0), "%lld left", pf_get("vms_registered"));
	no_entry();
	CHECK(PF_UNTIL(pf_get("metadata_bytes") <= before), "metadata grew from %lld to %lld", before,
	      pf_get("metadata_bytes"));
}

static const struct pf_test tests[] = {
	{ "not_there", not_there },
	{ "zombie", zombie },
	{ "kernel_thread", kernel_thread },
	{ "malformed_forms", malformed_forms },
	{ "overlong_and_binary", overlong_and_binary },
	{ "twice", twice },
	{ "good_forms", good_forms },
	{ "exec_ends_entry", exec_ends_entry },
	{ "exec_is_another", exec_is_another },
	{ "ten_thousand", ten_thousand },
};

PF_MAIN(tests)
