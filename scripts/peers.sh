#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the benchmarks compare with: modules of the kernel's own samples, from
# the unpacked kernel source. In the toolbox.
#
#	peers.sh FOLDER OUTPUT
#
# FOLDER is build/kernels/NAME; OUTPUT gets links to the sources, and the modules.

. "$(dirname "$0")/lib.sh"

folder=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")

# Their places in the kernel source, without `.c`.
peers="samples/ftrace/ftrace-ops"

: >"$output/Kbuild"
for peer in $peers; do
	ln -sfn "$(readlink -f "$folder/source")/$peer.c" "$output/$(basename "$peer").c"
	echo "obj-m += $(basename "$peer").o" >>"$output/Kbuild"
done
mapfile -t options < <(kernel_options "$folder")
log=$output.log
make -C "$(readlink -f "$folder/build")" "${options[@]}" M="$output" modules >"$log" 2>&1 ||
	die "the kernel's samples do not build; the whole log: $log"
