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

mkdir -p /lower /upper /new
mount -t squashfs -o ro /dev/vda /lower || stop "no root image"
mount -t tmpfs -o size=50% upper /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work root /new ||
	stop "no overlay"
mkdir -p /new/lib/modules /new/tackle /new/results
mount -t squashfs -o ro /dev/vdb /new/lib/modules || stop "no modules image"
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose tackle /new/tackle ||
	stop "no payload"
mount -t 9p -o trans=virtio,version=9p2000.L results /new/results || stop "no results folder"
cp /guest-init /new/sbin/tackle-init
umount /proc
mount --move /dev /new/dev
exec switch_root /new /sbin/tackle-init
