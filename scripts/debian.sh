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

# mirror: the URI of Debian's main on this machine's mirror.
mirror() {
	local here main
	here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	main=${TACKLE_MIRROR:-$(mirrors | awk -v s="$here" '$2 == s { print $1; exit }')}
	[ -n "$main" ] ||
		die "no Debian mirror in this machine's apt set-up: name one with TACKLE_MIRROR=http://..."
	echo "$main"
}

# reachable: fails, with one line, when the mirror does not answer or lacks the suite.
reachable() {
	local main file
	main=$(mirror)
	file=$(mktemp)
	if ! /usr/lib/apt/apt-helper -o Acquire::Retries=1 \
		download-file "${main%/}/dists/$DEBIAN_SUITE/InRelease" "$file" >/dev/null 2>&1; then
		rm -f "$file"
		die "no network: cannot fetch Debian $DEBIAN_SUITE from this machine's mirror, $main"
	fi
	rm -f "$file"
}

# sources: sources.list lines for DEBIAN_SUITE and LINUX_SUITE.
sources() {
	local main security here
	main=$(mirror)
	here=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
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
