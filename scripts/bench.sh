#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the files that only the benchmarks need, and runs the benchmarks. Runs
# in the toolbox.
#
#	bench.sh NAME FOLDER [ARGUMENT OF tackle-bench...]
#
# boot.sh has filled FOLDER for the kernel NAME. The benchmarks can use User
# Mode Linux if boot.sh has also filled the folder `uml` next to FOLDER.

. "$(dirname "$0")/lib.sh"

name=$1 folder=$2 build=$TACKLE_TOP/build
shift 2
"$(dirname "$0")/peers.sh" "$folder" "$build/bench/peers"
"$(dirname "$0")/payload.sh" "$folder" "$folder"/payload/* "$build"/bench/peers/*.ko \
	"$build"/bench/peers/*.bpf.o "$folder/config"
start=$SECONDS
cargo_shown benchmarks build --release --locked -p tackle-bench
say "benchmarks: built, $((SECONDS - start)) s"
[ ! -e "$folder/../uml/payload" ] || set -- --uml "uml=$(realpath "$folder/../uml")" "$@"
exec "$build/cargo/release/tackle-bench" --kernel "$name=$folder" --build "$build" "$@"
