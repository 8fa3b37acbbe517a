#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes a folder with one of Debian's kernels and a build folder for Rust
# modules. Debian's headers package lacks the Rust metadata, so it is built from
# linux-source of the same version.
#
#	stock.sh stock|rt	makes it (in the toolbox) and prints its path
#
# `stock` is the pinned kernel. `rt` is the PREEMPT_RT kernel of the same
# version. The folder contains vmlinuz, config, release, lib/modules/RELEASE
# (all modules of the kernel), source, and build, which is the value of KDIR.

. "$(dirname "$0")/lib.sh"

# prepare RELEASE SOURCE ROOT DIR: makes the folder DIR. ROOT has the unpacked
# packages.
prepare() {
	local release=$1 source=$2 root=$3 dir=$4 headers modules missing
	headers=$root/usr/src/linux-headers-$release
	modules=$root/usr/lib/modules/$release
	mkdir -p "$dir/build" "$dir/lib/modules"

	cp "$headers/.config" "$headers/Module.symvers" "$dir/build/"
	# With this suffix the release and the vermagic are those of Debian's
	# kernel.
	echo "${release#"$(make -s -C "$source" kernelversion)"}" >"$dir/build/localversion"
	make -C "$source" O="$dir/build" CC=x86_64-linux-gnu-gcc-14 olddefconfig
	grep -q '^CONFIG_RUST=y' "$dir/build/.config" ||
		die "the toolbox's Rust is not the one that Debian's kernel wants"
	make -C "$source" O="$dir/build" CC=x86_64-linux-gnu-gcc-14 -j"$(nproc)" modules_prepare
	[ "$(cat "$dir/build/include/config/kernel.release")" = "$release" ] ||
		die "the prepared source calls itself $(cat "$dir/build/include/config/kernel.release"), not $release"

	# Debian's kernel must export all symbols of the rebuilt kernel crate.
	# Otherwise the two crates differ.
	missing=$(comm -23 \
		<(nm --defined-only "$dir/build/rust/kernel.o" | awk '$2 ~ /^[TRDB]$/ { print $3 }' |
			grep -v '^__\(pfx\|cfi\|odr_asan\)' | sort -u) \
		<(awk '{ print $2 }' "$headers/Module.symvers" | sort -u))
	[ -z "$missing" ] ||
		die "Rust symbols that Debian's kernel lacks: $(echo "$missing" | wc -l), the first: $(echo "$missing" | head -n 1)"

	# Kbuild reads the kernel's BTF from vmlinux to generate that of
	# modules.
	cp "$headers/vmlinux" "$dir/build/vmlinux"
	cp "$modules/vmlinuz" "$modules/config" "$dir/"
	echo "$release" >"$dir/release"
	cp -a "$modules" "$dir/lib/modules/"
	rm -f "$dir/lib/modules/$release/"{build,source}
	ln -s "$source" "$dir/source"
	depmod -b "$dir" "$release"
	settle "$dir"
}

if [ "${1:-}" = prepare ]; then
	"$@"
	exit
fi
name=${1:?stock.sh stock|rt}
linux=$("$(dirname "$0")/linux.sh")
root=$linux/root release=$LINUX_RELEASE
if [ "$name" = rt ]; then
	release=$("$(dirname "$0")/linux.sh" rt-release)
	root=$("$(dirname "$0")/linux.sh" rt)/root
fi
kernel=$TACKLE_CACHE/$name-$(key "$LINUX_VERSION" "$release" "$0" "$TACKLE_TOP/scripts/packages/toolbox")
step "Rust metadata of $release (about 0.4 GB)" "$kernel" "$0" prepare "$release" \
	"$linux/source" "$root"
echo "$kernel"
