# shellcheck shell=bash disable=SC2034,SC2154 # variables of the sourcing script
# SPDX-License-Identifier: BSD-3-Clause
#
# deb.sh - to be sourced by build-unbound: makes Debian's own packages of
# Unbound from its unpacked source, with dynamic modules added.
#
# Wants: dir (the prefix; the source is in $dir/src), suite, version (of the
# source package), log, and apt.sh and progress.sh.

# Added to Debian's version: newer than what it was made from and than a
# binary-only rebuild (+b1), older than any update (+deb12u5, -3).
deb_suffix=+conn25.1
# NAME=VALUE for the build, besides what deb_package sets.
deb_env=()

# The packages are for this machine's own libraries.
deb_check_machine() {
	local codename
	# shellcheck disable=SC1091 # not ours
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}") || :
	if [ "$suite" = sid ] && grep -q '/sid$' /etc/debian_version; then
		return
	fi
	[ "$suite" = "$codename" ] || die "--deb makes packages for the" \
		"release that it runs on: that is ${codename:-unknown} here," \
		"run it on $suite for those"
}

# Changes what has to be: the option, and the version.
deb_change_source() {
	local rules=$dir/src/debian/rules changelog=$dir/src/debian/changelog
	local option='--with-dynlibmodule'

	grep -q -- "$option" "$rules" || sed -i -E \
		"s/^(\s*)--with-pythonmodule \\\\$/&\n\1$option \\\\/" "$rules"
	[ "$(grep -c -- "$option" "$rules")" -eq 1 ] || die \
		"debian/rules of $version is of a new form:" \
		"$option can't be added to it"
	version=$version$deb_suffix
	cat - "$changelog" >"$changelog.new" <<-END
	unbound ($version) $suite; urgency=medium

	  * Built with $option, for conn25; nothing else is changed.

	 -- conn25 <conn25@packages.invalid>  $(date -R -d "@$(deb_date)")

	END
	mv "$changelog.new" "$changelog"
}

# A second after the version before, so that the same source gives the same
# packages.
deb_date() {
	echo $(($(cd "$dir/src" && dpkg-parsechangelog -S Timestamp) + 1))
}

# deb_build_dep DIR: installs what its debian/control wants to be built.
deb_build_dep() {
	if ! (cd "$1" && dpkg-checkbuilddeps) >>"$log" 2>&1; then
		[ "$(id -u)" -eq 0 ] || die "packages missing: as root run:" \
			"apt-get build-dep $1"
		apt_has_lists || run "apt-get update" apt-get -q update
		run "installing what the build needs" env \
			DEBIAN_FRONTEND=noninteractive apt-get -q -y \
			-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
			build-dep --no-install-recommends "$1"
	fi
}

# deb_package DIR: makes the packages of the source in DIR, beside it. With
# Debian's programs only, whatever this user's PATH would find before them.
deb_package() {
	cd "$1" || die "$1: can't be entered"
	run "building the packages" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		HOME="$1" LC_ALL=C.UTF-8 "${deb_env[@]}" \
		DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-nocheck}" \
		dpkg-buildpackage -us -uc -b -j"$(nproc)"
	cd / || exit
}

# The packages in $dir/debs; $dir/src is then as if built in itself. Debian's
# tests of Unbound are left to Debian.
deb_build() {
	step "installing what the packages need to be built"
	deb_build_dep "$dir/src"
	step "building the packages of unbound $version"
	deb_package "$dir/src"
	mkdir -p "$dir/debs"
	mv "$dir"/*.deb "$dir"/*.buildinfo "$dir"/*.changes "$dir/debs"
	# Debian builds beside the source; the module wants all in one place.
	cp -a "$dir/src/b/unbound/." "$dir/src/"
	deb_check
}

# What conn25 relies on: prints nothing if all is well.
deb_check() {
	local deb id

	deb=unbound_${version#*:}_$(dpkg --print-architecture).deb
	deb=$dir/debs/$deb
	[ -f "$deb" ] || die "$deb: was not built: see $log"
	mkdir -p "$dir/check"
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dir/check" ./usr/sbin
	id=$(build_id "$dir/check/usr/sbin/unbound")
	if [ -z "$id" ] || [ "$id" != "$(build_id "$dir/src/unbound")" ]; then
		die "$deb holds another unbound than $dir/src: build-ids" \
			"differ: see $log"
	fi
	"$dir/check/usr/sbin/unbound" -V 2>>"$log" 9>&- |
		grep '^Linked modules:' | grep -qw dynlib || die \
		"the unbound in $deb does not list dynlib: see $log"
	rm -rf "$dir/check"
}
