/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Netlink: how messages are read, from a socket that the test writes to; and
 * what the kernel refuses, in a network namespace of the test's own, if there
 * may be one.
 */

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sidecar/datapath_netlink_private.h"
#include "tests/unit/fixture.h"
#include "tests/unit/suite.h"

static char buf[C25_NFT_BUF];
static struct c25_nft n = { .buf = buf };
static int far;				/* what is written there arrives */

static void
setup(void)
{
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd), 0);
	far = fd[0];
	n.control = mnl_socket_fdopen(fd[1]);
	ck_assert_ptr_nonnull(n.control);
}

static void
teardown(void)
{
	(void)close(far);
	(void)mnl_socket_close(n.control);
}

/* Messages of these types arrive together; 0 ends. */
static void
arrive(const uint16_t *types)
{
	char data[512];
	size_t len = 0;

	for (; *types != 0; types++) {
		struct nlmsghdr *m = mnl_nlmsg_put_header(data + len);

		m->nlmsg_type = *types;
		len += m->nlmsg_len;
	}
	ck_assert_int_eq(send(far, data, len, 0), (ssize_t)len);
}

struct seen {
	unsigned sum;
	uint16_t last;			/* message to stop at */
};

static int
see(void *ctx, const struct nlmsghdr *m)
{
	struct seen *s = ctx;

	s->sum = s->sum * 10 + m->nlmsg_type;
	return m->nlmsg_type == s->last ? -ENOENT : 1;
}

static int
receive(struct seen *s, int max)
{
	return c25_nft_receive(&n, n.control, max, see, s);
}

START_TEST(test_all_that_there_is)
{
	struct seen s = { 0 };

	arrive((uint16_t[]){ 1, 2, 0 });
	arrive((uint16_t[]){ 3, 0 });
	ck_assert_int_eq(receive(&s, INT_MAX), 1);
	ck_assert_uint_eq(s.sum, 123);
	ck_assert_int_eq(receive(&s, INT_MAX), 1);
	ck_assert_uint_eq(s.sum, 123);
}
END_TEST

START_TEST(test_until_told_to_stop)
{
	struct seen s = { .last = 2 };

	arrive((uint16_t[]){ 1, 2, 4, 0 });
	arrive((uint16_t[]){ 3, 0 });
	ck_assert_int_eq(receive(&s, INT_MAX), -ENOENT);
	ck_assert_uint_eq(s.sum, 12);
	ck_assert_int_eq(receive(&s, INT_MAX), 1);
	ck_assert_uint_eq(s.sum, 123);
}
END_TEST

START_TEST(test_a_few_at_a_time)
{
	struct seen s = { 0 };

	for (uint16_t i = 1; i <= 4; i++)
		arrive((uint16_t[]){ i, 0 });
	ck_assert_int_eq(receive(&s, 3), 1);
	ck_assert_uint_eq(s.sum, 123);
	ck_assert_int_eq(receive(&s, 3), 1);
	ck_assert_uint_eq(s.sum, 1234);
}
END_TEST

START_TEST(test_cut_and_closed)
{
	struct seen s = { 0 };

	ck_assert_int_eq(send(far, "short", 5, 0), 5);
	arrive((uint16_t[]){ 7, 0 });
	(void)shutdown(far, SHUT_WR);
	ck_assert_int_eq(receive(&s, INT_MAX), 1);
	ck_assert_uint_eq(s.sum, 7);
}
END_TEST

/* ---- what the kernel refuses -------------------------------------------- */

static const char both_text[] = "{"
	"\"pools\": { \"v4MagicIPPool\": [\"100.64.0.0/16\"],"
	"  \"v4TransitIPPool\": [\"169.254.64.0/18\"] },"
	"\"apps\": [{ \"name\": \"app\", \"domains\": [\"*.example\"],"
	"  \"connectors\": [\"*\"] }],"
	"\"listen\": { \"transitIP\": \"http://10.9.0.1:8025\" },"
	"\"peers\": [{ \"name\": \"edge\", \"apps\": [\"app\"],"
	"  \"addresses\": [\"10.9.0.8\", \"fd09::9\"] }],"
	"\"datapath\": { \"nftables\": true, \"overlay\": \"wg0\" } }";

static const struct {
	enum c25_map map;
	const char *source, *address, *target;
	bool out, in;
	const char *name;		/* in the error's text */
} refused[] = {
	{ C25_MAP_MAGIC4, NULL, "100.64.0.7", "169.254.64.7", false, true,
	  "magic4: putting elements in: File exists (element 100.64.0.7)" },
	{ C25_MAP_MAGIC6, NULL, "fd25:1::7", "fd25:2::7", false, true,
	  "magic6: putting elements in: File exists (element fd25:1::7)" },
	{ C25_MAP_PEER4, "10.9.0.8", "169.254.64.7", "10.0.0.7", false, true,
	  "peer4: putting elements in: File exists "
	  "(element 10.9.0.8 . 169.254.64.7)" },
	{ C25_MAP_PEER6, "fd09::9", "fd25:2::7", "2001:db8::7", false, true,
	  "peer6: putting elements in: File exists "
	  "(element fd09::9 . fd25:2::7)" },
	{ C25_MAP_PEER4, "10.9.0.8", "169.254.64.8", "10.0.0.7", true, false,
	  "peer4: taking elements out: No such file or directory "
	  "(element 10.9.0.8 . 169.254.64.8)" },
};

static struct c25_element
element(enum c25_map map, const char *source, const char *address,
	const char *target)
{
	struct c25_element e = { .map = map, .until_ms = 3600000 };

	if (source != NULL)
		memcpy(e.source, fx_addr(source).bytes, 16);
	memcpy(e.address, fx_addr(address).bytes, 16);
	memcpy(e.target, fx_addr(target).bytes, 16);
	return e;
}

static void
change(struct c25_nft *nft, struct c25_element e, bool out, bool in)
{
	c25_nft_change(nft, &(struct c25_change){ e, out, in }, 0);
}

/* A network namespace of our own. Returns: 0; -errno. */
static int
enter_namespace(void)
{
	return unshare(CLONE_NEWNET) == 0 ||
		unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : -errno;
}

/* Returns: 0: there may be one; -errno. */
static int
try_namespace(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(-enter_namespace());
	if (child < 0 || waitpid(child, &status, 0) != child ||
	    !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

START_TEST(test_refused_element_is_named)
{
	struct c25_config_errors errs = { 0 };
	struct c25_error err = { "" };
	struct c25_ruleset *rs;
	struct c25_config *cfg;
	struct c25_nft *nft;
	struct c25_element e = element(refused[_i].map, refused[_i].source,
		refused[_i].address, refused[_i].target);

	ck_assert_int_eq(enter_namespace(), 0);
	ck_assert_int_eq(c25_config_parse(both_text, sizeof(both_text) - 1,
		"test", &cfg, &errs), 0);
	ck_assert_int_eq(c25_ruleset_new(cfg, NULL, 0, &rs), 0);
	ck_assert_msg(c25_nft_open(&nft, &err) == 0, "%s", err.text);
	c25_nft_begin(nft);
	c25_nft_anew(nft, rs);
	if (refused[_i].in)
		change(nft, e, false, true);
	ck_assert_msg(c25_nft_commit(nft, false, &err) == 0, "%s", err.text);
	c25_nft_begin(nft);
	/* something else before it, in a message of its own */
	change(nft, element(C25_MAP_PEER4, "10.9.0.8", "169.254.66.1",
		"10.0.0.7"), false, refused[_i].map != C25_MAP_PEER4);
	change(nft, e, refused[_i].out, refused[_i].in);
	ck_assert_int_ne(c25_nft_commit(nft, false, &err), 0);
	ck_assert_msg(strstr(err.text, refused[_i].name) != NULL, "%s",
		err.text);
	c25_nft_close(nft);
	c25_ruleset_free(rs);
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
}
END_TEST

/* By its place in the message, or without that, as well as it can be said. */
START_TEST(test_element_of_several)
{
	static const char *const keys[] = {
		"element 10.9.0.8 . 169.254.64.1",
		"element 10.9.0.9 . 169.254.64.2",
		"element 10.9.0.8 . 169.254.64.3" };
	char text[C25_NFT_ELEMENT_TEXT];
	const struct nlmsghdr *m;
	struct c25_error err;
	struct c25_nft *nft;
	int at = -1;

	ck_assert_int_eq(c25_nft_open(&nft, &err), 0);
	c25_nft_begin(nft);
	change(nft, element(C25_MAP_PEER4, "10.9.0.8", "169.254.64.1",
		"10.0.0.7"), false, true);
	change(nft, element(C25_MAP_PEER4, "10.9.0.9", "169.254.64.2",
		"10.0.0.7"), false, true);
	change(nft, element(C25_MAP_PEER4, "10.9.0.8", "169.254.64.3",
		"10.0.0.7"), false, true);
	c25_nft_elements_end(&nft->parts[C25_PART_IN + C25_MAP_PEER4]);
	m = (void *)nft->parts[C25_PART_IN + C25_MAP_PEER4].data;
	for (uint32_t offset = 0; offset < m->nlmsg_len; offset++) {
		c25_nft_element_text(m, offset, text);
		if (at < 2 && strcmp(text, keys[at + 1]) == 0)
			at++;
		ck_assert_str_eq(text, at >= 0 ? keys[at] : "one of 3 "
			"elements, the first is 10.9.0.8 . 169.254.64.1");
	}
	ck_assert_int_eq(at, 2);
	c25_nft_element_text(NULL, 0, text);
	ck_assert_str_eq(text, "");
	c25_nft_close(nft);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("netlink");
	TCase *tc = tcase_create("receive"), *kernel = tcase_create("kernel");
	int r = try_namespace();

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_all_that_there_is);
	tcase_add_test(tc, test_until_told_to_stop);
	tcase_add_test(tc, test_a_few_at_a_time);
	tcase_add_test(tc, test_cut_and_closed);
	suite_add_tcase(s, tc);
	if (r == 0)
		ADD_ROWS(kernel, test_refused_element_is_named, refused);
	else
		skip_tests("netlink", sizeof(refused) / sizeof(refused[0]),
			"no network namespace", -r);
	tcase_add_test(kernel, test_element_of_several);
	suite_add_tcase(s, kernel);
	return run_suite(s);
}
