#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# PID 1 of the guest: makes an ordinary Linux of it, does what it is asked to do, and
# powers off.
#
# What it is asked to do are words: tackle.run=WORD,WORD,... and others. They are on the
# kernel's command line, or, after tackle.run=wait, in a line that comes on ttyS1. A guest
# that waits may be saved there, and started again and again from what was saved.

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
# The line for KTAP and for orders, always open: what comes in while it is closed is lost.
# No echo, no translation of line ends.
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo 2>/dev/null

words=/run/tackle.words
cp /proc/cmdline $words

# value NAME: the value of the word tackle.NAME=.
value() {
	tr ' ' '\n' <$words | sed -n "s/^tackle\.$1=//p"
}

# Marks this place in the kernel's log: what counts comes after it.
mark() {
	marks=$((marks + 1))
	echo "tackle: mark $marks" >/dev/kmsg
}

# Whether the kernel has made new random state since the mark.
is_reseeded() {
	dmesg | sed "1,/tackle: mark $marks\$/d" |
		grep -q 'crng reseeded due to virtual machine fork'
}

# wake SECONDS: what a guest does first when it was started from a saved one. SECONDS is the
# time of day.
wake() {
	date -s "@$1" >/dev/null
	tries=0
	until is_reseeded; do
		tries=$((tries + 1))
		if [ $tries -gt 300 ]; then
			echo "tackle: the kernel has not made new random state" >/dev/kmsg
			poweroff -f
		fi
		sleep 0.1
	done
	mark
	tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
}

run=$(value run)
if [ "$run" = wait ]; then
	marks=0
	mark
	echo 'tackle: ready' >&3
	read -r line <&3
	echo "$line" >$words
	wake "$(value time)"
	run=$(value run)
fi
[ ! -b /dev/vdc ] || mount -t squashfs -o ro /dev/vdc /tackle
TACKLE_ROUNDS=$(value rounds)
export TACKLE_ROUNDS

case $run in
shell)
	PATH=$PATH:/tackle
	# Somebody types here: warnings and worse only.
	dmesg -n 5
	printf '\nModules are in /tackle, not loaded; tackle.ko comes first, then tackle_ftrace.ko. Leave with exit or Ctrl-D.\n\n'
	cd /tackle || exit
	for word in $(value tty | tr ',' ' '); do
		# The size of the terminal outside: a serial line does not tell.
		stty "${word%%=*}" "${word#*=}"
	done
	setsid -c bash -i </dev/ttyS0 >/dev/ttyS0 2>&1 3>&-
	;;
orders)
	# Each line is a shell command. `wake` is one that only this program can do.
	while echo 'tackle: ready' && read -r order; do
		case $order in
		'wake '*) wake "${order#wake }" ;;
		*) sh -c "$order" </dev/null ;;
		esac
		# On a line of its own, whatever the command printed.
		printf '\ntackle: order ended with %d\n' $?
	done <&3 >&3 2>&3
	;;
*)
	# shellcheck disable=SC2046 # words
	/tackle/tackle-guest $(echo "$run" | tr ',' ' ') </dev/null 3>&-
	;;
esac
sync
exec poweroff -f
