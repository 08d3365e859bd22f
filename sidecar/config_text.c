/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Texts of the configuration judged one by one: domains, ranges, URLs, keys
 * and names. Each says why not, and what to write instead. Pure.
 */

#include "config_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>

static int refuse(struct c25_why *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int
refuse(struct c25_why *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- domains ------------------------------------------------------------ */

/* A character that no domain of ours has. */
static int
refuse_character(unsigned char c, struct c25_why *why)
{
	if (c >= 0x80)
		return refuse(why, "is not ASCII: write the A-label, as in "
			"xn--bcher-kva.example");
	switch (c) {
	case '*':
		return refuse(why, "'*' stands only for the whole first "
			"label, as in *.example.com");
	case ' ':
		return refuse(why, "has a space in it: remove it");
	case '/':
		return refuse(why, "has a '/' in it: write the host name "
			"only, not a URL");
	case ':':
		return refuse(why, "has a ':' in it: write the host name "
			"only, without a port");
	}
	if (c < 0x20 || c == 0x7f)
		return refuse(why, "has a control character (0x%02x) in it: "
			"remove it", c);
	return refuse(why, "has '%c' in it: letters, digits, '-' and '_' "
		"are what a domain is made of", c);
}

/* Labels, one by one, for the sake of the reason. */
static int
check_labels(const char *text, struct c25_why *why)
{
	const char *label = text;
	bool numeric = false;

	if (*text == '\0')
		return refuse(why, "is empty: write a name, or remove it");
	if (strcmp(text, ".") == 0)
		return refuse(why, "is the root of all names: write the "
			"domains that are meant");
	for (;;) {
		size_t n = 0;

		numeric = true;
		for (; label[n] != '\0' && label[n] != '.'; n++) {
			unsigned char c = (unsigned char)label[n];

			if (!(c < 0x80 && isalnum(c)) && c != '-' &&
			    c != '_')
				return refuse_character(c, why);
			numeric = numeric && c >= '0' && c <= '9';
		}
		if (n == 0)
			return refuse(why, "has an empty label: remove the "
				"extra dot");
		if (n > C25_LABEL_MAX)
			return refuse(why, "has a label of %zu characters: "
				"%d is the most", n, C25_LABEL_MAX);
		if (label[n] == '\0' || label[n + 1] == '\0')
			break;
		label += n + 1;
	}
	if (numeric)
		return refuse(why, "ends in a number, as addresses do: "
			"write a domain");
	return 0;
}

int
c25_config_text_domain(const char *text, struct c25_spec_domain *out,
	struct c25_why *why)
{
	int r;

	out->wildcard = text[0] == '*' && text[1] == '.';
	if (strcmp(text, "*") == 0 || strcmp(text, "*.") == 0)
		return refuse(why, "would match every name there is: write "
			"the domains that are meant");
	if (out->wildcard)
		text += 2;
	r = check_labels(text, why);
	if (r != 0)
		return r;
	r = c25_name_from_text(&out->name, text, strlen(text));
	if (r == -ENAMETOOLONG)
		return refuse(why, "is %zu characters long: %d is the most",
			strlen(text), C25_NAME_MAX - 2);
	if (r != 0)
		return refuse(why, "is not a domain name");
	return 0;
}

/* ---- ranges ------------------------------------------------------------- */

/* "10.1.0.0/8" -> which prefix was probably meant. */
static int
refuse_host_bits(const char *text, struct c25_why *why)
{
	const char *slash = strchr(text, '/');
	char shown[2 * C25_ADDR_TEXT_MAX];
	struct c25_range meant;
	unsigned bits = 0;

	if (c25_addr_parse(&meant.first, text, (size_t)(slash - text)) != 0)
		return refuse(why, "has host bits set");
	for (const char *p = slash + 1; *p != '\0'; p++)
		bits = bits * 10 + (unsigned)(*p - '0');
	for (size_t i = bits; i < c25_addr_len(&meant.first) * 8; i++)
		meant.first.bytes[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	(void)c25_addr_format(&meant.first, shown);
	return refuse(why, "has bits set beyond its prefix: %s%s is "
		"probably meant", shown, slash);
}

/* Why is this text no range at all? */
static int
refuse_range(const char *text, struct c25_why *why)
{
	const char *slash = strchr(text, '/');
	struct c25_addr a;

	if (slash != NULL &&
	    c25_addr_parse(&a, text, (size_t)(slash - text)) == 0)
		return refuse(why, "has no good prefix length: write a "
			"number from 0 to %zu after the '/'",
			c25_addr_len(&a) * 8);
	return refuse(why, "is not a range of addresses: write a prefix "
		"such as 10.0.0.0/8, or first-last, or an address");
}

int
c25_config_text_range(const char *text, enum c25_family family,
	struct c25_range *out, struct c25_why *why)
{
	int r = c25_range_parse(out, text, strlen(text));

	if (r == -ERANGE && strchr(text, '/') != NULL)
		return refuse_host_bits(text, why);
	if (r == -ERANGE)
		return refuse(why, "ends before it begins: swap the two "
			"addresses");
	if (r != 0)
		return refuse_range(text, why);
	if (family != C25_UNSET && out->first.family != family)
		return refuse(why, "is IPv%d, but only IPv%d belongs here",
			out->first.family, family);
	return 0;
}

/* ---- URLs --------------------------------------------------------------- */

/* ":8025" -> port; nothing -> the scheme's own. `end` is past the URL. */
static int
parse_port(const char *text, const char *end, struct c25_config_url *out,
	struct c25_why *why)
{
	unsigned port = 0;

	out->port = out->tls ? 443 : 80;
	if (text == end)
		return 0;
	if (*text != ':')
		return refuse(why, "has '%c' after the host: a ':' and a "
			"port is all that may follow", *text);
	for (text++; text < end; text++) {
		if (*text < '0' || *text > '9' || port > UINT16_MAX)
			break;
		port = port * 10 + (unsigned)(*text - '0');
	}
	if (text < end || port == 0 || port > UINT16_MAX)
		return refuse(why, "has no good port: write a number from 1 "
			"to %u after the ':'", UINT16_MAX);
	out->port = (uint16_t)port;
	return 0;
}

/* A literal address or a host name, `n` bytes. */
static int
parse_host(const char *host, size_t n, struct c25_config_url *out,
	char host_buf[static C25_NAME_MAX], struct c25_why *why)
{
	struct c25_spec_domain name;
	struct c25_why inner = { "" };

	if (n == 0)
		return refuse(why, "has no host: write "
			"http://ADDRESS:PORT");
	if (n >= C25_NAME_MAX)
		return refuse(why, "has a host of %zu characters: %d is the "
			"most", n, C25_NAME_MAX - 1);
	memcpy(host_buf, host, n);
	host_buf[n] = '\0';
	out->host = host_buf;
	if (c25_addr_parse(&out->addr, host, n) == 0)
		return 0;
	if (host_buf[0] == '*' ||
	    c25_config_text_domain(host_buf, &name, &inner) != 0)
		return refuse(why, "has a host '%.80s' that is neither a "
			"name nor an address", host_buf);
	return 0;
}

int
c25_config_text_url(const char *text, struct c25_config_url *out,
	char host_buf[static C25_NAME_MAX], struct c25_why *why)
{
	const char *host, *end, *stop;
	int r;

	memset(out, 0, sizeof(*out));
	if (strncasecmp(text, "https://", 8) == 0)
		out->tls = true;
	else if (strncasecmp(text, "http://", 7) != 0)
		return refuse(why, "doesn't begin with http:// or https://: "
			"write http://ADDRESS:PORT");
	host = text + (out->tls ? 8 : 7);
	end = host + strcspn(host, "/?#@\\");
	if (*end == '@')
		return refuse(why, "has a user in it: write "
			"http://ADDRESS:PORT, peers are known by their "
			"address");
	if (*end != '\0' && strcmp(end, "/") != 0)
		return refuse(why, "has a path: write only "
			"http://ADDRESS:PORT, the path is added");
	if (*host == '[') {
		stop = memchr(host, ']', (size_t)(end - host));
		if (stop == NULL)
			return refuse(why, "has a '[' without its ']'");
		r = parse_host(host + 1, (size_t)(stop - host - 1), out,
			host_buf, why);
		if (r == 0 && out->addr.family != C25_V6)
			return refuse(why, "has brackets around what is not "
				"an IPv6 address: remove them");
		stop++;
	} else {
		stop = memchr(host, ':', (size_t)(end - host));
		if (stop != NULL &&
		    memchr(stop + 1, ':', (size_t)(end - stop - 1)) != NULL)
			return refuse(why, "has more than one ':': an IPv6 "
				"address needs brackets, as in "
				"http://[fd00::1]:8025");
		if (stop == NULL)
			stop = end;
		r = parse_host(host, (size_t)(stop - host), out, host_buf,
			why);
	}
	return r == 0 ? parse_port(stop, end, out, why) : r;
}

/* ---- keys and names ----------------------------------------------------- */

int
c25_config_text_key(const char *text, struct c25_config_key *out,
	struct c25_why *why)
{
	uint8_t bytes[C25_KEY_BYTES + 64];
	size_t n = 0, len = strlen(text);
	const char *end = text;

	memset(out, 0, sizeof(*out));
	if (len > 88 ||
	    sodium_base642bin(bytes, sizeof(bytes), text, len, NULL, &n,
		&end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    end != text + len)
		return refuse(why, "is not base64: an Ed25519 public key is "
			"44 characters, the last of them '='");
	if (n != C25_KEY_BYTES)
		return refuse(why, "is %zu bytes in base64: an Ed25519 "
			"public key is %d", n, C25_KEY_BYTES);
	memcpy(out->bytes, bytes, C25_KEY_BYTES);
	return 0;
}

int
c25_config_text_pin(const char *text, struct c25_tls_pin *out,
	struct c25_why *why)
{
	static const char prefix[] = "sha256/";
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, prefix, strlen(prefix)) != 0)
		return refuse(why, "doesn't begin with sha256/: write "
			"sha256/ and the base64 of the key's hash");
	text += strlen(prefix);
	if (sodium_base642bin(out->bytes, sizeof(out->bytes), text,
	    strlen(text), NULL, &n, NULL,
	    sodium_base64_VARIANT_ORIGINAL) != 0 || n != sizeof(out->bytes))
		return refuse(why, "is no SHA-256 in base64, which is 44 "
			"characters, the last of them '='");
	return 0;
}

bool
c25_config_key_usable(const struct c25_config_key *key)
{
	return crypto_core_ed25519_is_valid_point(key->bytes) == 1;
}

int
c25_config_text_name(const char *text, size_t max_bytes, bool plain,
	struct c25_why *why)
{
	size_t n = strlen(text);

	if (n == 0)
		return refuse(why, "is empty: give it a name");
	if (n > max_bytes)
		return refuse(why, "is %zu bytes long: %zu is the most", n,
			max_bytes);
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c == 0x7f)
			return refuse(why, "has a control character "
				"(0x%02x) in it: remove it", c);
		if (plain && (c == ' ' || c == '=' || c >= 0x80))
			return refuse(why, "has blanks, '=' or letters that "
				"are not ASCII in it: it appears in "
				"statistics, choose a plain name");
	}
	return 0;
}
