/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.h - the words between conn25-control and conn25d on
 * runDir/control.sock, a SOCK_STREAM Unix socket.
 *
 *   request   one line: "CONN25CT1 VERB[ ARGUMENT]\n", at most 1024 bytes.
 *   reply     first line "ok\n" or "error REASON\n"; after "ok" the text the
 *             tool prints, after "error" lines that say more, if any, until
 *             conn25d closes the connection.
 *
 * The modelled example is unbound-control ("UBCT1 verb"). Permission is the
 * socket's mode (0660, group of runDir).
 */
#ifndef CONN25_CONTROL_H
#define CONN25_CONTROL_H

#define C25_CONTROL_GREETING "CONN25CT1 "
#define C25_CONTROL_LINE_MAX 1024

#endif
