# shellcheck shell=bash disable=SC2154 # variables of the sourcing script
# SPDX-License-Identifier: BSD-3-Clause
#
# progress.sh - to be sourced: long work shows on a terminal where it is, and
# writes the same into a log; into a pipe it says nothing.
#
# Wants: prog (for messages), log (a file; empty while there is none).

# What is done is told on a terminal and in the log.
step() {
	local line
	printf -v line '%s: %4d s: %s' "$prog" "$SECONDS" "$*"
	[ ! -t 1 ] || printf '%s\n' "$line"
	[ ! -f "$log" ] || printf '\n%s\n' "$line" >>"$log"
}

# One line on the terminal, written over and over: how long the step already
# takes, and the last line of the log.
progress() {
	local start=$SECONDS last
	# A background job hears no SIGINT.
	while sleep 1 && kill -0 $$ 2>/dev/null; do
		last=$(tail -n 1 "$log" | tr -cd '[:print:]')
		printf '\r\033[K  %4d s: %.60s' "$((SECONDS - start))" "$last"
	done
}

die() {
	printf '%s: %s\n' "$prog" "$*" >&2
	exit 1
}

# run WHAT COMMAND...: runs it into the log; if it fails, shows the log's end.
run() {
	local what=$1 status=0 ticker=
	shift
	printf '\n+ %s\n' "$*" >>"$log"
	if [ -t 1 ]; then
		progress 9>&- </dev/null &
		ticker=$!
	fi
	# Nothing started here may inherit the lock.
	"$@" >>"$log" 2>&1 9>&- </dev/null || status=$?
	if [ -n "$ticker" ]; then
		kill "$ticker"
		wait "$ticker" 2>/dev/null || :
		printf '\r\033[K'
	fi
	[ "$status" -ne 0 ] || return 0
	tail -n 30 "$log" >&2
	die "$what failed: the lines above are the end of $log"
}
