#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel selftests that our tests use: live patch modules in C and
# the modules that they patch, and the NUMA balancing test that our patches add.
# Runs in the toolbox.
#
#	selftests.sh FOLDER OUTPUT
#
# FOLDER is build/kernels/NAME. OUTPUT gets the modules, links to their sources,
# and the program selftest-numa_balancing.

. "$(dirname "$0")/lib.sh"

folder=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")

selftests=$folder/source/tools/testing/selftests
program=$output/selftest-numa_balancing
rm -f "$program"
if [ -f "$selftests/sched/numa_balancing.c" ]; then
	x86_64-linux-gnu-gcc-14 -O2 -Wall -Werror -static -I "$selftests" -o "$program" \
		"$selftests/sched/numa_balancing.c"
fi

grep -q '^CONFIG_LIVEPATCH=y' "$folder/config" || exit 0
source=tools/testing/selftests/livepatch/test_modules
kernel_modules "$folder" "$output" \
	$source/test_klp_{atomic_replace,callbacks_busy,callbacks_mod,kprobe,livepatch,mod_target}.c
