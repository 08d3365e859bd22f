/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Netlink: how messages are read, from a socket that the test writes to.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sidecar/datapath_netlink_private.h"
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

int
main(void)
{
	Suite *s = suite_create("netlink");
	TCase *tc = tcase_create("receive");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_all_that_there_is);
	tcase_add_test(tc, test_until_told_to_stop);
	tcase_add_test(tc, test_a_few_at_a_time);
	tcase_add_test(tc, test_cut_and_closed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
