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
# The guest sees this folder as /tackle.
rm -rf "$folder/payload"
mkdir -p "$folder/payload"
find "$folder/modules" -name '*.ko' -exec cp {} "$folder/payload/" \;
cp "$TACKLE_TOP/build/cargo/release/tackle-guest" "$folder/payload/"
