/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a reload costs a connector that has many mappings of many peers: each
 * of them is checked by the new configuration, and the loop waits. Prints
 * "metric value unit" lines, tab-separated; see tests/bench/README.md.
 *
 *   bench_reload [MAPPINGS [PEERS]]     default 1000000 1000
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sidecar/buf.h"
#include "sidecar/config.h"
#include "sidecar/serve.h"

static void
fatal(const char *what)
{
	(void)fprintf(stderr, "bench_reload: %s\n", what);
	exit(1);
}

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct c25_config *
configuration(unsigned peers)
{
	struct c25_config_errors errs = { 0 };
	struct c25_config *cfg;
	struct c25_buf b = { 0 };

	c25_buf_lit(&b, "{\"apps\":[{\"name\":\"wiki\",\"domains\":"
	    "[\"wiki.example\"],\"destinations\":[\"10.0.0.0/8\"]}],"
	    "\"listen\":{\"transitIP\":\"http://127.0.0.1:8025\"},"
	    "\"peers\":[");
	for (unsigned i = 0; i < peers; i++)
		c25_buf_format(&b, "%s{\"name\":\"p%u\",\"addresses\":"
		    "[\"10.200.%u.%u\"],\"apps\":[\"wiki\"]}",
		    i == 0 ? "" : ",", i, i / 250, i % 250 + 1);
	c25_buf_lit(&b, "]}");
	if (b.failed || c25_config_parse(b.data, b.len, "bench", &cfg,
	    &errs) != 0)
		fatal("configuration");
	c25_buf_free(&b);
	return cfg;
}

int
main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1000000;
	unsigned peers = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
	struct c25_config *cfg = configuration(peers);
	struct c25_error err = { "" };
	struct c25_serve *s;
	double start;

	if (c25_serve_new(&s, &err) != 0 ||
	    c25_serve_configure(s, cfg, &err) != 0)
		fatal(err.text);
	for (unsigned i = 0; i < count; i++) {
		unsigned n = i / peers;
		struct c25_addr transit = c25_addr_v4((uint8_t[]){ 169,
			(uint8_t)(n / 65536), (uint8_t)(n / 256), (uint8_t)n });
		struct c25_addr destination = c25_addr_v4((uint8_t[]){ 10,
			(uint8_t)(n / 65536), (uint8_t)(n / 256), (uint8_t)n });
		char name[16];

		(void)snprintf(name, sizeof(name), "p%u", i % peers);
		if (c25_serve_restore(s, name, &transit, &destination,
		    "wiki", 1000) != 0)
			fatal("a mapping was refused");
	}
	start = seconds();
	if (c25_serve_configure(s, cfg, &err) != 0)
		fatal(err.text);
	printf("serve.reload\t%.1f\tms\n", (seconds() - start) * 1e3);
	if (c25_mappings_count(c25_serve_mappings(s)) != count)
		fatal("mappings were lost");
	c25_serve_free(s);
	c25_config_free(cfg);
	return 0;
}
