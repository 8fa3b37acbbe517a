#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# /init of the guest's initramfs: from here to the root image.
#
# The root is an overlay: the read-only image below, memory above. What a test does
# to it is gone when the guest ends.

export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc

stop() {
	echo "tackle: early: $*"
	poweroff -f
}

while read -r module; do
	insmod "/modules/$module" || stop "cannot load $module"
done </modules/order

case " $(cat /proc/cmdline) " in
*" tackle.run=probe "*)
	echo "tackle: probe ok"
	poweroff -f
	;;
esac

# share NAME FOLDER MODE CACHE: mounts a folder of the host, as QEMU or UML offers it.
# UML is the host, and has no use for a cache.
share() {
	path=$(tr ' ' '\n' </proc/cmdline | sed -n "s/^tackle\.$1=//p")
	if [ -n "$path" ]; then
		mount -t hostfs -o "$3,$path" none "$2"
	else
		mount -t 9p -o "$3,cache=$4,trans=virtio,version=9p2000.L" "$1" "$2"
	fi || stop "no folder $1"
}

disk=/dev/vd
[ -b ${disk}a ] || disk=/dev/ubd
mkdir -p /lower /upper /new
mount -t squashfs -o ro ${disk}a /lower || stop "no root image"
mount -t tmpfs -o size=50% upper /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work root /new ||
	stop "no overlay"
mkdir -p /new/lib/modules /new/tackle /new/results
mount -t squashfs -o ro ${disk}b /new/lib/modules || stop "no modules image"
share tackle /new/tackle ro loose
share results /new/results rw none
cp /guest-init /new/sbin/tackle-init
cp /bin/busybox /new/sbin/poweroff
umount /proc
mount --move /dev /new/dev
exec switch_root /new /sbin/tackle-init
