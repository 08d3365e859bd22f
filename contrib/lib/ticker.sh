# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# ticker.sh - to be sourced: while something runs into a log, one line on the
# terminal says how long it already takes and what it wrote last: of a
# compiler's command the file. Into a pipe it says nothing.

ticker=''

ticker_last() {
	tail -n 1 "$1" | tr -cd '[:print:]' |
		sed -E 's/^.*(gcc|cc|clang|libtool)( .*)? ([^ ]+\.c)( .*)?$/\3/'
}

ticker_run() {
	local start=$SECONDS last
	# A background job hears no SIGINT.
	while sleep 1 && kill -0 $$ 2>/dev/null; do
		last=$(ticker_last "$1")
		printf '\r\033[K  %4d s: %.60s' "$((SECONDS - start))" "$last"
	done
}

# ticker_start LOG
ticker_start() {
	[ -t 1 ] || return 0
	# Nothing started here may inherit a lock.
	ticker_run "$1" 9>&- </dev/null &
	ticker=$!
}

# Takes the line away; fine if there is none.
ticker_stop() {
	[ -n "$ticker" ] || return 0
	kill "$ticker" 2>/dev/null || :
	wait "$ticker" 2>/dev/null || :
	ticker=''
	printf '\r\033[K'
}
