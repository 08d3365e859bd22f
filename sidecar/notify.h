/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * notify.h - telling the service manager how far conn25d is: the protocol of
 * sd_notify(3), which is a datagram to the socket that $NOTIFY_SOCKET names.
 *
 * Example:
 *	c25_notify("READY=1");
 *
 * Rules: any thread. Without $NOTIFY_SOCKET nothing is done.
 */
#ifndef CONN25_NOTIFY_H
#define CONN25_NOTIFY_H

/*
 * Send `state`, lines as in sd_notify(3). That it can't be sent is logged,
 * once until it works again: the service manager would take conn25d for one
 * that doesn't get ready.
 */
void c25_notify(const char *state);

#endif
