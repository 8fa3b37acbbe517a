# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Debian root file systems, from the mirror that this machine itself uses.

# mirrors: lines "URI SUITE" of this machine's apt set-up that hold Debian's main.
mirrors() {
	# shellcheck disable=SC2016 # apt's own format, not variables
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk '$1 ~ /^(https?|file|copy):/ && $3 == "main" { print $1, $2 }' | sort -u
}

# sources: sources.list lines for DEBIAN_SUITE and LINUX_SUITE.
sources() {
	local here main security
	here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	main=${TACKLE_MIRROR:-$(mirrors | awk -v s="$here" '$2 == s { print $1; exit }')}
	[ -n "$main" ] ||
		die "no Debian mirror in this machine's apt set-up: name one with TACKLE_MIRROR=http://..."
	security=$(mirrors | awk -v s="$here-security" '$2 == s { print $1; exit }')
	echo "deb $main $DEBIAN_SUITE main"
	echo "deb $main $DEBIAN_SUITE-updates main"
	echo "deb $main $LINUX_SUITE main"
	[ -z "$security" ] || echo "deb $security $DEBIAN_SUITE-security main"
}

# debian_root LIST VARIANT DIR: makes a root file system with the packages of LIST.
debian_root() {
	local list=$1 variant=$2 dir=$3
	sources >"$dir.list"
	if ! mmdebstrap --variant="$variant" --mode=root --skip=check/empty \
		--aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--include="$(packages "$list")" "$DEBIAN_SUITE" "$dir" "$dir.list"; then
		rm -f "$dir.list"
		return 1
	fi
	rm -f "$dir.list"
}
