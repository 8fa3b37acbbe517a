#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The pinned Linux from Debian's archive: binary packages and source. In the toolbox.
#
#	linux.sh	makes it and prints its folder
#	linux.sh pin	moves the pin in scripts/versions to the newest version
#
# The folder holds root (the binary packages, unpacked) and source.

. "$(dirname "$0")/lib.sh"

linux=$TACKLE_CACHE/linux-$(key "$LINUX_VERSION" "$LINUX_RELEASE")

# newest: the newest version in the archive, as scripts/versions has it.
newest() {
	apt-cache madison linux-image-amd64 | awk -v s="$LINUX_SUITE/" \
		'index($0, s) { print $3; exit }'
}

check_pin() {
	local found
	if apt-cache madison "linux-source-$LINUX_SERIES" | awk '{ print $3 }' |
		grep -qxF "$LINUX_VERSION"; then
		return
	fi
	found=$(newest)
	die "linux $LINUX_VERSION has left the archive; the newest is ${found:-unknown}: make pin moves to it"
}

# fetch DIR: the packages, unpacked.
fetch() {
	local dir=$1 package
	mkdir -p "$dir/debs" "$dir/root"
	apt-get update
	check_pin
	for package in linux-{binary,modules,base,headers}-"$LINUX_RELEASE" \
		"linux-source-$LINUX_SERIES"; do
		(cd "$dir/debs" && apt-get download "$package=$LINUX_VERSION")
	done
	for package in "$dir"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$dir/root"
	done
	tar -xJf "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz" -C "$dir"
	mv "$dir/linux-source-$LINUX_SERIES" "$dir/source"
	rm -r "$dir/debs" "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz"
}

pin() {
	local version release series
	apt-get update >/dev/null
	version=$(newest)
	[ -n "$version" ] || die "no linux-image-amd64 in $LINUX_SUITE"
	release=$(apt-cache show "linux-image-amd64=$version" |
		sed -n 's/.*linux-image-\([0-9][^ ,]*\) (=.*/\1/p' | head -n 1)
	series=$(echo "$release" | cut -d. -f1,2)
	sed -i "s/^LINUX_VERSION=.*/LINUX_VERSION=$version/
		s/^LINUX_RELEASE=.*/LINUX_RELEASE=$release/
		s/^LINUX_SERIES=.*/LINUX_SERIES=$series/" "$TACKLE_TOP/scripts/versions"
	say "pinned: linux $version ($release)"
}

case ${1:-} in
fetch | pin)
	"$@"
	;;
"")
	step "linux $LINUX_VERSION, binary and source (about 2.3 GB)" "$linux" "$0" fetch
	echo "$linux"
	;;
*)
	die "usage: linux.sh [pin]"
	;;
esac
