/* SPDX-License-Identifier: BSD-3-Clause */
/* How far long work is; see progress.h. */

#include "progress.h"

#include <stdio.h>

#include "conn25/log.h"
#include "notify.h"

void
c25_progress_text(char out[static C25_PROGRESS_TEXT_MAX], const char *what,
	uint64_t done, uint64_t total)
{
	if (total == 0) {
		(void)snprintf(out, C25_PROGRESS_TEXT_MAX, "%s", what);
		return;
	}
	if (done == 0) {		/* it may stand there for long */
		(void)snprintf(out, C25_PROGRESS_TEXT_MAX, "%s: %llu in all",
			what, (unsigned long long)total);
		return;
	}
	/* more may have come since it was counted */
	if (done > total)
		done = total;
	(void)snprintf(out, C25_PROGRESS_TEXT_MAX,
		"%s: %llu of %llu (%d %%)", what, (unsigned long long)done,
		(unsigned long long)total,
		(int)((double)done * 100 / (double)total));
}

void
c25_progress_begin(struct c25_progress *p, const char *what, uint64_t total,
	uint64_t now_ms)
{
	*p = (struct c25_progress){ .what = what, .total = total,
		.next_ms = now_ms + C25_PROGRESS_AFTER_MS };
}

void
c25_progress_show(struct c25_progress *p, uint64_t done, uint64_t now_ms)
{
	char text[C25_PROGRESS_TEXT_MAX], state[C25_PROGRESS_TEXT_MAX + 64];

	if (p->what == NULL)
		return;
	p->next_ms = now_ms + C25_PROGRESS_EACH_MS;
	p->told = true;
	c25_progress_text(text, p->what, done, p->total);
	c25_log_fleeting(text);
	(void)snprintf(state, sizeof(state), "STATUS=%s\n"
		"EXTEND_TIMEOUT_USEC=%d000000", text, C25_PROGRESS_EXTEND_S);
	c25_notify(state);
}

void
c25_progress_step(struct c25_progress *p, uint64_t done, uint64_t now_ms)
{
	if (p->what != NULL && now_ms >= p->next_ms)
		c25_progress_show(p, done, now_ms);
}

void
c25_progress_end(struct c25_progress *p)
{
	if (p->what != NULL && p->told) {
		c25_log_fleeting(NULL);
		c25_notify("STATUS=");
	}
	p->what = NULL;
}
