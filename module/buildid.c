/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * buildid.c - see buildid.h. No Unbound header here: unit tests link it
 * alone.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

#include "module/buildid.h"

static size_t buildid_pad(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

static void buildid_hex(const uint8_t *p, size_t len, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (; len > 0; len--, p++) {
		*text++ = digits[*p >> 4];
		*text++ = digits[*p & 15];
	}
	*text = '\0';
}

int c25_buildid_from_notes(const uint8_t *notes, size_t len, size_t align,
	char text[static C25_BUILDID_TEXT_MAX])
{
	ElfW(Nhdr) h;	/* three 32-bit words in both classes */

	if (align != 8)
		align = 4;
	while (len >= sizeof(h)) {
		size_t name, desc;

		memcpy(&h, notes, sizeof(h));
		notes += sizeof(h);
		len -= sizeof(h);
		name = buildid_pad(h.n_namesz, align);
		desc = buildid_pad(h.n_descsz, align);
		if (name < h.n_namesz || desc < h.n_descsz || name > len ||
		    h.n_descsz > len - name)
			return -EINVAL;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 &&
		    memcmp(notes, "GNU", 4) == 0 && h.n_descsz > 0 &&
		    h.n_descsz <= C25_BUILDID_BYTES_MAX) {
			buildid_hex(notes + name, h.n_descsz, text);
			return 0;
		}
		if (desc > len - name)
			return -ENOENT;	/* the last one, unpadded */
		notes += name + desc;
		len -= name + desc;
	}
	return len == 0 ? -ENOENT : -EINVAL;
}

/* Is the segment inside one that the loader has mapped readable? */
static bool buildid_mapped(const struct dl_phdr_info *info,
	const ElfW(Phdr) *note)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_R) != 0 &&
		    note->p_vaddr >= p->p_vaddr &&
		    note->p_filesz <= p->p_filesz &&
		    note->p_vaddr - p->p_vaddr <=
		    p->p_filesz - note->p_filesz)
			return true;
	}
	return false;
}

/* Called for the main program first; stops there. */
static int buildid_first_object(struct dl_phdr_info *info, size_t size,
	void *arg)
{
	char *text = arg;

	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_NOTE && buildid_mapped(info, p) &&
		    c25_buildid_from_notes((const uint8_t *)
		    (info->dlpi_addr + p->p_vaddr), p->p_filesz, p->p_align,
		    text) == 0)
			return 1;
	}
	return 2;
}

int c25_buildid_of_program(char text[static C25_BUILDID_TEXT_MAX])
{
	return dl_iterate_phdr(buildid_first_object, text) == 1 ? 0 :
		-ENOENT;
}
