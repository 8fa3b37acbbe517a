# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts share: where things are, how they talk, and how an artefact is
# made so that it is there whole or not at all.

set -euo pipefail

TACKLE_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TACKLE_CACHE=${TACKLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tackle}
export TACKLE_TOP TACKLE_CACHE
# shellcheck source=scripts/versions
. "$TACKLE_TOP/scripts/versions"

# say WORD...: prints a line for the user.
say() {
	printf 'tackle: %s\n' "$*" >&2
}

die() {
	say "error: $*"
	exit 1
}

# key FILE|WORD...: twelve hex digits that change when a file's content or a word does.
key() {
	local arg
	for arg in "$@"; do
		if [ -f "$arg" ]; then cat "$arg"; else printf '%s\n' "$arg"; fi
	done | sha256sum | cut -c1-12
}

# The pinned kernel may have left the archive. `linux.sh resolve` stores the version that
# replaces it in this file. It is read here, so that all keys are computed from it.
TACKLE_INSTEAD=$TACKLE_CACHE/linux-$(key "$LINUX_VERSION" "$LINUX_RELEASE").instead
if [ -f "$TACKLE_INSTEAD" ] && [ ! -d "${TACKLE_INSTEAD%.instead}" ]; then
	# shellcheck source=/dev/null
	. "$TACKLE_INSTEAD"
fi

# packages FILE: the names in a package list, separated by commas.
packages() {
	sed 's/#.*//' "$1" | xargs | tr ' ' ','
}

# size PATH...: how large they are on the disk, for people.
size() {
	du -shc "$@" 2>/dev/null | tail -n 1 | cut -f1
}

# step WHAT PATH COMMAND...: makes PATH.
#
# COMMAND gets the name of a place beside PATH as its last argument, and makes it
# there; it is renamed into place when it is whole. What is left of an attempt that
# failed or was interrupted is removed. Meanwhile WHAT is shown with its size and
# the time that has passed.
step() {
	local what=$1 path=$2 partial log start pid now
	shift 2
	if [ -e "$path" ]; then
		say "$what: up to date"
		return
	fi
	mkdir -p "$(dirname "$path")"
	# Leftovers of runs that crashed. A younger folder may be in use.
	find "$(dirname "$path")" -maxdepth 1 -name "$(basename "$path").partial.*" -mmin +180 \
		-exec rm -rf {} +
	partial=$path.partial.$$
	log=$path.log
	start=$SECONDS
	# A session of its own: an interrupt must reach all that the command has started.
	STEP=$what setsid bash -c '"$@"' step "$@" "$partial" >"$log" 2>&1 </dev/null &
	pid=$!
	trap 'kill -TERM -- -'"$pid"' 2>/dev/null || true; wait '"$pid"' 2>/dev/null || true
		rm -rf "'"$partial"'"*; say "interrupted: '"$what"'"; exit 130' INT TERM
	while kill -0 "$pid" 2>/dev/null; do
		sleep 1
		now=$((SECONDS - start))
		if [ -t 2 ]; then
			printf '\r\033[Ktackle: %s: %s, %d:%02d' "$what" \
				"$(size "$partial"*)" $((now / 60)) $((now % 60)) >&2
		elif [ $((now % 20)) -eq 0 ]; then
			say "$what: $(size "$partial"*), $now s"
		fi
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	if ! wait "$pid"; then
		trap - INT TERM
		rm -rf "$partial"*
		tail -n 20 "$log" >&2
		die "$what failed; the whole log: $log"
	fi
	trap - INT TERM
	mv -T "$partial" "$path"
	say "$what: made, $(size "$path"), $((SECONDS - start)) s"
}

# ticking WHAT COMMAND...: runs a command that prints nothing while it works. WHAT and the time
# that has passed are shown every 20 s.
ticking() {
	local what=$1 start=$SECONDS ticker pipe status=0
	shift
	(
		# Waits without a process that would outlive this one.
		exec {pipe}<> <(:)
		while read -r -t 20 -u "$pipe" || kill -0 $$ 2>/dev/null; do
			say "$what: $((SECONDS - start)) s"
		done
	) &
	ticker=$!
	"$@" || status=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	return $status
}

# cargo_shown WHAT ARGUMENT...: cargo. On a terminal it shows its progress itself.
cargo_shown() {
	local what=$1
	shift
	if [ -t 2 ]; then
		cargo "$@"
	else
		ticking "$what" cargo --quiet "$@"
	fi
}

# settle DIR: tells a kernel's build folder the name that `step` will give it.
settle() {
	sed -i "s#$1#${1%.partial.*}#" "$1/build/Makefile"
}

# kernel_options FOLDER: the make variables that have a kernel's modules built with what
# the kernel itself was built with. FOLDER is build/kernels/NAME.
kernel_options() {
	local config=$1/build/.config
	if grep -q '^CONFIG_CC_IS_GCC=y' "$config"; then
		echo CC=x86_64-linux-gnu-gcc-14
	else
		echo LLVM=1
	fi
	! grep -q '^CONFIG_UML=y' "$config" || echo ARCH=um
}

# kernel_modules FOLDER OUTPUT PATH...: builds modules from the unpacked kernel source, each
# of the C file PATH there. OUTPUT gets links to the sources, and the modules.
kernel_modules() {
	local folder=$1 output=$2 path options log=$2.log
	shift 2
	: >"$output/Kbuild.new"
	for path in "$@"; do
		ln -sfn "$(readlink -f "$folder/source")/$path" "$output/$(basename "$path")"
		echo "obj-m += $(basename "$path" .c).o" >>"$output/Kbuild.new"
	done
	# What has not changed is not built again.
	cmp -s "$output/Kbuild.new" "$output/Kbuild" || cp "$output/Kbuild.new" "$output/Kbuild"
	mapfile -t options < <(kernel_options "$folder")
	make -C "$(readlink -f "$folder/build")" "${options[@]}" M="$output" modules >"$log" 2>&1 ||
		die "the kernel's own modules do not build; the whole log: $log"
}
