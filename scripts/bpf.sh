#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles BPF programs that do nothing (qemu-test/bench/bpf/nop.bpf.c). In the toolbox.
#
#	bpf.sh FOLDER SECTION COUNT OUTPUT
#
# FOLDER is build/kernels/NAME; SECTION tells what each of the COUNT programs, 1 or 10, is
# attached to, as in fentry/vfs_read.

. "$(dirname "$0")/lib.sh"

clang -target bpf -O2 -Wall -Werror -I "$1/source/include" -DPROGRAMS="$3" -DATTACH="\"$2\"" \
	-c "$TACKLE_TOP/qemu-test/bench/bpf/nop.bpf.c" -o "$4"
