#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Puts into FOLDER the kernel FLAVOUR, its images and the payload of its guests.
# Runs in the toolbox, after programs.sh and `guest.sh root`.
#
#	boot.sh FLAVOUR FOLDER			for tests
#	boot.sh FLAVOUR FOLDER campaign EXTRA	for fault injection campaigns
#
# In a campaign the payload also contains the kernel modules that the workloads
# test, and the files in the folder EXTRA.

. "$(dirname "$0")/lib.sh"

here=$(dirname "$0")
flavour=$1 folder=$2 kind=${3:-tests} extra=${4:-}
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
files+=("$TACKLE_TOP"/qemu-test/fault/*.toml)
if [ "$kind" = campaign ]; then
	# A campaign reads the calls in these modules. The guest has no xz, so
	# the modules are unpacked here. The file names have `_` for `-`, like
	# the names in the workloads. Each kernel has its own folder, so that
	# modules of an older kernel are not used.
	kernel=$(dirname "$(readlink -f "$folder/build")")
	unpacked=$folder/unpacked/$(basename "$kernel")
	mkdir -p "$unpacked"
	for module in $(sed -n 's/^modules = \[\(.*\)\]/\1/p' "$TACKLE_TOP"/qemu-test/fault/*.toml | tr -d '",'); do
		file=$unpacked/$module.ko
		[ ! -e "$file" ] || continue
		packed=$(find "$kernel/lib/modules" -name "${module//_/[-_]}.ko.xz" -print -quit)
		[ -z "$packed" ] || { xz -dc "$packed" >"$file.new" && mv "$file.new" "$file"; }
	done
	shopt -s nullglob
	files+=("$unpacked"/*.ko "$extra"/*)
fi
# The kernel's test cases for codel and fq_codel. The guest runs them on rcodel
# and rfq_codel.
files+=("$folder"/source/tools/testing/selftests/tc-testing/tc-tests/qdiscs/{,fq_}codel.json)
"$here/payload.sh" "$folder" "${files[@]}"
