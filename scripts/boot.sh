#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes all that a guest of the kernel FLAVOUR boots from, in FOLDER. In the toolbox.
#
#	boot.sh FLAVOUR FOLDER

. "$(dirname "$0")/lib.sh"

# The size of the payload's image. What is not used takes no place on the disk.
PAYLOAD_MIB=1024

here=$(dirname "$0")
flavour=$1 folder=$2
"$here/kernel.sh" "$flavour" "$folder"
"$here/kbuild.sh" "$folder" modules
"$here/selftests.sh" "$folder" "$folder/selftests"
"$here/bpf.sh" "$folder" fentry/__x64_sys_getsid 1 "$folder/selftests/fentry-getsid-1.bpf.o"
# What the guest sees as /tackle: User Mode Linux this folder, the others an image of it. A
# guest that runs meanwhile must not find a file missing or half there, so each is renamed
# into place.
payload=$folder/payload image=$folder/payload.img
mkdir -p "$payload"
mapfile -t files < <(find "$folder/modules" "$folder/selftests" -name '*.ko' -o -name '*.bpf.o')
files+=("$TACKLE_TOP/build/cargo/release/tackle-guest")
files+=("$TACKLE_TOP/build/tools/tackle" "$TACKLE_TOP"/build/tools/q_*.so)
# The kernel's own test cases of the qdiscs that ours are made after.
files+=("$folder"/source/tools/testing/selftests/tc-testing/tc-tests/qdiscs/{,fq_}codel.json)
for file in "${files[@]}"; do
	name=$(basename "$file")
	cmp -s "$file" "$payload/$name" || {
		rm -f "$image"
		cp "$file" "$payload/.$name"
		mv "$payload/.$name" "$payload/$name"
	}
done
for file in "$payload"/*; do
	case " ${files[*]##*/} " in
	*" $(basename "$file") "*) ;;
	*) rm -f "$file" "$image" ;;
	esac
done
# Not compressed, as the guest's processor is a slow one. The size is always the same: a guest
# that was saved before the image was made has learnt it, and takes it for granted.
if [ ! -e "$image" ]; then
	mksquashfs "$payload" "$image.new" -noappend -comp lz4 -noI -noD -noF -noX -no-progress -quiet
	[ "$(stat -c %s "$image.new")" -le $((PAYLOAD_MIB << 20)) ] ||
		die "the payload is larger than $PAYLOAD_MIB MiB; PAYLOAD_MIB in scripts/boot.sh limits it"
	truncate -s "${PAYLOAD_MIB}M" "$image.new"
	mv "$image.new" "$image"
fi
