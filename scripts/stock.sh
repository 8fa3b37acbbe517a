#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The stock kernel: Debian's binary, with the Rust metadata that its headers
# package leaves out made from linux-source of the same version.
#
#	stock.sh	makes it (in the toolbox) and prints its folder
#	stock.sh pin	moves the pin in scripts/versions to the newest version
#
# The folder holds: vmlinuz, config, release, lib/modules/RELEASE (all modules),
# and build (what KDIR names).

. "$(dirname "$0")/lib.sh"

source=$TACKLE_CACHE/linux-$(key "$LINUX_VERSION" "$LINUX_RELEASE")
stock=$TACKLE_CACHE/stock-$(key "$LINUX_VERSION" "$LINUX_RELEASE" "$0" "$TACKLE_TOP/scripts/packages/toolbox")

binary_packages=(linux-binary linux-modules linux-base linux-headers)

# newest: the newest version and release in the archive, as scripts/versions has them.
newest() {
	apt-cache madison "linux-image-amd64" | awk -v s="$LINUX_SUITE/" \
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

# fetch DIR: the packages and the unpacked source.
fetch() {
	local dir=$1 package
	mkdir -p "$dir/debs" "$dir/root"
	apt-get update
	check_pin
	for package in "${binary_packages[@]}"; do
		(cd "$dir/debs" && apt-get download \
			"$package-$LINUX_RELEASE-amd64=$LINUX_VERSION" 2>/dev/null) ||
			(cd "$dir/debs" && apt-get download "$package-$LINUX_RELEASE=$LINUX_VERSION")
	done
	(cd "$dir/debs" && apt-get download "linux-source-$LINUX_SERIES=$LINUX_VERSION")
	for package in "$dir"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$dir/root"
	done
	tar -xJf "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz" -C "$dir"
	mv "$dir/linux-source-$LINUX_SERIES" "$dir/source"
	rm -r "$dir/debs" "$dir/root/usr/src/linux-source-$LINUX_SERIES.tar.xz"
}

# prepare DIR: Debian's build folder, with Rust.
prepare() {
	local dir=$1 root=$source/root headers modules missing
	headers=$root/usr/src/linux-headers-$LINUX_RELEASE
	modules=$root/usr/lib/modules/$LINUX_RELEASE
	mkdir -p "$dir/build" "$dir/lib/modules"

	cp "$headers/.config" "$headers/Module.symvers" "$dir/build/"
	# `uname -r` and the modules' vermagic are Debian's.
	echo "${LINUX_RELEASE#"$(make -s -C "$source/source" kernelversion)"}" \
		>"$dir/build/localversion"
	make -C "$source/source" O="$dir/build" CC=x86_64-linux-gnu-gcc-14 olddefconfig
	grep -q '^CONFIG_RUST=y' "$dir/build/.config" ||
		die "the toolbox's Rust is not the one that Debian's kernel wants"
	make -C "$source/source" O="$dir/build" CC=x86_64-linux-gnu-gcc-14 \
		-j"$(nproc)" modules_prepare
	[ "$(cat "$dir/build/include/config/kernel.release")" = "$LINUX_RELEASE" ] ||
		die "the prepared source calls itself $(cat "$dir/build/include/config/kernel.release"), not $LINUX_RELEASE"

	# The proof that the rebuilt kernel crate is the one in Debian's kernel.
	missing=$(comm -23 \
		<(nm --defined-only "$dir/build/rust/kernel.o" | awk '$2 ~ /^[TRDB]$/ { print $3 }' |
			grep -v '^__\(pfx\|cfi\|odr_asan\)' | sort -u) \
		<(awk '{ print $2 }' "$headers/Module.symvers" | sort -u))
	[ -z "$missing" ] ||
		die "Rust symbols that Debian's kernel lacks: $(echo "$missing" | wc -l), the first: $(echo "$missing" | head -n 1)"

	# make noted the folder's name of now, before it is renamed into place.
	sed -i "s#$dir#${dir%.partial.*}#" "$dir/build/Makefile"

	# BTF of the modules stems from the kernel's own.
	cp "$headers/vmlinux" "$dir/build/vmlinux"
	cp "$modules/vmlinuz" "$modules/config" "$dir/"
	echo "$LINUX_RELEASE" >"$dir/release"
	cp -a "$modules" "$dir/lib/modules/"
	rm -f "$dir/lib/modules/$LINUX_RELEASE/"{build,source}
	depmod -b "$dir" "$LINUX_RELEASE"
}

pin() {
	local version release
	apt-get update >/dev/null
	version=$(newest)
	[ -n "$version" ] || die "no linux-image-amd64 in $LINUX_SUITE"
	release=$(apt-cache show "linux-image-amd64=$version" |
		sed -n 's/.*linux-image-\([0-9][^ ,]*\) (=.*/\1/p' | head -n 1)
	sed -i "s/^LINUX_VERSION=.*/LINUX_VERSION=$version/; s/^LINUX_RELEASE=.*/LINUX_RELEASE=$release/
		s/^LINUX_SERIES=.*/LINUX_SERIES=${release%%.*}.$(echo "$release" | cut -d. -f2)/" \
		"$TACKLE_TOP/scripts/versions"
	say "pinned: linux $version ($release)"
}

case ${1:-} in
fetch | prepare)
	"$@"
	;;
pin)
	pin
	;;
"")
	step "linux $LINUX_VERSION, binary and source (about 2.3 GB)" "$source" "$0" fetch
	step "Rust metadata of $LINUX_RELEASE (about 0.9 GB)" "$stock" "$0" prepare
	echo "$stock"
	;;
*)
	die "usage: stock.sh [pin]"
	;;
esac
