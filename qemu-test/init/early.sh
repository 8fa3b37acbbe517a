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

disk=/dev/vd
[ -b ${disk}a ] || disk=/dev/ubd
mkdir -p /lower /upper /new
mount -t squashfs -o ro ${disk}a /lower || stop "no root image"
mount -t tmpfs -o size=50% upper /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work root /new ||
	stop "no overlay"
mkdir -p /new/lib/modules /new/tackle
mount -t squashfs -o ro ${disk}b /new/lib/modules || stop "no modules image"
# User Mode Linux has the payload in a folder of the host. The others mount a disk, later on.
payload=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^tackle\.tackle=//p')
[ -z "$payload" ] || mount -t hostfs -o "ro,$payload" none /new/tackle || stop "no payload"
cp /guest-init /new/sbin/tackle-init
cp /bin/busybox /new/sbin/poweroff
umount /proc
mount --move /dev /new/dev
exec switch_root /new /sbin/tackle-init
