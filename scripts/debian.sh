# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions that make Debian root file systems. The packages come from the
# mirror that apt on this machine uses (mirror.sh).

. "$TACKLE_TOP/scripts/mirror.sh"

# sources: sets TACKLE_SOURCES to the lines of sources.list for DEBIAN_SUITE and
# LINUX_SUITE, from which debian_root installs. Ends the script with an error if
# there is no mirror or no network.
sources() {
	TACKLE_SOURCES=$(sources_list "$DEBIAN_SUITE" "$DEBIAN_SUITE-updates" "$LINUX_SUITE" \
		"$DEBIAN_SUITE-security") || exit 1
	export TACKLE_SOURCES
}

# install_mmdebstrap: installs the programs that debian_root and toolbox.sh run
# on this machine.
install_mmdebstrap() {
	local program lacking=()
	for program in mmdebstrap mount; do
		command -v "$program" >/dev/null || lacking+=("$program")
	done
	[ ${#lacking[@]} -gt 0 ] || return 0
	update || say "apt-get update: $reason"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${lacking[@]}"
}

# debian_root SUITE SOURCES PACKAGES VARIANT DIR: makes a root file system in
# DIR. SOURCES are lines of sources.list. PACKAGES are names, separated by
# commas. VARIANT is that of mmdebstrap.
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
