# shellcheck shell=bash disable=SC2034,SC2154 # variables of the sourcing script
# SPDX-License-Identifier: BSD-3-Clause
#
# setup.sh - to be sourced by quickstart and test: makes a bare Debian ready,
# that is packages, an Unbound that can load us, and a build of conn25.
#
# What is done is told line by line; on a terminal what takes long also shows
# that it goes on.
#
# Wants: prog (for messages), suite (bookworm, trixie or sid).
# Sets: top (the source tree), unbound (the prefix of Unbound), build (where
# conn25 is built).

top=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=apt.sh source-path=SCRIPTDIR
. "$top/contrib/lib/apt.sh"
# shellcheck source=ticker.sh source-path=SCRIPTDIR
. "$top/contrib/lib/ticker.sh"

setup_build_packages="build-essential pkg-config binutils
	libwebsockets-dev libcjson-dev libsodium-dev libevent-dev libssl-dev
	libnghttp2-dev libsqlite3-dev libmnl-dev libcap-ng-dev libseccomp-dev
	libunbound-dev check"
setup_demo_packages="nsd bind9-dnsutils nftables iproute2 curl busybox"
setup_test_packages="python3 python3-pytest python3-pytest-timeout
	python3-pytest-xdist python3-dnspython python3-h2 python3-cryptography
	openssl ldnsutils iproute2 nftables tcpdump iputils-ping wireguard-go
	wireguard-tools nginx shellcheck cppcheck mandoc git prometheus
	apparmor systemd"

# For `contrib/test packages` only.
setup_package_packages="debhelper lintian debootstrap systemd-container"

# For `contrib/test bench` only.
# shellcheck disable=SC2034 # used there
setup_bench_packages="dnsperf valgrind"

# For `contrib/test fuzz` only: Debian's clang and its libFuzzer.
setup_fuzz_packages() {
	local version
	version=$(apt-cache depends clang 2>/dev/null |
		sed -n 's/^ *Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
	echo clang ${version:+"libclang-rt-$version-dev"}
}

step() {
	printf '%s: %4d s: %s\n' "$prog" "$SECONDS" "$*"
}

die() {
	printf '%s: %s\n' "$prog" "$*" >&2
	exit 1
}

# setup_run LOG COMMAND...: runs it into LOG, in a subshell.
setup_run() {
	local log=$1 status=0
	shift
	: >"$log"
	ticker_start "$log"
	("$@") >>"$log" 2>&1 </dev/null || status=$?
	ticker_stop
	return "$status"
}

# Without the services that come with them being started.
setup_install() {
	local policy=/usr/sbin/policy-rc.d
	if [ "$(id -u)" -eq 0 ] && [ ! -e "$policy" ]; then
		# shellcheck disable=SC2064 # now
		trap "rm -f $policy" EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	apt_install "$@"
}

# setup_packages PACKAGE...: installs what is missing. Debian starts a service
# with its installation; of nsd and nginx we only want the program.
setup_packages() {
	local missing
	mapfile -t missing < <(apt_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	step "installing ${missing[*]}"
	if ! setup_run "$setup_log" setup_install "${missing[@]}"; then
		tail -n 20 "$setup_log" >&2
		die "packages cannot be installed: see above"
	fi
	local service
	for service in nsd nginx; do
		case " ${missing[*]} " in
		*" $service "*)
			# It would start with the machine otherwise.
			update-rc.d "$service" disable >>"$setup_log" 2>&1 || :
			step "$service is installed; its service is neither" \
				"started nor enabled"
			;;
		esac
	done
}

# setup_unbound: an Unbound of the suite that can load modules.
setup_unbound() {
	unbound=${CONN25_CACHE:-/var/cache/conn25}/unbound-$suite
	step "an Unbound with dynamic modules (built once, a few minutes)"
	"$top/contrib/build-unbound" --suite "$suite" --prefix "$unbound" ||
		die "no Unbound to load the module: see above"
}

setup_make() {
	cd "$1" || return
	shift
	if ! { [ -f Makefile ] && [ Makefile -nt "$top/configure" ] &&
		grep -q "^UNBOUND_SRC = $unbound/src\$" Makefile &&
		grep -q "^UNBOUND_BUILD_ID = $(setup_build_id)\$" \
			Makefile; }; then
		"$top/configure" -q --with-unbound-src="$unbound/src" "$@" ||
			return
	fi
	make -s -j"$(nproc)" all
}

# setup_conn25 DIR [CONFIGURE ARGUMENT...]: builds conn25 in DIR.
setup_conn25() {
	local dir=$1
	step "building conn25 in $dir"
	mkdir -p "$dir"
	if ! setup_run "$dir.log" setup_make "$@"; then
		tail -n 30 "$dir.log" >&2
		die "conn25 does not build: see above and $dir.log"
	fi
	cd "$top" || exit 1
}

setup_build_id() {
	readelf -n "$unbound/sbin/unbound" | sed -n 's/^ *Build ID: *//p'
}

# setup_all PACKAGE...: everything; the build is in $build afterwards.
setup_all() {
	if [ ! -r /etc/debian_version ]; then
		die "this is not Debian: install the packages that README.md" \
			"names and build by hand"
	fi
	build=$top/build
	[ "$suite" = bookworm ] || build=$top/build-$suite
	mkdir -p "$build"
	setup_log=$build/setup.log
	# shellcheck disable=SC2086 # words
	setup_packages $setup_build_packages "$@"
	setup_unbound
	setup_conn25 "$build"
}
