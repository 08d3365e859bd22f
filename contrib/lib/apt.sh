# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# apt.sh - to be sourced: installs the Debian packages that a script needs and
# the machine lacks, in one apt-get call, and only if there is one to install.

# Prints those of the named packages that are not installed, one a line.
apt_missing() {
	local pkg
	for pkg; do
		# shellcheck disable=SC2016 # ${...} is for dpkg-query
		dpkg-query -W -f '${db:Status-Status}\n' "$pkg" 2>/dev/null |
			grep -qx installed || printf '%s\n' "$pkg"
	done
}

# True if apt has downloaded the package lists of at least one archive.
apt_has_lists() {
	local lists
	eval "$(apt-config shell lists Dir::State::Lists/d)"
	[ -n "$(find "$lists" -maxdepth 1 -name '*_Packages*' 2>/dev/null |
		head -n 1)" ]
}

# apt_install PACKAGE...: installs what is missing of them. The lists are
# fetched only if there are none, or if they turn out to be out of date.
# Returns: 0; 1 if it cannot, with the reason and apt's own words on stderr.
apt_install() {
	local missing get
	mapfile -t missing < <(apt_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "packages missing: ${missing[*]}: as root run:" \
			"apt-get install --no-install-recommends" \
			"${missing[*]}" >&2
		return 1
	fi
	get=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
		-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
	if apt_has_lists && "${get[@]}" install --no-install-recommends \
		"${missing[@]}"; then
		return 0
	fi
	# A list that fails to update need not be one that is needed.
	"${get[@]}" update || :
	"${get[@]}" install --no-install-recommends "${missing[@]}" && return 0
	echo "apt-get cannot install: ${missing[*]}: see its messages above;" \
		"check the network and apt's sources" >&2
	return 1
}
