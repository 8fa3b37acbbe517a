#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks whether this machine can make the toolbox, before anything is changed.

. "$(dirname "$0")/lib.sh"

need_gib=14

[ "$(id -u)" = 0 ] || die "not root: the toolbox is a chroot; run as root (sudo make ...)"
if ! command -v apt-get >/dev/null || [ ! -f /etc/debian_version ]; then
	die "not a Debian-like machine: no apt-get to take Debian packages from"
fi
[ "$(dpkg --print-architecture)" = amd64 ] || die "not an amd64 machine: the guest is x86-64"

unshare --mount true 2>/dev/null ||
	die "this machine does not let root mount: a container has to be privileged (docker run --privileged)"

mkdir -p "$TACKLE_CACHE"
if [ ! -e "$TACKLE_CACHE/.roomy" ]; then
	free=$(df --output=avail -BG "$TACKLE_CACHE" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$need_gib" ] ||
		die "disk full: $TACKLE_CACHE has $free GiB free, $need_gib are needed (TACKLE_CACHE names another place)"
	touch "$TACKLE_CACHE/.roomy"
fi
