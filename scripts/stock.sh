#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The stock kernel: Debian's binary, with the Rust metadata that its headers
# package leaves out made from linux-source of the same version.
#
# Makes it (in the toolbox) and prints its folder, which holds: vmlinuz, config,
# release, lib/modules/RELEASE (all modules), source, and build (what KDIR names).

. "$(dirname "$0")/lib.sh"

# prepare LINUX DIR: Debian's build folder, with Rust.
prepare() {
	local source=$1/source root=$1/root dir=$2 headers modules missing
	headers=$root/usr/src/linux-headers-$LINUX_RELEASE
	modules=$root/usr/lib/modules/$LINUX_RELEASE
	mkdir -p "$dir/build" "$dir/lib/modules"

	cp "$headers/.config" "$headers/Module.symvers" "$dir/build/"
	# `uname -r` and the modules' vermagic are Debian's.
	echo "${LINUX_RELEASE#"$(make -s -C "$source" kernelversion)"}" >"$dir/build/localversion"
	make -C "$source" O="$dir/build" CC=x86_64-linux-gnu-gcc-14 olddefconfig
	grep -q '^CONFIG_RUST=y' "$dir/build/.config" ||
		die "the toolbox's Rust is not the one that Debian's kernel wants"
	make -C "$source" O="$dir/build" CC=x86_64-linux-gnu-gcc-14 -j"$(nproc)" modules_prepare
	[ "$(cat "$dir/build/include/config/kernel.release")" = "$LINUX_RELEASE" ] ||
		die "the prepared source calls itself $(cat "$dir/build/include/config/kernel.release"), not $LINUX_RELEASE"

	# The proof that the rebuilt kernel crate is the one in Debian's kernel.
	missing=$(comm -23 \
		<(nm --defined-only "$dir/build/rust/kernel.o" | awk '$2 ~ /^[TRDB]$/ { print $3 }' |
			grep -v '^__\(pfx\|cfi\|odr_asan\)' | sort -u) \
		<(awk '{ print $2 }' "$headers/Module.symvers" | sort -u))
	[ -z "$missing" ] ||
		die "Rust symbols that Debian's kernel lacks: $(echo "$missing" | wc -l), the first: $(echo "$missing" | head -n 1)"

	# BTF of the modules stems from the kernel's own.
	cp "$headers/vmlinux" "$dir/build/vmlinux"
	cp "$modules/vmlinuz" "$modules/config" "$dir/"
	echo "$LINUX_RELEASE" >"$dir/release"
	cp -a "$modules" "$dir/lib/modules/"
	rm -f "$dir/lib/modules/$LINUX_RELEASE/"{build,source}
	ln -s "$source" "$dir/source"
	depmod -b "$dir" "$LINUX_RELEASE"
	settle "$dir"
}

if [ "${1:-}" = prepare ]; then
	"$@"
	exit
fi
linux=$("$(dirname "$0")/linux.sh")
stock=$TACKLE_CACHE/stock-$(key "$LINUX_VERSION" "$LINUX_RELEASE" "$0" "$TACKLE_TOP/scripts/packages/toolbox")
step "Rust metadata of $LINUX_RELEASE (about 0.4 GB)" "$stock" "$0" prepare "$linux"
echo "$stock"
