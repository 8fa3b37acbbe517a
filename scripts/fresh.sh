#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the README's commands as a newcomer would: in fresh Debian machines with git, make
# and ca-certificates and nothing else, where apt-get update was never run, in a clone of
# this checkout's commit.
#
#	fresh.sh
#
# The environment says what to do:
#
#	FRESH		the Debian releases (bookworm trixie)
#	FRESH_MAKE	the commands (demo test)
#	FRESH_CACHE	a cache folder for all of them, so that kernels need not be built again;
#			without it each machine has its own, empty one
#	SUITE, KERNELS, ROUNDS
#			are passed on to make
#
# A machine is a root file system, entered as a chroot in mount and process namespaces of
# its own. Its mirror, proxies, certificates and crate registry are those of this machine.
# The logs stay in build/fresh; the machines are removed.

. "$(dirname "$0")/lib.sh"
. "$TACKLE_TOP/scripts/debian.sh"

fresh=$TACKLE_TOP/build/fresh
# In a machine.
checkout=/root/tackle
failed=0
root=''
pid=''

# cleanup: ends what still runs, and removes its machine.
cleanup() {
	trap - EXIT INT TERM
	if [ -n "$pid" ]; then
		kill -KILL -- "-$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		# The kernel ends the processes and mounts of the namespaces a little later.
		sleep 2
	fi
	[ -z "$root" ] || rm -rf --one-file-system "$root"
}

# follow NAME VERB ARGUMENT...: runs a verb of this script in namespaces of its own, with its
# output in the log NAME, and prints how it ended. A failure is counted.
follow() {
	local name=$1 log=$fresh/$1.log start=$SECONDS status=0
	shift
	say "$name: running, log in ${log#"$PWD"/}"
	# A session of its own: an interrupt reaches this script alone, which then ends it.
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

# machine RELEASE DIR: makes a machine and clones this checkout into it.
machine() {
	local release=$1 dir=$2 rows file
	install_mmdebstrap
	rows=$(sources_list "$release" "$release-updates" "$release-security") || exit 1
	debian_root "$release" "$rows" git,make,ca-certificates minbase "$dir"
	apt_set_up "$dir" "$release" "$rows"
	# What a machine inherits of its place.
	cat /etc/resolv.conf >"$dir/etc/resolv.conf" 2>/dev/null || true
	if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
		cat /etc/ssl/certs/ca-certificates.crt >"$dir/etc/ssl/certs/ca-certificates.crt"
	fi
	for file in config.toml config; do
		file=${CARGO_HOME:-$HOME/.cargo}/$file
		[ ! -f "$file" ] || install -D -m 644 "$file" "$dir/root/.cargo/config.toml"
	done
	# A bundle is the same to git as a server's repository is.
	git -C "$TACKLE_TOP" -c safe.directory='*' bundle create -q "$dir/root/tackle.bundle" HEAD
	chroot "$dir" git clone -q /root/tackle.bundle "$checkout"
}

# apt_set_up DIR RELEASE ROWS: writes apt's set-up as Debian's own images have it, and
# removes the lists. The installer writes sources.list. Cloud images of newer releases have
# deb822 files, and their mirrors in lists.
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
	# The toolbox in it makes '/' private, so that has to be a mount point.
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
	# Build folders of kernels hold the name of the cache, so it is the same in a machine.
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
