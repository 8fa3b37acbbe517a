#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# PID 1 of the guest: makes an ordinary Linux of it, runs what the kernel's command
# line asks for (tackle.run=WORD,WORD,...), and powers off.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM="${TERM:-linux}"
# Where tc finds the plug-ins for our qdiscs.
export TC_LIB_DIR=/tackle

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t debugfs debugfs /sys/kernel/debug
! grep -qw tracefs /proc/filesystems || mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname tackle
ip link set lo up
# The KTAP line: no echo, no translation of line ends.
stty -F /dev/ttyS1 raw -echo 2>/dev/null

words=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^tackle\.run=//p' | tr ',' ' ')
case $words in
shell)
	PATH=$PATH:/tackle
	printf '\nModules are in /tackle, not loaded; tackle.ko comes first. Leave with exit or Ctrl-D.\n\n'
	cd /tackle || exit
	for word in $(tr ' ' '\n' </proc/cmdline | sed -n 's/^tackle\.tty=//p' | tr ',' ' '); do
		# The size of the terminal outside: a serial line does not tell.
		stty "${word%%=*}" "${word#*=}"
	done
	setsid -c bash -i </dev/ttyS0 >/dev/ttyS0 2>&1
	;;
*)
	# shellcheck disable=SC2086 # words
	/tackle/tackle-guest $words </dev/null
	;;
esac
sync
exec poweroff -f
