/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * doorbell.h - how the two processes wake each other: a SOCK_SEQPACKET Unix
 * socket runDir/doorbell.sock that conn25d listens on; each worker thread of
 * Unbound makes one connection (from its own event base, non-blocking).
 *
 *   module -> conn25d   one byte C25_BELL_WORK: "there is work", sent only
 *                       when c25_table_must_ring() said so.
 *   conn25d -> module   one byte C25_BELL_READY: "push states changed": the
 *                       module looks at the assignments it is waiting for,
 *                       and whether there is another policy.
 *   module -> conn25d   a struct c25_bell_seen: "from now on I answer by this
 *                       policy, and my caches know nothing of before".
 *
 * The socket carries no data that matters: every message may be lost or
 * repeated, the table is the truth. That a policy was seen only tells whoever
 * reloads when it is in force. A closed socket means the peer is gone.
 * Anything else received is ignored. Sends never block: a full socket means
 * the peer has messages to read already, which is all a bell has to say.
 */
#ifndef CONN25_DOORBELL_H
#define CONN25_DOORBELL_H

#include <stdint.h>

#define C25_BELL_WORK 'w'
#define C25_BELL_READY 'r'
#define C25_BELL_SEEN 's'

struct c25_bell_seen {
	char kind;			/* C25_BELL_SEEN */
	char unused[7];			/* 0 */
	uint64_t generation;		/* of the policy, in host order */
};

#endif
