#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks whether the kernel build folder KDIR can build Rust modules. If not,
# prints what is missing and fails.

. "$(dirname "$0")/lib.sh"

kdir=$1
[ -f "$kdir/Makefile" ] ||
	die "no kernel build folder $kdir: install the headers (apt-get install linux-headers-amd64) or name one with KDIR="
config=$kdir/.config
[ -f "$config" ] || config=$kdir/include/config/auto.conf
grep -q '^CONFIG_RUST=y' "$config" || die "the kernel of $kdir has no CONFIG_RUST"
objects=$kdir
if [ ! -f "$objects/rust/libkernel.rmeta" ]; then
	die "the headers in $kdir carry no Rust metadata (Debian leaves it out): 'make kernel' makes it for $LINUX_RELEASE, then KDIR=build/kernels/stock/build"
fi
