/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * buildid.h - which program are we in: the GNU build-id of the main program.
 *
 * Unbound installs no headers for modules; a module is compiled against one
 * build's source tree and may run in nothing else, as configure options and
 * patches move the fields of structs. The build-id names one build exactly.
 *
 * Example:
 *	char id[C25_BUILDID_TEXT_MAX];
 *
 *	if (c25_buildid_of_program(id) == 0 && strcmp(id, expected) == 0)
 *		... this is the program ...
 *
 * Rules: no Unbound here; everything but c25_buildid_of_program() is pure.
 */
#ifndef CONN25_MODULE_BUILDID_H
#define CONN25_MODULE_BUILDID_H

#include <stddef.h>
#include <stdint.h>

/* SHA-1 gives 20 bytes; a linker option allows others. Hex and NUL. */
#define C25_BUILDID_BYTES_MAX 64
#define C25_BUILDID_TEXT_MAX (2 * C25_BUILDID_BYTES_MAX + 1)

/*
 * Find the NT_GNU_BUILD_ID note among ELF notes and write it as lower-case
 * hex. `align` is the segment's alignment: 4, or 8 for 64-bit property notes.
 * Returns: 0; -ENOENT (no such note); -EINVAL (malformed notes).
 */
int c25_buildid_from_notes(const uint8_t *notes, size_t len, size_t align,
	char text[static C25_BUILDID_TEXT_MAX])
	__attribute__((warn_unused_result));

/*
 * The build-id of the program this code runs in (not of the shared object),
 * read from the notes that are mapped with it.
 * Returns: 0; -ENOENT (it has none).
 */
int c25_buildid_of_program(char text[static C25_BUILDID_TEXT_MAX])
	__attribute__((warn_unused_result));

#endif
