#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds and installs the command tackle and the tc plug-ins, q_KIND.so.
#
#	tools.sh build		builds them in build/tools, in the toolbox
#	tools.sh install	installs them, with their manual pages
#
# `install` reads the environment variables DESTDIR, PREFIX (default: /usr) and
# TC_LIB_DIR, the folder in which tc searches for plug-ins.

. "$(dirname "$0")/lib.sh"

tools=$TACKLE_TOP/build/tools
kinds=(rcodel rfq_codel)

build() {
	local kind release=$TACKLE_TOP/build/cargo/release
	cargo_shown "plug-ins of tc" build --release --locked "${kinds[@]/#/-pq_}"
	# Link statically: this machine's libc may be older than the toolbox's.
	cargo_shown "the command tackle" rustc --release --locked -p tackle-cli --bin tackle -- \
		-C target-feature=+crt-static
	mkdir -p "$tools"
	install "$release/tackle" "$tools/tackle"
	"$release/tackle" completions bash >"$tools/tackle.bash"
	for kind in "${kinds[@]}"; do
		install -m 644 "$release/libq_$kind.so" "$tools/q_$kind.so"
	done
}

# plugins: prints the folder in which tc searches for plug-ins. It is compiled
# into tc. Usually it is /usr/lib/tc. On Debian its path contains the
# architecture.
plugins() {
	local tc
	tc=$(PATH=$PATH:/usr/sbin:/sbin command -v tc) ||
		die "no tc here to ask where it looks: set TC_LIB_DIR"
	grep -aoE -m 1 '/[[:alnum:]_./-]*/lib[[:alnum:]_./-]*/tc/' "$tc" | head -n 1 | grep . ||
		die "$tc does not say where it looks: set TC_LIB_DIR"
}

install_all() {
	local file kind folder prefix=${PREFIX:-/usr} files=(tackle tackle.bash)
	for kind in "${kinds[@]}"; do
		files+=("q_$kind.so")
	done
	for file in "${files[@]}"; do
		[ -e "$tools/$file" ] || die "nothing to install: make tools first"
	done
	folder=${TC_LIB_DIR:-$(plugins)}
	install -D -t "${DESTDIR:-}$prefix/sbin" "$tools/tackle"
	install -D -m 644 "$tools/tackle.bash" \
		"${DESTDIR:-}$prefix/share/bash-completion/completions/tackle"
	install -D -m 644 -t "${DESTDIR:-}$prefix/share/man/man8" \
		"$TACKLE_TOP/Documentation/man/tackle.8" \
		"$TACKLE_TOP/Documentation/man/tackle-fault.8"
	say "installed ${DESTDIR:-}$prefix/sbin/tackle, tackle(8) and tackle-fault(8)"
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
