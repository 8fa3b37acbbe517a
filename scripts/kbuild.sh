#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds our modules for a kernel in the cache, including the modules of tests
# and benchmarks. Runs in the toolbox.
#
#	kbuild.sh FOLDER TARGET [VARIABLE=VALUE...]
#
# FOLDER is build/kernels/NAME. The output goes to FOLDER/modules, or to
# FOLDER/clippy with CLIPPY=1. In one folder, each of the two would make the
# output of the other out of date.

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
# build ARGUMENT...: runs make with its output in the log.
build() {
	make -C "$(readlink -f "$folder/build")" "${options[@]}" -j"$(nproc)" \
		M="$TACKLE_TOP" MO="$output" TACKLE_TESTS=1 "$@" >"$log" 2>&1
}
if ! ticking "modules for $release" build "$@"; then
	grep -v '^make\|^  [A-Z]' "$log" >&2 || true
	die "the modules do not build; the whole log: $log"
fi
# Every user has the same compilers in the toolbox, and so gets the same
# warnings. Therefore a warning is an error.
if grep -q 'warning:' "$log"; then
	grep -v '^make\|^  [A-Z]\|^Skipping BTF' "$log" >&2
	# Without this, the next run would compile nothing and would not see the
	# warnings.
	find "$output" -name '*.o' -delete
	die "the modules build with warnings"
fi
say "modules for $release: built, $((SECONDS - start)) s"
