#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes what a guest sees as /tackle: FOLDER/payload for User Mode Linux, and an image of it,
# FOLDER/payload.img, for the others. In the toolbox.
#
#	payload.sh FOLDER FILE...
#
# The payload consists of these files. One that has not changed is left alone. A guest that
# runs meanwhile finds the old file or the new one, so each is renamed into place.

. "$(dirname "$0")/lib.sh"

# The size of the image. Unused space takes no room on the host's disk.
mib=1024

folder=$1
shift
payload=$folder/payload image=$folder/payload.img
mkdir -p "$payload"
# Another run may make the same payload.
exec 9>"$folder/.payload.lock"
flock 9
for file in "$@"; do
	name=$(basename "$file")
	cmp -s "$file" "$payload/$name" || {
		cp "$file" "$payload/.$name"
		mv "$payload/.$name" "$payload/$name"
	}
done
for file in "$payload"/*; do
	case " ${*##*/} " in
	*" $(basename "$file") "*) ;;
	*) rm "$file" ;;
	esac
done
# A folder is newer than the image when a file came or went.
[ ! -e "$image" ] || [ -n "$(find "$payload" -newer "$image" -print -quit)" ] || exit 0
# Not compressed, as the guest's processor is slow.
mksquashfs "$payload" "$image.new" -noappend -comp lz4 -noI -noD -noF -noX -no-progress -quiet
[ "$(stat -c %s "$image.new")" -le $((mib << 20)) ] ||
	die "the payload is larger than $mib MiB, the limit in scripts/payload.sh"
# The size never changes: a restored guest uses the disk size that it read before it was saved.
truncate -s "${mib}M" "$image.new"
mv "$image.new" "$image"
