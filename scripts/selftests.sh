#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the modules of the kernel's own tests that ours go with: live patches in C, and
# what they patch. In the toolbox.
#
#	selftests.sh FOLDER OUTPUT
#
# FOLDER is build/kernels/NAME; OUTPUT gets links to the sources, and the modules.

. "$(dirname "$0")/lib.sh"

folder=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")
grep -q '^CONFIG_LIVEPATCH=y' "$folder/config" || exit 0

source=tools/testing/selftests/livepatch/test_modules
kernel_modules "$folder" "$output" \
	$source/test_klp_{atomic_replace,callbacks_busy,callbacks_mod,kprobe,livepatch,mod_target}.c
