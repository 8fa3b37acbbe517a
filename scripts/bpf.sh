#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles BPF programs that do nothing (qemu-test/bench/bpf/nop.bpf.c). Runs in
# the toolbox.
#
#	bpf.sh FOLDER SECTION COUNT OUTPUT
#
# FOLDER is build/kernels/NAME. COUNT is 1 or 10. All programs are in the ELF
# section SECTION, for example fentry/vfs_read. libbpf reads from its name what
# to attach the programs to.

. "$(dirname "$0")/lib.sh"

clang -target bpf -O2 -Wall -Werror -I "$1/source/include" -DPROGRAMS="$3" -DATTACH="\"$2\"" \
	-c "$TACKLE_TOP/qemu-test/bench/bpf/nop.bpf.c" -o "$4"
