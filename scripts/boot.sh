#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes all that a guest of the kernel FLAVOUR boots from, in FOLDER. In the toolbox.
#
#	boot.sh FLAVOUR FOLDER

. "$(dirname "$0")/lib.sh"

here=$(dirname "$0")
flavour=$1 folder=$2
"$here/kernel.sh" "$flavour" "$folder"
"$here/kbuild.sh" "$folder" modules
"$here/selftests.sh" "$folder" "$folder/selftests"
for attach in fentry fexit; do
	"$here/bpf.sh" "$folder" "$attach/__x64_sys_getsid" 1 \
		"$folder/selftests/$attach-getsid-1.bpf.o"
done
mapfile -t files < <(find "$folder/modules" "$folder/selftests" -name '*.ko' -o -name '*.bpf.o' \
	-o -name 'selftest-*')
files+=("$TACKLE_TOP/build/cargo/release/tackle-guest")
files+=("$TACKLE_TOP/build/tools/tackle" "$TACKLE_TOP"/build/tools/q_*.so)
# The kernel's own modules that workloads test, unpacked, with `_` in their names: campaigns read
# the calls in them, and the guest has no program that unpacks them.
unpacked=$folder/unpacked
kernel=$(dirname "$(readlink -f "$folder/build")")
mkdir -p "$unpacked"
for module in $(sed -n 's/^modules = \[\(.*\)\]/\1/p' "$TACKLE_TOP"/qemu-test/fault/*.toml | tr -d '",'); do
	packed=$(find "$kernel/lib/modules" -name "${module//_/[-_]}.ko.xz" -print -quit 2>/dev/null || true)
	if [ -n "$packed" ] && [ ! -e "$unpacked/$module.ko" ]; then
		xz -dc "$packed" >"$unpacked/$module.ko"
	fi
done
# Workloads of campaigns, and what the user of one brings along (make fault).
shopt -s nullglob
files+=("$unpacked"/*.ko "$TACKLE_TOP"/qemu-test/fault/*.toml "$TACKLE_TOP"/build/extra/*)
# The kernel's own test cases of the qdiscs that ours are made after.
files+=("$folder"/source/tools/testing/selftests/tc-testing/tc-tests/qdiscs/{,fq_}codel.json)
"$here/payload.sh" "$folder" "${files[@]}"
