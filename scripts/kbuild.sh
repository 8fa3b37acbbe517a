#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the modules for a kernel of the cache, those that test and measure included,
# in the toolbox.
#
#	kbuild.sh FOLDER TARGET [VARIABLE=VALUE...]
#
# FOLDER is build/kernels/NAME; the output goes to FOLDER/modules, or with CLIPPY=1
# to FOLDER/clippy, so that the one does not make the other out of date.

. "$(dirname "$0")/lib.sh"

folder=$(realpath "$1")
shift
output=$folder/modules
case " $* " in
*" CLIPPY=1 "*) output=$folder/clippy ;;
esac
mkdir -p "$output"

mapfile -t options < <(kernel_options "$folder")
log=$output.log
start=$SECONDS
release=$(cat "$folder/release" 2>/dev/null || basename "$folder")
# build ARGUMENT...: make, with its output in the log.
build() {
	make -C "$(readlink -f "$folder/build")" "${options[@]}" -j"$(nproc)" \
		M="$TACKLE_TOP" MO="$output" TACKLE_TESTS=1 "$@" >"$log" 2>&1
}
if ! ticking "modules for $release" build "$@"; then
	grep -v '^make\|^  [A-Z]' "$log" >&2 || true
	die "the modules do not build; the whole log: $log"
fi
# The toolbox has the same compilers everywhere, so that a warning is everybody's.
if grep -q 'warning:' "$log"; then
	grep -v '^make\|^  [A-Z]\|^Skipping BTF' "$log" >&2
	# What is up to date is not compiled again, and would then pass in silence.
	find "$output" -name '*.o' -delete
	die "the modules build with warnings"
fi
say "modules for $release: built, $((SECONDS - start)) s"
