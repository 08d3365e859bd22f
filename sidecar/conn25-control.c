/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conn25-control: sends one verb to conn25d over its control socket and
 * prints the reply, in the manner of unbound-control. `keygen` alone is done
 * here, before there may be a conn25d.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "columns.h"
#include "config.h"
#include "conn25/control.h"
#include "conn25/table.h"
#include "control.h"
#include "keys.h"
#include "verbs.h"

#define SEND_TIMEOUT_S 10
#define REPLY_TIMEOUT_S 120	/* a reload of a million domains takes some */
#define WONDER_MS 1000		/* then whoever waits wants to know why */

struct options {
	const char *conf;
	const char *socket;
	bool conf_given;
	bool quiet;
	bool json;
};

static const struct verb {
	const char *name;
	const char *argument;
	const char *columns;		/* of a list, or "" */
	const char *help;
} verbs[] = {
#define ENTRY(name, argument, json, columns, help) \
	{ #name, argument, columns, help },
	C25_VERBS(ENTRY)
#undef ENTRY
};
#define VERBS (sizeof(verbs) / sizeof(*verbs))

static void
usage(FILE *to)
{
	const struct verb *v;
	char left[64];

	(void)fprintf(to,
"usage: conn25-control [-hqV] [--json] [-c FILE] [-s SOCKET] VERB [ARGUMENT]\n"
"  -c FILE        configuration that names runDir\n"
"                 (default " C25_CONFIG_FILE_DEFAULT ")\n"
"  -s SOCKET      control socket (default runDir/" C25_CONTROL_FILE ")\n"
"  -q, --quiet    print nothing when it works, but what was asked for\n"
"      --json     print lists, lookup, status and statistics as JSON\n"
"  -h, --help     this text\n"
"  -V, --version  version\n"
"verbs:\n");
	for (v = verbs; v < verbs + VERBS; v++) {
		(void)snprintf(left, sizeof(left), "%s%s%s", v->name,
			*v->argument == '\0' ? "" : " ", v->argument);
		(void)fprintf(to, strlen(left) > 17 ? "  %s\n%20s%s\n" :
			"  %-17s%1s%s\n", left, "", v->help);
		if (*v->columns != '\0')
			(void)fprintf(to, "%20s%s\n", "", v->columns);
	}
	(void)fprintf(to,
"KEY is, for assignments, of: " C25_VERBS_ASSIGNMENT_KEYS ";\n"
"for mappings, of: " C25_VERBS_MAPPING_KEYS ". As in: app=wiki\n"
"domain=*.example.com address=10.0.0.0/8 state=pending; all must hold.\n"
"without conn25d:\n  %-17s %s\n", "keygen FILE",
		"write a new private key, print its public key");
}

/* ---- keys -------------------------------------------------------------- */

static int
keygen(char *const *words, int count)
{
	char text[C25_KEY_TEXT_MAX];
	struct c25_error err = { "" };

	if (count != 2) {
		(void)fprintf(stderr, "conn25-control: keygen needs an "
			"argument: keygen FILE\n");
		return 1;
	}
	if (c25_key_generate(words[1], text, &err) != 0) {
		(void)fprintf(stderr, "conn25-control: %s\n", err.text);
		return 1;
	}
	if (puts(text) < 0 || fflush(stdout) != 0) {
		(void)fprintf(stderr, "conn25-control: printing: %s: the key "
			"is in %s\n", strerror(errno), words[1]);
		return 1;
	}
	return 0;
}

/* ---- verbs --------------------------------------------------------------- */

static bool
is_verb(const char *name)
{
	const struct verb *v;

	for (v = verbs; v < verbs + VERBS; v++)
		if (strcmp(v->name, name) == 0)
			return true;
	return false;
}

static int
unknown_verb(const char *name)
{
	const struct verb *v;

	(void)fprintf(stderr, "conn25-control: unknown verb %s: known are",
		name);
	for (v = verbs; v < verbs + VERBS; v++)
		(void)fprintf(stderr, " %s,", v->name);
	(void)fputs(" keygen\n", stderr);
	return 1;
}

/* ---- which socket ------------------------------------------------------ */

/* The whole file; NULL with errno set. */
static char *
read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *text = NULL;

	if (f == NULL)
		return NULL;
	if (fstat(fileno(f), &st) != 0)
		goto out;
	errno = EINVAL;
	if (!S_ISREG(st.st_mode) || st.st_size > C25_CONFIG_SIZE_MAX)
		goto out;
	text = malloc((size_t)st.st_size + 1);
	if (text != NULL)
		*len = fread(text, 1, (size_t)st.st_size, f);
out:
	(void)fclose(f);
	return text;
}

/* runDir by the configuration; its other contents don't matter here. */
static int
find_run_dir(const struct options *o, char *out, size_t size)
{
	size_t len = 0;
	char *text = read_file(o->conf, &len);
	int r;

	(void)snprintf(out, size, "%s", C25_RUN_DIR_DEFAULT);
	if (text == NULL) {
		if (errno == ENOENT && !o->conf_given)
			return 0;
		(void)fprintf(stderr, "conn25-control: %s: can't be read: "
			"%s: give the socket with -s\n", o->conf,
			strerror(errno));
		return -1;
	}
	r = c25_control_run_dir(text, len, out, size);
	free(text);
	if (r == 0 || r == -ENOENT)
		return 0;
	(void)fprintf(stderr, "conn25-control: %s: \"runDir\" is no usable "
		"path: give the socket with -s\n", o->conf);
	return -1;
}

/* `given`: by -s. */
static int
connect_to(const char *path, bool given)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = SEND_TIMEOUT_S };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		(void)fprintf(stderr, "conn25-control: %s: too long for a "
			"socket\n", path);
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		/* Also limits connect(), when the queue is full. */
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait,
			sizeof(wait));
		wait.tv_sec = REPLY_TIMEOUT_S;
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait,
			sizeof(wait));
		if (connect(fd, (const struct sockaddr *)&sun,
				sizeof(sun)) == 0)
			return fd;
	}
	(void)fprintf(stderr, "conn25-control: %s: %s: %s\n", path,
		strerror(errno), errno == EACCES ?
		"run it as root or a member of conn25d's group" :
		errno == EAGAIN ? "is conn25d stuck?" :
		given ? "is conn25d running, and is this its "
		"socket? without -s the configuration says where it is" :
		"is conn25d running with this runDir?");
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* ---- request and reply ------------------------------------------------- */

/* Add a word, with \DDD for bytes that would end it or are not printable. */
static size_t
add_word(char *line, size_t size, size_t len, const char *word)
{
	const unsigned char *p = (const unsigned char *)word;

	for (; *p != '\0' && len < size; p++)
		len += (size_t)snprintf(line + len, size - len,
			*p > ' ' && *p < 0x7f ? "%c" : "\\%03u", *p);
	return len;
}

static int
send_request(int fd, bool json, char *const *words, int count)
{
	char line[C25_CONTROL_LINE_MAX + 1];
	size_t len = 0, sent = 0;
	ssize_t n;
	int i;

	len = (size_t)snprintf(line, sizeof(line), "%.*s",
		(int)strlen(C25_CONTROL_GREETING) - 1, C25_CONTROL_GREETING);
	for (i = 0; i < count && len < sizeof(line) - 1; i++) {
		line[len++] = ' ';
		len = add_word(line, sizeof(line), len, words[i]);
		if (i == 0 && json && len < sizeof(line))
			len += (size_t)snprintf(line + len,
				sizeof(line) - len, " --json");
	}
	if (len >= sizeof(line) - 1) {
		(void)fprintf(stderr, "conn25-control: %s: the argument is "
			"too long\n", words[0]);
		return -1;
	}
	line[len++] = '\n';
	for (; sent < len; sent += (size_t)n) {
		n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			break;	/* the reply says why */
		if (n < 0) {
			(void)fprintf(stderr, "conn25-control: sending: "
				"%s\n", strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* Who sits there and sees nothing come is told that it isn't us. */
static void
tell_waiting(int fd, const struct options *o)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (!o->quiet && isatty(STDERR_FILENO) && poll(&p, 1, WONDER_MS) == 0)
		(void)fprintf(stderr, "conn25-control: conn25d is busy, "
			"waiting\n");
}

/*
 * Read the first word: what is left of `buf` after it is written to `*rest`.
 * Returns: 0 ok; 1 error; -1 no reply that makes sense.
 */
static int
read_status(int fd, char *buf, size_t size, size_t *len, size_t *rest)
{
	static const char ok[] = "ok\n", error[] = "error ";
	ssize_t n = 0;

	*len = 0;
	do {
		n = recv(fd, buf + *len, size - *len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		*len += (size_t)n;
		if (*len >= strlen(ok) && memcmp(buf, ok, strlen(ok)) == 0) {
			*rest = strlen(ok);
			return 0;
		}
		if (*len >= strlen(error) &&
				memcmp(buf, error, strlen(error)) == 0) {
			*rest = strlen(error);
			return 1;
		}
	} while (*len < strlen(error));
	if (n < 0)
		(void)fprintf(stderr, "conn25-control: no reply: %s\n",
			errno == EAGAIN ? "timed out: is conn25d stuck?" :
			strerror(errno));
	else
		(void)fprintf(stderr, "conn25-control: no reply that makes "
			"sense: is that conn25d's control socket?\n");
	return -1;
}

/* Lists are for people on a terminal: their columns are below each other, and
 * begin with their names. Returns: those; NULL: print it as it is. */
static const char *
list_columns(const struct options *o, const char *verb)
{
	const struct verb *v;

	if (o->json || !isatty(STDOUT_FILENO))
		return NULL;
	for (v = verbs; v < verbs + VERBS; v++)
		if (strcmp(v->name, verb) == 0 && *v->columns != '\0')
			return v->columns;
	return NULL;
}

/* What a reply may end with, where nothing was asked for. */
static const char done[] = "ok\n";

/* A reply that is being printed. */
struct printer {
	FILE *to;
	struct c25_columns *columns;	/* a list of these, or NULL */
	bool quiet;			/* without `done` at its end */
	char last;			/* printed or held back, or '\n' */
	size_t held;			/* bytes of `done`, not printed yet */
};

static bool
print(struct printer *p, const char *text, size_t len)
{
	return len == 0 || fwrite(text, 1, len, p->to) == len;
}

/* Print a piece, but hold back what may be `done` at the end of them all.
 * Returns: whether that worked. */
static bool
print_piece(struct printer *p, const char *text, size_t len)
{
	if (p->columns != NULL)
		return c25_columns_add(p->columns, text, len);
	if (!p->quiet)
		return print(p, text, len);
	for (size_t i = 0; i < len; i++) {
		bool more = p->held == 0 ? p->last == '\n' :
			p->held < strlen(done);

		if (p->held > 0 && (!more || text[i] != done[p->held])) {
			if (!print(p, done, p->held))
				return false;
			more = p->held == strlen(done);
			p->held = 0;
		}
		p->last = text[i];
		if (more && text[i] == done[p->held])
			p->held++;
		else if (!print(p, text + i, 1))
			return false;
	}
	return true;
}

/* Nothing comes any more. */
static bool
print_end(struct printer *p)
{
	if (p->columns != NULL)
		return c25_columns_end(p->columns);
	return (p->held == strlen(done) || print(p, done, p->held)) &&
		fflush(p->to) == 0;
}

/* The reply is a list of these. Returns: whether their names are printed. */
static bool
print_names(struct printer *p, const char *names)
{
	return p->quiet || (c25_columns_add(p->columns, names, strlen(names)) &&
		c25_columns_add(p->columns, "\n", 1));
}

static int
print_reply(int fd, const struct options *o, const char *verb)
{
	static struct c25_columns columns;
	char buf[65536];
	size_t len, rest;
	ssize_t n;
	int status;
	const char *names = list_columns(o, verb);
	struct printer to;
	bool ok = true;

	tell_waiting(fd, o);
	status = read_status(fd, buf, sizeof(buf), &len, &rest);
	to = (struct printer){ .to = status == 0 ? stdout : stderr,
		.quiet = o->quiet && status == 0, .last = '\n' };
	if (status < 0)
		return 1;
	if (status == 1) {
		(void)fputs("error: ", stderr);
	} else if (names != NULL) {
		c25_columns_init(&columns, stdout, names);
		to.columns = &columns;
		ok = print_names(&to, names);
	}
	ok = ok && print_piece(&to, buf + rest, len - rest);
	while (ok) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET && status == 1))
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)print_end(&to);
			(void)fprintf(stderr, "conn25-control: the reply is "
				"not complete: %s\n", errno == EAGAIN ?
				"timed out" : strerror(errno));
			return 1;
		}
		ok = print_piece(&to, buf, (size_t)n);
	}
	if (!ok || !print_end(&to)) {
		(void)fprintf(stderr, "conn25-control: printing: %s\n",
			strerror(errno));
		return 1;
	}
	return status;
}

/* Returns: -1 to go on, or the exit status. */
static int
read_options(int argc, char **argv, struct options *o)
{
	enum { JSON = 256 };
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, JSON },
		{ "quiet", no_argument, NULL, 'q' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "+c:hqs:V", longs, NULL)) !=
			-1) {
		switch (option) {
		case 'c':
			o->conf = optarg;
			o->conf_given = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case JSON:
			o->json = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 's':
			o->socket = optarg;
			break;
		case 'V':
			(void)puts("conn25-control " C25_VERSION);
			return 0;
		default:
			usage(stderr);
			return 1;
		}
	}
	if (optind < argc)
		return -1;
	usage(stderr);
	return 1;
}

/* Options may also follow the verb. Returns: how many words are left. */
static int
read_words(struct options *o, char **words, int count)
{
	int i, n = 0;

	for (i = 0; i < count; i++) {
		if (i > 0 && strcmp(words[i], "--json") == 0)
			o->json = true;
		else
			words[n++] = words[i];
	}
	return n;
}

int
main(int argc, char **argv)
{
	struct options o = { .conf = C25_CONFIG_FILE_DEFAULT };
	char run_dir[4096], path[4096 + sizeof(C25_CONTROL_FILE)];
	char **words;
	int fd, count, r = read_options(argc, argv, &o);

	if (r >= 0)
		return r;
	words = argv + optind;
	count = read_words(&o, words, argc - optind);
	if (strcmp(words[0], "keygen") == 0)
		return keygen(words, count);
	if (!is_verb(words[0]))
		return unknown_verb(words[0]);
	if (o.socket == NULL) {
		if (find_run_dir(&o, run_dir, sizeof(run_dir)) != 0)
			return 1;
		(void)snprintf(path, sizeof(path), "%s/%s", run_dir,
			C25_CONTROL_FILE);
		o.socket = path;
	}
	fd = connect_to(o.socket, o.socket != path);
	if (fd < 0)
		return 1;
	r = send_request(fd, o.json, words, count) == 0 ?
		print_reply(fd, &o, words[0]) : 1;
	(void)close(fd);
	return r;
}
