#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the images that guests boot from: root, modules and initramfs.
#
#	guest.sh root			makes the root image
#	guest.sh boot KERNEL FOLDER	makes the other images for a kernel, and
#					puts links to all three into FOLDER
#
# `root` runs outside the toolbox, and `boot` runs in it. KERNEL is a folder
# that stock.sh or flavour.sh has made.

. "$(dirname "$0")/lib.sh"
. "$TACKLE_TOP/scripts/debian.sh"

list=$TACKLE_TOP/scripts/packages/guest
root=$TACKLE_CACHE/guest-$(key "$list" "$DEBIAN_SUITE" "$0" "$TACKLE_TOP/scripts/debian.sh").img
init=$TACKLE_TOP/qemu-test/init

# The modules that the guest needs to mount its root. Each can also be built
# into the kernel.
early_modules="virtio_pci virtio_blk squashfs overlay"

make_root() {
	local image=$1 dir=$1.root
	# The guest has no network, so it does not need the package lists.
	debian_root "$DEBIAN_SUITE" "$TACKLE_SOURCES" "$(packages "$list")" apt "$dir"
	chroot "$dir" apt-get clean
	rm -rf "$dir"/var/lib/apt/lists/*
	"$TACKLE_TOP/scripts/toolbox.sh" run mksquashfs "$dir" "$image" -comp lz4 -no-progress -quiet
	rm -r "$dir"
}

make_modules_image() {
	# The data is not compressed: the guest's emulated CPU is slow, and
	# Debian's modules are compressed files. But squashfs needs the
	# compressor that the superblock names, and all our kernels have lz4.
	mksquashfs "$1/lib/modules" "$2" -comp lz4 -noI -noD -noF -noX -no-progress -quiet
}

make_initramfs() {
	local kernel=$1 image=$2 release dir module file early=$early_modules
	# User Mode Linux has no virtio disks. Its disks are ubd, which is built
	# in, and it reads a folder of the host by hostfs.
	! grep -q '^CONFIG_UML=y' "$kernel/config" || early="squashfs overlay hostfs"
	release=$(cat "$kernel/release")
	dir=$(mktemp -d)
	mkdir -p "$dir/bin" "$dir/modules" "$dir/dev" "$dir/proc"
	cp /bin/busybox "$dir/bin/busybox"
	cp "$init/early.sh" "$dir/init"
	cp "$init/guest.sh" "$dir/guest-init"
	chmod 755 "$dir/init" "$dir/guest-init"
	: >"$dir/modules/order"
	for module in $early; do
		modprobe -d "$kernel" -S "$release" --show-depends "$module" |
			awk '$1 == "insmod" { print $2 }' | while read -r file; do
			module=$(basename "${file%.xz}")
			[ ! -e "$dir/modules/$module" ] || continue
			case $file in
			*.xz) xz -dc "$file" >"$dir/modules/$module" ;;
			*) cp "$file" "$dir/modules/$module" ;;
			esac
			echo "$module" >>"$dir/modules/order"
		done
	done
	(cd "$dir" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$image"
	rm -r "$dir"
}

case ${1:-} in
make_root | make_modules_image | make_initramfs)
	"$@"
	;;
root)
	[ -e "$root" ] || sources
	step "guest root image (Debian $DEBIAN_SUITE, about 0.3 GB)" "$root" "$0" make_root
	;;
boot)
	kernel=$2 folder=$3
	release=$(cat "$kernel/release")
	modules=$kernel.modules-$(key "$0").img
	initramfs=$kernel.initramfs-$(key "$0" "$init/early.sh" "$init/guest.sh").img
	step "modules image of $release" "$modules" "$0" make_modules_image "$kernel"
	step "initramfs of $release" "$initramfs" "$0" make_initramfs "$kernel"
	ln -sfn "$modules" "$folder/modules.img"
	ln -sfn "$initramfs" "$folder/initramfs.img"
	ln -sfn "$root" "$folder/root.img"
	;;
*)
	die "usage: guest.sh root | boot KERNEL FOLDER"
	;;
esac
