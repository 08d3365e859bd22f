/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it costs to find out whether a name is one of the policy's, with few
 * domains and with many. Prints "metric value unit" lines, tab-separated; see
 * tests/bench/README.md.
 *
 *   bench_policy [DOMAINS...]     default 10 10000 1000000
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conn25/policy.h"

#define NAMES (1u << 17)	/* that are asked for, all over the policy */
#define BATCH 64		/* calls that are timed together */

static void
fatal(const char *what)
{
	(void)fprintf(stderr, "bench_policy: %s\n", what);
	exit(1);
}

static double
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
name_of(struct c25_name *out, const char *text)
{
	if (c25_name_from_text(out, text, strlen(text)) != 0)
		fatal(text);
}

/* The text of a domain, in one of two zones, of 20 to 40 bytes. */
static const char *
text_of(char text[static 96], unsigned n)
{
	static const char fill[] = "abcdefghijklmnop";

	(void)snprintf(text, 96, "d%u-%.*s.%s", n, (int)(n * 2654435761u >> 28),
	    fill, n % 2 == 0 ? "example.net" : "corp.example");
	return text;
}

/* Half of the domains are wildcards, as in long lists. */
static struct c25_policy *
policy_of(unsigned count)
{
	char text[96];
	struct c25_spec_domain *domains = calloc(count, sizeof(*domains));
	struct c25_spec_app app = { .name = "app" };
	struct c25_policy_spec spec = { .apps = &app, .app_count = 1,
	    .domains = domains, .domain_count = count };
	static const uint8_t key[16] = { 25 };
	struct c25_error err = { "" };
	struct c25_policy *p = NULL;
	uint8_t *blob = NULL;
	size_t len = 0;

	if (domains == NULL)
		fatal("out of memory");
	for (unsigned i = 0; i < count; i++) {
		name_of(&domains[i].name, text_of(text, i));
		domains[i].wildcard = i / 2 % 2 == 0;
	}
	if (c25_policy_compile(&spec, 1, key, &blob, &len, &err) != 0 ||
	    c25_policy_load(blob, len, &p, &err) != 0)
		fatal(err.text);
	free(domains);
	return p;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median batch, per name; `found` says what the answer has to be. */
static void
measure(const struct c25_policy *p, const char *metric, unsigned domains,
    const struct c25_name *names, bool found)
{
	static double batches[NAMES / BATCH];
	static struct c25_name hot[BATCH];
	struct c25_match m;

	for (unsigned k = 0; k < NAMES / BATCH; k++) {
		double start;

		/* the resolver has the name at hand */
		memcpy(hot, names + (size_t)k * BATCH, sizeof(hot));
		start = now_ns();
		for (unsigned i = 0; i < BATCH; i++)
			if (c25_policy_match(p, hot[i].wire, hot[i].len,
			    &m) != found)
				fatal("wrong answer");
		batches[k] = (now_ns() - start) / BATCH;
	}
	qsort(batches, NAMES / BATCH, sizeof(batches[0]), by_value);
	(void)printf("policy.match.%s.%u\t%.1f\tns\n", metric, domains,
	    batches[NAMES / BATCH / 2]);
}

/* Nothing but the memory: a word of as many buckets, which says where to read
 * one of as many domains. Each search waits for the one before, as a query
 * comes alone. */
static void
measure_floor(unsigned domains)
{
	enum { DOMAIN_WORDS = 11 };	/* of 44 bytes, which is the mean */
	static double batches[NAMES / BATCH];
	size_t words = (size_t)domains * DOMAIN_WORDS, mask = 16;
	uint32_t *domain = calloc(words, sizeof(*domain)), sum = 0;
	uint64_t *bucket;

	while (mask < (size_t)domains * 2)
		mask *= 2;
	bucket = calloc(mask--, sizeof(*bucket));
	if (domain == NULL || bucket == NULL)
		fatal("out of memory");
	for (size_t i = 0; i <= mask; i++)
		bucket[i] = i * 0x9e3779b97f4a7c15u % words;
	for (size_t i = 0; i < words; i++)
		domain[i] = (uint32_t)i;
	for (uint64_t k = 0, at = 0; k < NAMES / BATCH; k++) {
		double start = now_ns();

		for (unsigned i = 0; i < BATCH; i++) {
			at = (at + sum) * 6364136223846793005u + 1;
			sum = domain[bucket[at >> 32 & mask]];
		}
		batches[k] = (now_ns() - start) / BATCH;
	}
	qsort(batches, NAMES / BATCH, sizeof(batches[0]), by_value);
	(void)printf("policy.match.floor.%u\t%.1f\tns\n", domains,
	    batches[NAMES / BATCH / 2] + (sum == 1));
	free(domain);
	free(bucket);
}

int
main(int argc, char **argv)
{
	static const unsigned usual[] = { 10, 10000, 1000000 };
	static struct c25_name hit[NAMES], miss[NAMES];
	int count = argc > 1 ? argc - 1 : 3;

	for (int k = 0; k < count; k++) {
		unsigned domains = argc > 1 ? (unsigned)atoi(argv[k + 1]) :
		    usual[k];
		struct c25_policy *p;

		if (domains < 4)
			fatal("at least 4 domains");
		p = policy_of(domains);
		for (unsigned i = 0; i < NAMES; i++) {
			unsigned n = i * 2654435761u % domains;
			char text[96], below[128];

			/* below a wildcard, or the domain itself */
			(void)snprintf(below, sizeof(below), "%s%s",
			    n / 2 % 2 == 0 ? "www." : "", text_of(text, n));
			name_of(&hit[i], below);
			(void)snprintf(below, sizeof(below), "www.%s.org",
			    text);
			name_of(&miss[i], below);
		}
		measure(p, "hit", domains, hit, true);
		measure(p, "miss", domains, miss, false);
		measure_floor(domains);
		c25_policy_unref(p);
	}
	return 0;
}
