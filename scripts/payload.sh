#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the payload, the files that a guest has in /tackle. User Mode Linux uses
# the folder FOLDER/payload. Other guests use its image, FOLDER/payload.img.
# Runs in the toolbox.
#
#	payload.sh FOLDER FILE...
#
# The payload consists of exactly these files. Unchanged files are not replaced.
# A guest can be running, so each new file is renamed into place: the guest sees
# either the old file or the new one.

. "$(dirname "$0")/lib.sh"

# The size of the image. The unused part is a hole and uses no disk space.
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
# Adding, replacing or removing a file changes the time of the folder, which
# `find` compares as well.
[ ! -e "$image" ] || [ -n "$(find "$payload" -newer "$image" -print -quit)" ] || exit 0
# The image is not compressed, because the guest's emulated CPU is slow.
mksquashfs "$payload" "$image.new" -noappend -comp lz4 -noI -noD -noF -noX -no-progress -quiet
[ "$(stat -c %s "$image.new")" -le $((mib << 20)) ] ||
	die "the payload is larger than $mib MiB, the limit in scripts/payload.sh"
# All images have the same size: a guest that is restored from a saved state
# still uses the disk size that it read before it was saved.
truncate -s "${mib}M" "$image.new"
mv "$image.new" "$image"
