#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the kernel FLAVOUR, and puts links to it and to its images into FOLDER.
# Runs in the toolbox.
#
#	kernel.sh FLAVOUR FOLDER

. "$(dirname "$0")/lib.sh"

here=$(dirname "$0")
flavour=$1 folder=$2
mkdir -p "$folder"
"$here/linux.sh" resolve
case $flavour in
stock | rt) kernel=$("$here/stock.sh" "$flavour") ;;
patched | debug | uml) kernel=$("$here/flavour.sh" "$flavour") ;;
*) die "no kernel $flavour: there are stock, rt, patched, debug, uml" ;;
esac
for file in build source config vmlinuz release; do
	ln -sfn "$kernel/$file" "$folder/$file"
done
"$here/guest.sh" boot "$kernel" "$folder"
