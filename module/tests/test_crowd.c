// SPDX-License-Identifier: GPL-2.0-only
/* Tests of the crowd: who is expected to come again? */
#include "crowd.h"
#include "test.h"

#define BEGIN_NS	(1000 * PF_CROWD_NS)

static bool nobody_came(void)
{
	struct pf_crowd crowd = {};

	EXPECT(!pf_crowd_is_there(&crowd, 0), "a crowd at boot");
	EXPECT(!pf_crowd_is_there(&crowd, PF_CROWD_NS / 2), "a crowd soon after boot");
	EXPECT(!pf_crowd_is_there(&crowd, BEGIN_NS), "a crowd of nobody");
	return true;
}

static bool one_is_no_crowd(void)
{
	struct pf_crowd crowd = {};

	pf_crowd_came(&crowd, BEGIN_NS);
	EXPECT(!pf_crowd_is_there(&crowd, BEGIN_NS), "a crowd of one");
	EXPECT(!pf_crowd_is_there(&crowd, BEGIN_NS + 1), "a crowd of one, later");
	return true;
}

static bool two_are_for_a_while(void)
{
	struct pf_crowd crowd = {};

	pf_crowd_came(&crowd, BEGIN_NS);
	pf_crowd_came(&crowd, BEGIN_NS + 1000);
	EXPECT(pf_crowd_is_there(&crowd, BEGIN_NS + 1000), "none when the second comes");
	EXPECT(pf_crowd_is_there(&crowd, BEGIN_NS + PF_CROWD_NS - 1), "none within its time");
	EXPECT(!pf_crowd_is_there(&crowd, BEGIN_NS + PF_CROWD_NS), "a crowd beyond its time");
	return true;
}

static bool as_often_as_they_come(void)
{
	struct pf_crowd often = {}, seldom = {};

	for (u64 i = 0; i < 1000; i++) {
		u64 often_ns = BEGIN_NS + i * (PF_CROWD_NS / 2 - 1), seldom_ns = BEGIN_NS + i * PF_CROWD_NS;

		pf_crowd_came(&often, often_ns);
		EXPECT(!i || pf_crowd_is_there(&often, often_ns), "none at the %llu. time", i);
		EXPECT(!i || pf_crowd_is_there(&often, often_ns + PF_CROWD_NS / 2),
		       "none until the next after the %llu. time", i);
		pf_crowd_came(&seldom, seldom_ns);
		EXPECT(!pf_crowd_is_there(&seldom, seldom_ns), "a crowd at the %llu. time", i);
	}
	return true;
}

static bool asked_now_and_then(void)
{
	struct pf_crowd crowd = {};
	u32 asked = 0;

	EXPECT(pf_crowd_may_be_asked(&crowd, BEGIN_NS), "not at first");
	EXPECT(!pf_crowd_may_be_asked(&crowd, BEGIN_NS), "twice at once");
	EXPECT(!pf_crowd_may_be_asked(&crowd, BEGIN_NS + PF_CROWD_ASK_NS - 1), "too soon");
	EXPECT(pf_crowd_may_be_asked(&crowd, BEGIN_NS + PF_CROWD_ASK_NS), "not when it is time");
	for (u64 i = 0; i < 100; i++)
		asked += pf_crowd_may_be_asked(&crowd, BEGIN_NS + PF_CROWD_NS + i * PF_CROWD_ASK_NS / 10);
	EXPECT(asked == 10, "%u times in ten times its time", asked);
	EXPECT(!pf_crowd_is_there(&crowd, BEGIN_NS + PF_CROWD_NS), "who was asked counts as one who came");
	return true;
}

static const struct test tests[] = {
	{ "nobody came", nobody_came },
	{ "one is no crowd", one_is_no_crowd },
	{ "two are, for a while", two_are_for_a_while },
	{ "as often as they come", as_often_as_they_come },
	{ "asked now and then", asked_now_and_then },
};

const struct suite crowd_suite = { "crowd", tests, ARRAY_SIZE(tests) };
