#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel of our own, from the pinned source, our patches and config fragments.
#
#	flavour.sh NAME		makes it (in the toolbox) and prints its folder
#
# The folder is as stock.sh makes it. A flavour is a list of fragments and a compiler.

. "$(dirname "$0")/lib.sh"

config=$TACKLE_TOP/scripts/config
patches=$TACKLE_TOP/scripts/patches

# flavour NAME: sets fragments and compiler.
flavour() {
	fragments=(guest modules trace numa net)
	case $1 in
	patched)
		fragments+=(production)
		compiler=(CC=x86_64-linux-gnu-gcc-14)
		;;
	debug)
		# KASAN in Rust code is clang's.
		fragments+=(debug)
		compiler=(LLVM=1)
		;;
	*)
		die "no flavour $1: there are stock, patched, debug"
		;;
	esac
	fragments=("${fragments[@]/#/$config/}")
	fragments=("${fragments[@]/%/.config}")
}

# patched_source SOURCE DIR: the source with our patches, or as it is when there are none.
patched_source() {
	local source=$1 dir=$2 patch
	local series=("$patches"/*.patch)
	if [ ! -e "${series[0]}" ]; then
		ln -s "$source" "$dir"
		return
	fi
	# Hard links: patch replaces the files that it changes.
	cp -al "$source" "$dir"
	for patch in "${series[@]}"; do
		patch -d "$dir" -p1 --force --no-backup-if-mismatch <"$patch" ||
			die "does not apply to linux $LINUX_VERSION: $(basename "$patch")"
	done
}

# configure SOURCE BUILD FRAGMENT...: a config of the fragments and nothing else.
configure() {
	local source=$1 build=$2 lacking
	shift 2
	# The script takes the compiler from the environment, and merges in the source.
	(cd "$source" && env "${compiler[@]}" scripts/kconfig/merge_config.sh -n -O "$build" "$@") \
		>"$build/merge.log" 2>&1 || { cat "$build/merge.log"; die "merge_config.sh failed"; }
	lacking=$(sed -n 's/^WARNING: Value requested for \(CONFIG_[A-Z0-9_]*\) not in final.*/\1/p; s/.*Value requested for \(CONFIG_[A-Z0-9_]*\) not in final.*/\1/p' \
		"$build/merge.log" | sort -u | xargs)
	[ -z "$lacking" ] || die "the config lacks what its fragments ask for: $lacking"
}

# build NAME SOURCE DIR
build() {
	local name=$1 dir=$3 release
	flavour "$name"
	mkdir -p "$dir/build"
	patched_source "$2" "$dir/source"
	configure "$dir/source" "$dir/build" "${fragments[@]}"
	echo "-$name" >"$dir/build/localversion"
	make -C "$dir/source" O="$dir/build" "${compiler[@]}" -j"$(nproc)" bzImage modules
	make -C "$dir/source" O="$dir/build" "${compiler[@]}" INSTALL_MOD_PATH="$dir" \
		INSTALL_MOD_STRIP=1 modules_install
	release=$(cat "$dir/build/include/config/kernel.release")
	rm -f "$dir/lib/modules/$release/"{build,source}
	echo "$release" >"$dir/release"
	cp "$dir/build/arch/x86/boot/bzImage" "$dir/vmlinuz"
	cp "$dir/build/.config" "$dir/config"
	settle "$dir"
	sed -i "s#$dir/source#${dir%.partial.*}/source#" "$dir/build/Makefile"
}

if [ "${1:-}" = build ]; then
	"$@"
	exit
fi
name=${1:?flavour.sh NAME}
flavour "$name"
linux=$("$(dirname "$0")/linux.sh")
mapfile -t series < <(find "$patches" -name '*.patch' | sort)
kernel=$TACKLE_CACHE/$name-$(key "$LINUX_VERSION" "$0" "${fragments[@]}" \
	"$TACKLE_TOP/scripts/packages/toolbox" "${series[@]}")
step "kernel $name (about 1 GB, 15 minutes on two cores)" "$kernel" "$0" build "$name" "$linux/source"
echo "$kernel"
