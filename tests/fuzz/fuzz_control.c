/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control socket is sent (sidecar/control.h), and runDir in a
 * configuration that may be broken: what is found in one that isn't is what
 * the daemon reads. Input: which of them, then a line or a text.
 */
#include <errno.h>

#include "conn25/table.h"
#include "sidecar/config.h"
#include "sidecar/control.h"
#include "tests/fuzz/fuzz.h"

static void
check_word(const char *text, size_t size, bool blanks)
{
	size_t len = strnlen(text, size);

	fuzz_must(len < size, "no end");
	for (size_t i = 0; i < len; i++)
		fuzz_must(text[i] >= ' ' && text[i] <= '~' &&
			(blanks || text[i] != ' '), "byte %d", text[i]);
	fuzz_must(len == 0 || (text[0] != ' ' && text[len - 1] != ' '),
		"\"%s\": blanks around", text);
}

static void
try_line(const struct fuzz_copy *in)
{
	struct c25_control_line line, again;
	struct c25_error err = { "" };
	char text[2 * C25_CONTROL_LINE_MAX];
	int n, r = c25_control_parse(&line, (char *)in->bytes, in->len, &err);

	if (r != 0) {
		fuzz_must(r == -EPROTO || r == -EINVAL, "%d", r);
		fuzz_must(err.text[0] != '\0' && strchr(err.text, '\n') ==
			NULL, "%s", err.text);
		return;
	}
	check_word(line.verb, sizeof(line.verb), false);
	check_word(line.argument, sizeof(line.argument), true);
	fuzz_must(line.verb[0] != '\0', "no verb");
	n = snprintf(text, sizeof(text), "%s%s %s", C25_CONTROL_GREETING,
		line.verb, line.argument);
	fuzz_must(c25_control_parse(&again, text, (size_t)n, &err) == 0 &&
		strcmp(line.verb, again.verb) == 0 &&
		strcmp(line.argument, again.argument) == 0, "%s", text);
}

static void
try_run_dir(const struct fuzz_copy *in)
{
	struct c25_config_errors errs = { 0 };
	struct c25_config *cfg = NULL;
	char dir[4096] = "";
	int r = c25_control_run_dir((char *)in->bytes, in->len, dir,
		sizeof(dir));

	fuzz_must(r == 0 || r == -ENOENT || r == -EINVAL ||
		r == -ENAMETOOLONG, "%d", r);
	fuzz_must(r != 0 || strnlen(dir, sizeof(dir)) < sizeof(dir),
		"no end");
	if (c25_config_parse((char *)in->bytes, in->len, "fuzz", &cfg,
	    &errs) == 0)
		fuzz_must(strcmp(cfg->run_dir, r == 0 ? dir :
			C25_RUN_DIR_DEFAULT) == 0, "%d: \"%s\", not \"%s\"",
			r, dir, cfg->run_dir);
	c25_config_free(cfg);
	c25_config_errors_free(&errs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	bool line = fuzz_u8(&f) & 1;
	struct fuzz_copy in = fuzz_rest(&f);

	if (line)
		try_line(&in);
	else
		try_run_dir(&in);
	free(in.bytes);
	return 0;
}
