#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the README's commands in fresh Debian root file systems, as a new user
# would. These "machines" have git, make and ca-certificates and nothing else.
# `apt-get update` was never run there. The commands run in a clone of this
# checkout's commit.
#
#	fresh.sh
#
# Environment variables:
#
#	FRESH		the Debian releases (default: bookworm trixie)
#	FRESH_MAKE	the targets of make (default: demo test)
#	FRESH_CACHE	a cache folder that all machines share, so that kernels
#			are not built again; without it each machine starts with
#			an empty cache
#	SUITE, KERNELS, ROUNDS
#			passed on to make
#
# Commands run in a machine by chroot, in new mount and PID namespaces. A
# machine uses the mirror, proxies, certificates and crate registry of the host.
# The logs stay in build/fresh. The script removes each machine after its
# commands.

. "$(dirname "$0")/lib.sh"
. "$TACKLE_TOP/scripts/debian.sh"

fresh=$TACKLE_TOP/build/fresh
# The path of the clone in a machine.
checkout=/root/tackle
failed=0
root=''
pid=''

# cleanup: kills the command that still runs, and removes its machine.
cleanup() {
	trap - EXIT INT TERM
	if [ -n "$pid" ]; then
		kill -KILL -- "-$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		# The kernel ends the other processes and removes the mounts a
		# little later.
		sleep 2
	fi
	[ -z "$root" ] || rm -rf --one-file-system "$root"
}

# follow NAME VERB ARGUMENT...: runs a verb of this script in new namespaces.
# The output goes to the log NAME. Prints whether the verb succeeded, and counts
# failures.
follow() {
	local name=$1 log=$fresh/$1.log start=$SECONDS status=0
	shift
	say "$name: running, log in ${log#"$PWD"/}"
	# The verb has its own session, so Ctrl-C interrupts only this script.
	# cleanup() then kills the whole session.
	setsid unshare --mount --pid --mount-proc --fork --kill-child "$0" "$@" \
		>"$log" 2>&1 </dev/null &
	pid=$!
	wait "$pid" || status=$?
	pid=
	if [ "$status" = 0 ]; then
		say "$name: passed, $((SECONDS - start)) s"
		return
	fi
	say "$name: failed with $status, $((SECONDS - start)) s; the log ends:"
	tail -n 5 "$log" >&2
	failed=$((failed + 1))
	return 1
}

# machine RELEASE DIR: makes a machine in DIR and clones this checkout into it.
machine() {
	local release=$1 dir=$2 rows file
	install_mmdebstrap
	rows=$(sources_list "$release" "$release-updates" "$release-security") || exit 1
	debian_root "$release" "$rows" git,make,ca-certificates minbase "$dir"
	apt_set_up "$dir" "$release" "$rows"
	# Use the name servers, certificates and crate registry of the host.
	cat /etc/resolv.conf >"$dir/etc/resolv.conf" 2>/dev/null || true
	if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
		cat /etc/ssl/certs/ca-certificates.crt >"$dir/etc/ssl/certs/ca-certificates.crt"
	fi
	for file in config.toml config; do
		file=${CARGO_HOME:-$HOME/.cargo}/$file
		[ ! -f "$file" ] || install -D -m 644 "$file" "$dir/root/.cargo/config.toml"
	done
	# git clones a bundle like a repository on a server: the clone has only
	# what is committed.
	git -C "$TACKLE_TOP" -c safe.directory='*' bundle create -q "$dir/root/tackle.bundle" HEAD
	chroot "$dir" git clone -q /root/tackle.bundle "$checkout"
}

# apt_set_up DIR RELEASE ROWS: configures apt as on Debian's own systems, and
# removes the package lists. bookworm has a sources.list, as the installer
# writes it. Newer releases have a deb822 file and lists of mirrors, as in cloud
# images.
apt_set_up() {
	local dir=$1 release=$2 rows=$3 uri suite list
	rm -rf "$dir"/var/lib/apt/lists/* "$dir"/var/cache/apt/*.bin
	rm -f "$dir"/etc/apt/sources.list.d/*
	if [ "$release" = bookworm ]; then
		echo "$rows" >"$dir/etc/apt/sources.list"
		return
	fi
	rm -f "$dir/etc/apt/sources.list"
	mkdir -p "$dir/etc/apt/mirrors"
	awk '{ print $(NF - 2), $(NF - 1) }' <<<"$rows" | while read -r uri suite; do
		list=/etc/apt/mirrors/$suite.list
		echo "$uri" >"$dir$list"
		printf '%s\n' 'Types: deb' "URIs: mirror+file://$list" "Suites: $suite" \
			'Components: main' \
			'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' ''
	done >"$dir/etc/apt/sources.list.d/debian.sources"
}

# inside DIR COMMAND...: runs a command in a machine.
inside() {
	local dir=$1 name variables=()
	shift
	# toolbox.sh makes '/' private, so '/' has to be a mount point.
	mount --bind "$dir" "$dir"
	mount -t proc proc "$dir/proc"
	for name in /sys /dev; do
		mount --rbind "$name" "$dir$name"
	done
	mount -t tmpfs tmpfs "$dir/run"
	if [ -n "${FRESH_CACHE:-}" ]; then
		mkdir -p "$dir$FRESH_CACHE"
		mount --bind "$FRESH_CACHE" "$dir$FRESH_CACHE"
		variables+=("TACKLE_CACHE=$FRESH_CACHE")
	fi
	for name in http_proxy https_proxy no_proxy CI; do
		[ -z "${!name:-}" ] || variables+=("$name=${!name}")
	done
	exec chroot "$dir" env -i -C "$checkout" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LANG=C.UTF-8 TERM=dumb "${variables[@]}" "$@"
}

case ${1:-} in
machine | inside)
	"$@"
	exit
	;;
"") ;;
*)
	die "usage: fresh.sh"
	;;
esac

"$(dirname "$0")/host.sh"
if [ -n "${FRESH_CACHE:-}" ]; then
	mkdir -p "$FRESH_CACHE"
	# Build folders of kernels contain the path of the cache, so the cache
	# has the same path in a machine.
	FRESH_CACHE=$(realpath "$FRESH_CACHE")
	export FRESH_CACHE
fi
[ -z "$(git -C "$TACKLE_TOP" -c safe.directory='*' status --porcelain)" ] ||
	say "what is not committed is not in the fresh machines"
variables=()
for name in SUITE KERNELS ROUNDS; do
	[ -z "${!name:-}" ] || variables+=("$name=${!name}")
done
mkdir -p "$fresh"
trap cleanup EXIT
trap 'say "interrupted; removing the machine"; exit 130' INT TERM

for release in ${FRESH:-bookworm trixie}; do
	root=$(mktemp -d "$fresh/$release.XXXXXX")
	chmod 755 "$root"
	if follow "$release-machine" machine "$release" "$root"; then
		for target in ${FRESH_MAKE:-demo test}; do
			follow "$release-$target" inside "$root" \
				make "$target" "${variables[@]}" || true
		done
	fi
	rm -rf --one-file-system "$root"
	root=
done
[ "$failed" = 0 ] || die "steps in fresh machines that failed: $failed"
