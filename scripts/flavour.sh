#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds a kernel of our own from the pinned source, our patches and our config
# fragments.
#
#	flavour.sh NAME		builds it (in the toolbox) and prints its folder
#
# The folder has the same files as that of stock.sh. A flavour consists of
# config fragments, make variables (compiler and architecture), and the name of
# the image that boots.

. "$(dirname "$0")/lib.sh"

config=$TACKLE_TOP/scripts/config
patches=$TACKLE_TOP/scripts/patches

# flavour NAME: sets the variables fragments, options and image.
flavour() {
	fragments=(guest modules trace numa net)
	options=(CC=x86_64-linux-gnu-gcc-14)
	image=arch/x86/boot/bzImage
	case $1 in
	patched)
		fragments+=(production)
		;;
	debug)
		# The kernel allows KASAN with Rust only if clang compiles the C
		# code.
		fragments+=(debug)
		options=(LLVM=1)
		;;
	uml)
		fragments=(uml modules net)
		options+=(ARCH=um)
		image=linux
		;;
	*)
		die "no flavour $1: there are stock, patched, debug, uml"
		;;
	esac
	fragments=("${fragments[@]/#/$config/}")
	fragments=("${fragments[@]/%/.config}")
}

# configure SOURCE BUILD FRAGMENT...: makes a config from the fragments. An
# option that no fragment sets is off if it can be (allnoconfig).
configure() {
	local source=$1 build=$2 lacking
	shift 2
	# merge_config.sh reads make variables from the environment, and must
	# run in the root of the source.
	(cd "$source" && env "${options[@]}" scripts/kconfig/merge_config.sh -n -O "$build" "$@") \
		>"$build/merge.log" 2>&1 || { cat "$build/merge.log"; die "merge_config.sh failed"; }
	lacking=$(sed -n 's/^WARNING: \(Value requested for \)\?\(CONFIG_[A-Z0-9_]*\) \(not in final\|differs\).*/\2/p' \
		"$build/merge.log" | sort -u | xargs)
	[ -z "$lacking" ] || die "the config lacks what its fragments ask for: $lacking"
}

# build NAME SOURCE DIR: builds the flavour NAME from SOURCE in DIR.
build() {
	local name=$1 dir=$3 release
	flavour "$name"
	mkdir -p "$dir/build"
	"$(dirname "$0")/patches.sh" apply "$patches" "$2" "$dir/source"
	configure "$dir/source" "$dir/build" "${fragments[@]}"
	echo "-$name" >"$dir/build/localversion"
	make -C "$dir/source" O="$dir/build" "${options[@]}" -j"$(nproc)" "$(basename "$image")" modules
	make -C "$dir/source" O="$dir/build" "${options[@]}" INSTALL_MOD_PATH="$dir" \
		INSTALL_MOD_STRIP=1 modules_install
	release=$(cat "$dir/build/include/config/kernel.release")
	rm -f "$dir/lib/modules/$release/"{build,source}
	echo "$release" >"$dir/release"
	cp "$dir/build/$image" "$dir/vmlinuz"
	cp "$dir/build/.config" "$dir/config"
	settle "$dir"
	sed -i "s#$dir/source#${dir%.partial.*}/source#" "$dir/build/Makefile"
	ln -sfn ../source "$dir/build/source"
}

if [ "${1:-}" = build ]; then
	"$@"
	exit
fi
name=${1:?flavour.sh NAME}
flavour "$name"
linux=$("$(dirname "$0")/linux.sh")
# The key depends on the diffs of the patches but not on their commit messages.
series=$(find "$patches" -name '*.patch' | sort | xargs -r sed -n '/^diff --git /,/^-- $/p')
kernel=$TACKLE_CACHE/$name-$(key "$LINUX_VERSION" "$0" "${fragments[@]}" \
	"$TACKLE_TOP/scripts/packages/toolbox" "$(dirname "$0")/patches.sh" "$series")
step "kernel $name (about 1 GB, 15 minutes on two cores)" "$kernel" "$0" build "$name" "$linux/source"
echo "$kernel"
