#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Downloads the pinned kernel from Debian's archive: binary packages and source.
# Runs in the toolbox.
#
#	linux.sh		downloads it and prints its folder
#	linux.sh rt		does the same for the PREEMPT_RT kernel of this
#				version, without source: both kernels share it
#	linux.sh rt-release	prints the release of the PREEMPT_RT kernel
#	linux.sh resolve	chooses another version if the archive no longer
#				has the pinned one
#	linux.sh pin		writes the newest version to scripts/versions
#
# Debian's backports keep only the newest version of a kernel. If the archive no
# longer has the pinned version, `resolve` writes the newest version of the same
# series to a file in the cache, which lib.sh reads. `resolve` must run before
# any script that computes a key from the version.
#
# The folder contains root (the unpacked binary packages) and source.

. "$(dirname "$0")/lib.sh"
. "$TACKLE_TOP/scripts/mirror.sh"

linux=$TACKLE_CACHE/linux-$(key "$LINUX_VERSION" "$LINUX_RELEASE")
rt_release=${LINUX_RELEASE%%-*}-rt-amd64
rt=$TACKLE_CACHE/linux-rt-$(key "$LINUX_VERSION" "$rt_release")

# newest: prints the newest version in LINUX_SUITE, in the form of
# LINUX_VERSION.
newest() {
	apt-cache madison linux-image-amd64 | awk -v s="$LINUX_SUITE/" \
		'index($0, s) && !found { found = $3 } END { print found }'
}

# versions PACKAGE: prints the versions of a package in the archive, one per
# line, the newest first.
versions() {
	apt-cache madison "$1" | awk '!seen[$3]++ { print $3 }'
}

# has PACKAGE VERSION: succeeds if the archive has this version of the package.
has() {
	local version
	for version in $(versions "$1"); do
		[ "$version" != "$2" ] || return 0
	done
	return 1
}

# binaries RELEASE: prints the binary packages of a kernel, one per line.
binaries() {
	printf '%s\n' linux-{binary,modules,base,headers}-"$1"
}

# parts RELEASE: prints the binary packages and the source package of a kernel.
parts() {
	binaries "$1"
	echo "linux-source-$LINUX_SERIES"
}

# complete VERSION RELEASE: succeeds if the archive has all packages of a
# kernel. The signed binary package appears hours or days after the other ones.
complete() {
	local package
	for package in $(parts "$2"); do
		has "$package" "$1" || return 1
	done
}

# release_of VERSION: prints the release (uname -r) of the kernel of this
# version, if the archive has all its packages. The kernel has the same flavour
# as the pinned one: amd64, rt-amd64 or cloud-amd64.
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

# alone: waits until no other run holds this lock. apt itself has only one lock,
# and later runs can use the version that the first run has chosen.
alone() {
	exec 9>"$TACKLE_CACHE/.resolve.lock"
	flock 9
}

# lists: downloads the package lists of the archive.
lists() {
	# Old lists can name versions that the archive no longer has.
	update || die "no network: cannot fetch the lists of Debian's archive ($reason)"
}

resolve() {
	local version release=''
	# A version in the cache is not downloaded.
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

# unpack DIR PACKAGE...: downloads packages of the pinned version, and unpacks
# them in DIR/root.
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

# fetch DIR: downloads the pinned kernel and its source.
fetch() {
	local dir=$1 packages
	mapfile -t packages < <(parts "$LINUX_RELEASE")
	unpack "$dir" "${packages[@]}"
	tar -xJf "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz" -C "$dir"
	mv "$dir/linux-source-$LINUX_SERIES" "$dir/source"
	rm "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz"
}

# fetch_rt DIR: downloads the PREEMPT_RT kernel of the pinned version.
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
