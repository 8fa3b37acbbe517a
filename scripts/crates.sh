#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Shares compiled crates among checkouts: those of others, which are the same in all of
# them. Each checkout has its own build/cargo. In the toolbox.
#
#	crates.sh take		copies them from the cache, if this checkout has none yet
#	crates.sh keep		copies them into the cache, if it has none of this version

. "$(dirname "$0")/lib.sh"

target=$TACKLE_TOP/build/cargo
crates=$TACKLE_CACHE/crates-$(key "$TACKLE_TOP/Cargo.lock" "$TACKLE_TOP/Cargo.toml" \
	"$TACKLE_TOP/scripts/packages/toolbox" "$(rustc --version --verbose)" "$0")

# ours: the names of the packages of this checkout, and of what they are compiled into.
ours() {
	cargo metadata --no-deps --offline --locked --format-version 1 \
		--manifest-path "$TACKLE_TOP/Cargo.toml" |
		python3 -c '
import json, sys
for package in json.load(sys.stdin)["packages"]:
    for name in [package["name"]] + [target["name"] for target in package["targets"]]:
        print(name)
        print(name.replace("-", "_"))
' | sort -u
}

# copy DIR: copies the crates of others. Their files are named NAME-HASH, or libNAME-HASH.
copy() {
	local dir=$1 profile part options=()
	while read -r name; do
		options+=(--exclude="/$name-[0-9a-f]*" --exclude="/lib$name-[0-9a-f]*"
			--exclude="/$name.*")
	done < <(ours)
	for profile in release debug; do
		for part in .fingerprint build deps; do
			[ -d "$target/$profile/$part" ] || continue
			mkdir -p "$dir/$profile/$part"
			rsync -a "${options[@]}" "$target/$profile/$part/" "$dir/$profile/$part/"
		done
	done
}

case ${1:-} in
copy)
	copy "$2"
	;;
take)
	[ ! -e "$target" ] || exit 0
	if [ -d "$crates" ]; then
		start=$SECONDS
		mkdir -p "$TACKLE_TOP/build"
		rm -rf "$target".partial.*
		cp -a "$crates" "$target.partial.$$"
		mv -T "$target.partial.$$" "$target"
		say "compiled crates: copied from the cache, $((SECONDS - start)) s"
	else
		mkdir -p "$target"
		basename "$crates" >"$target/.crates"
	fi
	;;
keep)
	# A target folder that was begun under another key has that key's crates, too.
	[ ! -d "$crates" ] && [ "$(cat "$target/.crates" 2>/dev/null)" = "$(basename "$crates")" ] ||
		exit 0
	find "$TACKLE_CACHE" -maxdepth 1 -name 'crates-*' -mtime +14 -exec rm -rf {} +
	step "compiled crates for other checkouts" "$crates" "$0" copy
	;;
*)
	die "usage: crates.sh take | keep"
	;;
esac
