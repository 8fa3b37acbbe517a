#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds a sample module from the kernel source and BPF programs. The benchmarks
# compare our modules with them. Runs in the toolbox.
#
#	peers.sh FOLDER OUTPUT
#
# FOLDER is build/kernels/NAME. OUTPUT gets the module and a link to its source,
# the BPF programs ATTACH-COUNT.bpf.o, and the qdisc in BPF, bpf_qdisc_fq.bpf.o.

. "$(dirname "$0")/lib.sh"

folder=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")

kernel_modules "$folder" "$output" samples/ftrace/ftrace-ops.c

# Programs for the function tracee() of bench_tracee.ko. An fentry or fexit
# program needs the BTF of that module. Kbuild generates it, because the build
# folder has a vmlinux with the kernel's BTF.
for attach in fentry fexit kprobe; do
	for programs in 1 10; do
		"$(dirname "$0")/bpf.sh" "$folder" "$attach/tracee" "$programs" \
			"$output/$attach-$programs.bpf.o"
	done
done

# The qdisc of the kernel's BPF selftests, compiled with the options that they
# use. It includes vmlinux.h, which has the types of this kernel. bpftool from
# the kernel source writes vmlinux.h.
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
