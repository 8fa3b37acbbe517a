#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the benchmarks compare with: modules of the kernel's own samples, from
# the unpacked kernel source, and BPF programs. In the toolbox.
#
#	peers.sh FOLDER OUTPUT
#
# FOLDER is build/kernels/NAME; OUTPUT gets links to the sources, the modules, the
# programs as ATTACH-COUNT.bpf.o, and the queueing discipline bpf_qdisc_fq.bpf.o.

. "$(dirname "$0")/lib.sh"

folder=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")

kernel_modules "$folder" "$output" samples/ftrace/ftrace-ops.c

# On the function of bench_tracee.ko. An fentry or fexit program needs that module's BTF, which
# Kbuild makes, as the kernel's own is in the build folder.
for attach in fentry fexit kprobe; do
	for programs in 1 10; do
		"$(dirname "$0")/bpf.sh" "$folder" "$attach/tracee" "$programs" \
			"$output/$attach-$programs.bpf.o"
	done
done

# The fair queue of the kernel's selftests for BPF, compiled as they are: with the types of
# the kernel that it is for, which the kernel's own bpftool writes down.
source=$folder/source
mkdir -p "$output/bpftool"
make -s -C "$source/tools/bpf/bpftool" OUTPUT="$output/bpftool/" bootstrap >"$output/bpftool.log" 2>&1 ||
	{ cat "$output/bpftool.log"; die "cannot build bpftool"; }
"$output/bpftool/bootstrap/bpftool" btf dump file "$folder/build/vmlinux" format c \
	>"$output/bpftool/vmlinux.h"
selftests=$source/tools/testing/selftests/bpf
clang -target bpf -mcpu=v3 -g -O2 -std=gnu11 -fms-extensions -Wno-microsoft-anon-tag \
	-D__TARGET_ARCH_x86 -I "$output/bpftool" -I "$output/bpftool/bootstrap/libbpf/include" \
	-I "$selftests" -I "$selftests/libarena/include" \
	-idirafter "/usr/include/$(gcc -print-multiarch)" \
	-c "$selftests/progs/bpf_qdisc_fq.c" -o "$output/bpf_qdisc_fq.bpf.o"
