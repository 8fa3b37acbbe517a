#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the programs that run in user space: the test runner, the guest's test
# program, the QEMU plug-in, the command tackle and the tc plug-ins. Runs in the
# toolbox.

. "$(dirname "$0")/lib.sh"

start=$SECONDS
"$(dirname "$0")/crates.sh" take
cargo_shown programs build --release --locked -p tackle-guest -p tackle-plugin -p tackle-qemu
"$(dirname "$0")/tools.sh" build
say "programs: built, $((SECONDS - start)) s"
