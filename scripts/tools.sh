#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The plug-ins of tc, q_KIND.so.
#
#	tools.sh build		makes them in build/tools, in the toolbox
#	tools.sh install	copies them to where this machine's tc looks, and their pages
#
# install takes DESTDIR, PREFIX (/usr) and TC_LIB_DIR, the folder that tc looks in.

. "$(dirname "$0")/lib.sh"

tools=$TACKLE_TOP/build/tools
kinds=(rcodel)

build() {
	local kind
	cargo build --release --locked --quiet "${kinds[@]/#/-pq_}"
	mkdir -p "$tools"
	for kind in "${kinds[@]}"; do
		install -m 644 "$TACKLE_TOP/build/cargo/release/libq_$kind.so" "$tools/q_$kind.so"
	done
}

# The folder is compiled into tc: usually /usr/lib/tc, on Debian one for the architecture.
plugins() {
	local tc
	tc=$(PATH=$PATH:/usr/sbin:/sbin command -v tc) ||
		die "no tc here to ask where it looks: set TC_LIB_DIR"
	grep -aoE -m 1 '/[[:alnum:]_./-]*/lib[[:alnum:]_./-]*/tc/' "$tc" | head -n 1 | grep . ||
		die "$tc does not say where it looks: set TC_LIB_DIR"
}

install_all() {
	local kind folder prefix=${PREFIX:-/usr}
	for kind in "${kinds[@]}"; do
		[ -e "$tools/q_$kind.so" ] || die "nothing to install: make tools first"
	done
	folder=${TC_LIB_DIR:-$(plugins)}
	for kind in "${kinds[@]}"; do
		install -D -m 644 -t "${DESTDIR:-}$folder" "$tools/q_$kind.so"
		install -D -m 644 -t "${DESTDIR:-}$prefix/share/man/man8" \
			"$TACKLE_TOP/Documentation/man/tc-$kind.8"
		say "installed ${DESTDIR:-}${folder%/}/q_$kind.so and tc-$kind(8)"
	done
}

case ${1:-} in
build) build ;;
install) install_all ;;
*) die "usage: tools.sh build | install" ;;
esac
