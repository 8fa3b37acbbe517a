#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the toolbox, a Debian root file system, and runs commands in it. The
# Makefile compiles and tests in the toolbox; only `make modules` does not use
# it.
#
#	toolbox.sh make			makes it if it does not exist
#	toolbox.sh run COMMAND...	runs a command in it, in this folder
#
# This checkout and the cache have the same paths in the toolbox as outside. The
# toolbox also has /proc, /sys and /dev of this machine, and nothing else of it.

. "$(dirname "$0")/lib.sh"
. "$TACKLE_TOP/scripts/debian.sh"

list=$TACKLE_TOP/scripts/packages/toolbox
toolbox=$TACKLE_CACHE/toolbox-$(key "$list" "$DEBIAN_SUITE" "$TACKLE_TOP/scripts/debian.sh")

bootstrap() {
	install_mmdebstrap
	debian_root "$DEBIAN_SUITE" "$TACKLE_SOURCES" "$(packages "$list")" apt "$1"
	chroot "$1" apt-get clean
}

# enter COMMAND...: mounts the folders of this machine into the toolbox and runs
# a command there. The caller has made a mount namespace, which ends with the
# command.
enter() {
	local dir
	mount --make-rprivate /
	for dir in /proc /sys /dev; do
		mount --rbind "$dir" "$toolbox$dir"
	done
	mount -t tmpfs tmpfs "$toolbox/run"
	for dir in "$TACKLE_TOP" "$TACKLE_CACHE"; do
		mkdir -p "$toolbox$dir"
		mount --rbind "$dir" "$toolbox$dir"
	done
	# Use this machine's name servers, its CA certificates, which can
	# include that of a proxy, and its crate registry.
	cat /etc/resolv.conf >"$toolbox/etc/resolv.conf" 2>/dev/null || true
	if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
		cat /etc/ssl/certs/ca-certificates.crt >"$toolbox/etc/ssl/certs/ca-certificates.crt"
	fi
	mkdir -p "$TACKLE_CACHE/cargo"
	dir=${CARGO_HOME:-$HOME/.cargo}
	for dir in "$dir/config.toml" "$dir/config"; do
		[ ! -f "$dir" ] || cp "$dir" "$TACKLE_CACHE/cargo/config.toml"
	done
	exec chroot "$toolbox" env -i -C "$PWD" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
		CARGO_HOME="$TACKLE_CACHE/cargo" CARGO_TARGET_DIR="$TACKLE_TOP/build/cargo" \
		TACKLE_TOP="$TACKLE_TOP" TACKLE_CACHE="$TACKLE_CACHE" \
		${http_proxy:+http_proxy="$http_proxy"} \
		${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
		${TACKLE_KERNEL_SRC:+TACKLE_KERNEL_SRC="$TACKLE_KERNEL_SRC"} \
		${TACKLE_KERNEL_RUSTC:+TACKLE_KERNEL_RUSTC="$TACKLE_KERNEL_RUSTC"} \
		${TACKLE_KERNEL_CLIPPY:+TACKLE_KERNEL_CLIPPY="$TACKLE_KERNEL_CLIPPY"} \
		${TACKLE_SILENCE:+TACKLE_SILENCE="$TACKLE_SILENCE"} \
		${TACKLE_LIMIT:+TACKLE_LIMIT="$TACKLE_LIMIT"} \
		"$@"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
make)
	[ -d "$toolbox" ] || sources
	step "toolbox (Debian $DEBIAN_SUITE, about 2 GB)" "$toolbox" "$0" bootstrap
	;;
bootstrap)
	bootstrap "$1"
	;;
run)
	[ -d "$toolbox" ] || die "no toolbox yet: make toolbox"
	exec unshare --mount --fork --kill-child "$0" enter "$@"
	;;
enter)
	enter "$@"
	;;
*)
	die "usage: toolbox.sh make | run COMMAND..."
	;;
esac
