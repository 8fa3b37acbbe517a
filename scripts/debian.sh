# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Debian root file systems, from the mirror that this machine itself uses (mirror.sh).

. "$TACKLE_TOP/scripts/mirror.sh"

# sources: finds the sources.list of DEBIAN_SUITE and LINUX_SUITE for the root file systems
# that are made after it. Fails, with one line, when there is no mirror or no network.
sources() {
	TACKLE_SOURCES=$(sources_list "$DEBIAN_SUITE" "$DEBIAN_SUITE-updates" "$LINUX_SUITE" \
		"$DEBIAN_SUITE-security") || exit 1
	export TACKLE_SOURCES
}

# install_mmdebstrap: installs what debian_root and the toolbox need of this machine.
install_mmdebstrap() {
	local program lacking=()
	for program in mmdebstrap mount; do
		command -v "$program" >/dev/null || lacking+=("$program")
	done
	[ ${#lacking[@]} -gt 0 ] || return 0
	update || say "apt-get update: $reason"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${lacking[@]}"
}

# debian_root SUITE SOURCES PACKAGES VARIANT DIR: makes a root file system. SOURCES are
# lines of sources.list, PACKAGES names with commas between them.
debian_root() {
	local suite=$1 sources=$2 packages=$3 variant=$4 dir=$5 line options=()
	while read -r line; do
		[ -z "$line" ] || options+=(--aptopt="$line")
	done < <(apt_proxies)
	mmdebstrap --variant="$variant" --mode=root --skip=check/empty \
		--aptopt='Acquire::Languages "none"' "${options[@]}" \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--include="$packages" "$suite" "$dir" - <<<"$sources"
}
