#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles a file as Kbuild compiles a module on top of the library, and throws the result
# away. In the toolbox.
#
#	rustc.sh FOLDER FILE
#
# FOLDER is build/kernels/NAME, in which the modules are built. What rustc says goes to
# stderr as JSON, a line each; the exit status is its own.

. "$(dirname "$0")/lib.sh"

modules=$(realpath "$1/modules")
file=$(realpath "$2")
# Any module would do.
saved=$modules/modules/.sch_rcodel.o.cmd
[ -f "$saved" ] || die "no $saved: build the modules first"
object=$(mktemp)
trap 'rm -f "$object"' EXIT

# The command up to what it writes and reads; what follows is objtool.
command=$(sed -n 's/^savedcmd_[^ ]* := //p' "$saved")
command=${command%% --out-dir *}
cd "$modules"
# The name is not that of a crate that the case would meet.
# The kernel uses features that Rust has not made stable, and tells rustc so.
RUSTC_BOOTSTRAP=1 TACKLE_OBJ=$modules TACKLE_BUILD=none eval "$command" --crate-name compile_fail --error-format=json \
	--emit=obj="'$object'" "'$file'"
