# shellcheck shell=bash disable=SC2154 # variables of the sourcing script
# SPDX-License-Identifier: BSD-3-Clause
#
# progress.sh - to be sourced: long work shows on a terminal where it is, and
# writes the same into a log; into a pipe it says nothing.
#
# Wants: prog (for messages), log (a file; empty while there is none).

# shellcheck source=ticker.sh source-path=SCRIPTDIR
. "$(dirname -- "${BASH_SOURCE[0]}")/ticker.sh"

# What is done is told on a terminal and in the log.
step() {
	local line
	printf -v line '%s: %4d s: %s' "$prog" "$SECONDS" "$*"
	[ ! -t 1 ] || printf '%s\n' "$line"
	[ ! -f "$log" ] || printf '\n%s\n' "$line" >>"$log"
}

die() {
	printf '%s: %s\n' "$prog" "$*" >&2
	exit 1
}

# run WHAT COMMAND...: runs it into the log; if it fails, shows the log's end.
run() {
	local what=$1 status=0
	shift
	printf '\n+ %s\n' "$*" >>"$log"
	ticker_start "$log"
	# Nothing started here may inherit the lock.
	"$@" >>"$log" 2>&1 9>&- </dev/null || status=$?
	ticker_stop
	[ "$status" -ne 0 ] || return 0
	tail -n 30 "$log" >&2
	die "$what failed: the lines above are the end of $log"
}
