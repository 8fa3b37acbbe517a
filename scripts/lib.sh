# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The functions and variables that all scripts share: paths, messages, cache
# keys, and step(), which makes a file or folder either completely or not at
# all.

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

# key FILE|WORD...: prints a hash of the content of files and of words, as
# twelve hex digits.
key() {
	local arg
	for arg in "$@"; do
		if [ -f "$arg" ]; then cat "$arg"; else printf '%s\n' "$arg"; fi
	done | sha256sum | cut -c1-12
}

# Debian's archive may have removed the pinned kernel. Then `linux.sh resolve`
# writes the version that replaces the pinned one to this file. The file is read
# here, so that all keys are computed from that version.
TACKLE_INSTEAD=$TACKLE_CACHE/linux-$(key "$LINUX_VERSION" "$LINUX_RELEASE").instead
if [ -f "$TACKLE_INSTEAD" ] && [ ! -d "${TACKLE_INSTEAD%.instead}" ]; then
	# shellcheck source=/dev/null
	. "$TACKLE_INSTEAD"
fi

# packages FILE: prints the names in a package list, separated by commas.
packages() {
	sed 's/#.*//' "$1" | xargs | tr ' ' ','
}

# size PATH...: prints how much disk space the paths use together, for example
# 2G.
size() {
	du -shc "$@" 2>/dev/null | tail -n 1 | cut -f1
}

# step WHAT PATH COMMAND...: makes PATH if it does not exist.
#
# COMMAND gets a temporary path next to PATH as its last argument, and writes
# its result there. When COMMAND has succeeded, the result is renamed to PATH.
# If COMMAND fails or is interrupted, the result is removed. While COMMAND runs,
# step prints WHAT, the size of the result and the time that has passed.
step() {
	local what=$1 path=$2 partial log start pid now
	shift 2
	if [ -e "$path" ]; then
		say "$what: up to date"
		return
	fi
	mkdir -p "$(dirname "$path")"
	# Remove results of runs that crashed. A run may still use a newer one.
	find "$(dirname "$path")" -maxdepth 1 -name "$(basename "$path").partial.*" -mmin +180 \
		-exec rm -rf {} +
	partial=$path.partial.$$
	log=$path.log
	start=$SECONDS
	# COMMAND has its own session, so that one signal ends all its
	# processes.
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

# ticking WHAT COMMAND...: runs a command that prints nothing while it works.
# Prints WHAT and the time that has passed every 20 s.
ticking() {
	local what=$1 start=$SECONDS ticker pipe status=0
	shift
	(
		# `read` waits for 20 s, because nothing is written to the pipe.
		# A `sleep` would be one more process, which could run on when
		# this one is killed.
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

# cargo_shown WHAT ARGUMENT...: runs cargo and shows its progress. On a terminal
# cargo itself does this.
cargo_shown() {
	local what=$1
	shift
	if [ -t 2 ]; then
		cargo "$@"
	else
		ticking "$what" cargo --quiet "$@"
	fi
}

# settle DIR: replaces the temporary path in the build folder of a kernel by the
# path that step() will give it.
settle() {
	sed -i "s#$1#${1%.partial.*}#" "$1/build/Makefile"
}

# kernel_options FOLDER: prints the make variables that select the compiler and
# the architecture of a kernel, to build modules for it. FOLDER is
# build/kernels/NAME.
kernel_options() {
	local config=$1/build/.config
	if grep -q '^CONFIG_CC_IS_GCC=y' "$config"; then
		echo CC=x86_64-linux-gnu-gcc-14
	else
		echo LLVM=1
	fi
	! grep -q '^CONFIG_UML=y' "$config" || echo ARCH=um
}

# kernel_modules FOLDER OUTPUT PATH...: builds modules from the unpacked kernel
# source. Each PATH is the C file of one module, relative to that source. OUTPUT
# gets the modules and links to their sources.
kernel_modules() {
	local folder=$1 output=$2 path options log=$2.log
	shift 2
	: >"$output/Kbuild.new"
	for path in "$@"; do
		ln -sfn "$(readlink -f "$folder/source")/$path" "$output/$(basename "$path")"
		echo "obj-m += $(basename "$path" .c).o" >>"$output/Kbuild.new"
	done
	# An unchanged Kbuild keeps its time, so that make builds nothing again.
	cmp -s "$output/Kbuild.new" "$output/Kbuild" || cp "$output/Kbuild.new" "$output/Kbuild"
	mapfile -t options < <(kernel_options "$folder")
	make -C "$(readlink -f "$folder/build")" "${options[@]}" M="$output" modules >"$log" 2>&1 ||
		die "the kernel's own modules do not build; the whole log: $log"
}
