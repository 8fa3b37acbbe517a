#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Compiles one Rust file with the command that Kbuild uses for a module, and
# discards the object file. Runs in the toolbox.
#
#	rustc.sh FOLDER FILE
#
# FOLDER is build/kernels/NAME. Its modules must be built. rustc prints its
# messages to stderr as JSON, one per line. The exit status is that of rustc.

. "$(dirname "$0")/lib.sh"

modules=$(realpath "$1/modules")
file=$(realpath "$2")
# Kbuild has saved its command for this module here. Any Rust module would do.
saved=$modules/modules/.sch_rcodel.o.cmd
[ -f "$saved" ] || die "no $saved: build the modules first"
object=$(mktemp)
trap 'rm -f "$object"' EXIT

# Cut the command before the names of its output and input files. The rest of
# the saved command line runs objtool.
command=$(sed -n 's/^savedcmd_[^ ]* := //p' "$saved")
command=${command%% --out-dir *}
cd "$modules"
# The crate name must not clash with a crate that the test case imports.
# RUSTC_BOOTSTRAP permits the unstable features that the kernel uses.
RUSTC_BOOTSTRAP=1 TACKLE_OBJ=$modules TACKLE_BUILD=none eval "$command" --crate-name compile_fail --error-format=json \
	--emit=obj="'$object'" "'$file'"
