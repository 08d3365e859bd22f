/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unbound's util/regional.h with an allocation of its own for each piece, so
 * that AddressSanitizer sees who goes past one. For fuzz_answer.c: linked
 * before Unbound's library, it takes the place of regional.o.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "util/regional.h"

/* Before each piece; keeps it aligned as malloc() does. */
struct piece {
	struct piece *next;
	size_t size;
};

struct regional *
regional_create(void)
{
	return calloc(1, sizeof(struct regional));
}

struct regional *
regional_create_custom(size_t size)
{
	return regional_create();
}

struct regional *
regional_create_nochunk(size_t size)
{
	return regional_create();
}

void
regional_free_all(struct regional *r)
{
	struct piece *p = (struct piece *)(void *)r->large_list, *next;

	for (; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
	memset(r, 0, sizeof(*r));
}

void
regional_destroy(struct regional *r)
{
	if (r == NULL)
		return;
	regional_free_all(r);
	free(r);
}

void *
regional_alloc(struct regional *r, size_t size)
{
	struct piece *p = malloc(sizeof(*p) + size);

	if (p == NULL)
		return NULL;
	p->next = (struct piece *)(void *)r->large_list;
	p->size = size;
	r->large_list = (char *)p;
	r->total_large += size;
	return p + 1;
}

void *
regional_alloc_init(struct regional *r, const void *init, size_t size)
{
	void *p = regional_alloc(r, size);

	return p == NULL ? NULL : memcpy(p, init, size);
}

void *
regional_alloc_zero(struct regional *r, size_t size)
{
	void *p = regional_alloc(r, size);

	return p == NULL ? NULL : memset(p, 0, size);
}

char *
regional_strdup(struct regional *r, const char *string)
{
	return regional_alloc_init(r, string, strlen(string) + 1);
}

void
regional_log_stats(struct regional *r)
{
}

size_t
regional_get_mem(struct regional *r)
{
	return sizeof(*r) + r->total_large;
}
