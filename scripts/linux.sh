#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The pinned Linux from Debian's archive: binary packages and source. In the toolbox.
#
#	linux.sh		makes it and prints its folder
#	linux.sh rt		the kernel with PREEMPT_RT, binaries only: the source is the same
#	linux.sh rt-release	prints the release of that one
#	linux.sh resolve	chooses another version if the pinned one is gone
#	linux.sh pin		moves the pin in scripts/versions to the newest version
#
# Debian's backports keep only the newest version of a kernel. When the pinned one is no
# longer there, `resolve` writes the newest of its series to a file in the cache, which
# lib.sh reads. It has to run before a script that makes a key of the version.
#
# The folder holds root (the binary packages, unpacked) and source.

. "$(dirname "$0")/lib.sh"
. "$TACKLE_TOP/scripts/mirror.sh"

linux=$TACKLE_CACHE/linux-$(key "$LINUX_VERSION" "$LINUX_RELEASE")
rt_release=${LINUX_RELEASE%%-*}-rt-amd64
rt=$TACKLE_CACHE/linux-rt-$(key "$LINUX_VERSION" "$rt_release")

# newest: the newest version in the archive, as scripts/versions has it.
newest() {
	apt-cache madison linux-image-amd64 | awk -v s="$LINUX_SUITE/" \
		'index($0, s) && !found { found = $3 } END { print found }'
}

# versions PACKAGE: the versions of a package in the archive, the newest first, one a line.
versions() {
	apt-cache madison "$1" | awk '!seen[$3]++ { print $3 }'
}

# has PACKAGE VERSION: whether the archive has it.
has() {
	local version
	for version in $(versions "$1"); do
		[ "$version" != "$2" ] || return 0
	done
	return 1
}

# binaries RELEASE: the packages that a kernel consists of, one a line.
binaries() {
	printf '%s\n' linux-{binary,modules,base,headers}-"$1"
}

# parts RELEASE: the same with its source.
parts() {
	binaries "$1"
	echo "linux-source-$LINUX_SERIES"
}

# complete VERSION RELEASE: whether the archive has all packages of a kernel. The signed binary
# comes hours or days after the others.
complete() {
	local package
	for package in $(parts "$2"); do
		has "$package" "$1" || return 1
	done
}

# release_of VERSION: the release that the kernel of this version prints, if the archive has
# all of it. The release is that of the pinned kernel's flavour: amd64, rt-amd64 or
# cloud-amd64.
release_of() {
	local flavour=${LINUX_RELEASE#*-} package release
	for package in $(apt-cache pkgnames "linux-headers-${1%%-*}" |
		grep -xE "linux-headers-[^-]*-$flavour"); do
		release=${package#linux-headers-}
		if complete "$1" "$release"; then
			echo "$release"
			return
		fi
	done
}

# alone: waits for other runs: apt has one lock, and they can use what the first one chose.
alone() {
	exec 9>"$TACKLE_CACHE/.resolve.lock"
	flock 9
}

# lists: fetches the archive's lists.
lists() {
	# Old lists would name versions that cannot be downloaded any more.
	update || die "no network: cannot fetch the lists of Debian's archive ($reason)"
}

resolve() {
	local version release=''
	# What is in the cache needs no archive.
	[ ! -d "$linux" ] || return 0
	alone
	lists
	! complete "$LINUX_VERSION" "$LINUX_RELEASE" || return 0
	for version in $(versions "linux-source-$LINUX_SERIES"); do
		release=$(release_of "$version")
		[ -z "$release" ] || break
	done
	if [ -z "$release" ]; then
		version=$(newest)
		die "linux $LINUX_VERSION and its whole series $LINUX_SERIES have left the archive; the newest is ${version:-unknown}: make pin moves to it"
	fi
	say "linux $LINUX_VERSION has left the archive: using $version, the newest of series $LINUX_SERIES"
	printf 'LINUX_VERSION=%s\nLINUX_RELEASE=%s\n' "$version" "$release" >"$TACKLE_INSTEAD.$$"
	mv "$TACKLE_INSTEAD.$$" "$TACKLE_INSTEAD"
}

# unpack DIR PACKAGE...: downloads packages of the pinned version, and unpacks them in DIR/root.
unpack() {
	local dir=$1 package
	shift
	mkdir -p "$dir/debs" "$dir/root"
	for package in "$@"; do
		(cd "$dir/debs" && apt-get download "$package=$LINUX_VERSION")
	done
	for package in "$dir"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$dir/root"
	done
	rm -r "$dir/debs"
}

# fetch DIR: the pinned kernel and its source.
fetch() {
	local dir=$1 packages
	mapfile -t packages < <(parts "$LINUX_RELEASE")
	unpack "$dir" "${packages[@]}"
	tar -xJf "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz" -C "$dir"
	mv "$dir/linux-source-$LINUX_SERIES" "$dir/source"
	rm "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz"
}

# fetch_rt DIR: the kernel of the pinned version with PREEMPT_RT.
fetch_rt() {
	local dir=$1 packages
	alone
	lists
	mapfile -t packages < <(binaries "$rt_release")
	has "${packages[0]}" "$LINUX_VERSION" ||
		die "the archive has no ${packages[0]} of version $LINUX_VERSION"
	unpack "$dir" "${packages[@]}"
}

pin() {
	local version release series
	lists
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
fetch | fetch_rt | resolve | pin)
	"$@"
	;;
rt-release)
	echo "$rt_release"
	;;
rt)
	step "linux $LINUX_VERSION with PREEMPT_RT, binary (about 0.7 GB)" "$rt" "$0" fetch_rt
	echo "$rt"
	;;
"")
	step "linux $LINUX_VERSION, binary and source (about 2.3 GB)" "$linux" "$0" fetch
	echo "$linux"
	;;
*)
	die "usage: linux.sh [rt | rt-release | resolve | pin]"
	;;
esac
