#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what the benchmarks need beside what every guest boots from, and runs them. In
# the toolbox.
#
#	bench.sh NAME FOLDER [ARGUMENT OF tackle-bench...]
#
# FOLDER is what boot.sh has made for the kernel NAME, its neighbour uml what it has made
# for User Mode Linux.

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
