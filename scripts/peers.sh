#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the benchmarks compare with: modules of the kernel's own samples, from
# the unpacked kernel source, and BPF programs. In the toolbox.
#
#	peers.sh FOLDER OUTPUT
#
# FOLDER is build/kernels/NAME; OUTPUT gets links to the sources, the modules, and the
# programs as ATTACH-COUNT.bpf.o.

. "$(dirname "$0")/lib.sh"

folder=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")

kernel_modules "$folder" "$output" samples/ftrace/ftrace-ops.c

# On the function of bench_tracee.ko. An fentry program needs that module's BTF, which
# Kbuild makes, as the kernel's own is in the build folder.
for attach in fentry kprobe; do
	for programs in 1 10; do
		"$(dirname "$0")/bpf.sh" "$folder" "$attach/tracee" "$programs" \
			"$output/$attach-$programs.bpf.o"
	done
done
