#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Removes the project's files from the cache folder. Other files there remain.

. "$(dirname "$0")/lib.sh"

[ -d "$TACKLE_CACHE" ] || exit 0
if grep -qF " $TACKLE_CACHE/" /proc/mounts; then
	die "something is mounted under $TACKLE_CACHE: a guest or a build still runs"
fi
find "$TACKLE_CACHE" -mindepth 1 -maxdepth 1 \
	\( -name 'toolbox-*' -o -name 'linux-*' -o -name 'stock-*' -o -name 'guest-*' \
	-o -name 'patched-*' -o -name 'debug-*' -o -name 'rt-*' -o -name 'uml-*' \
	-o -name 'crates-*' -o -name templates -o -name times.json -o -name bench \
	-o -name cargo -o -name .roomy -o -name .resolve.lock \) -exec rm -rf --one-file-system {} +
rmdir --ignore-fail-on-non-empty "$TACKLE_CACHE"
