#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Shares compiled third-party crates among checkouts, which all use the same
# ones. Each checkout has its own build/cargo. Runs in the toolbox.
#
#	crates.sh take		copies the crates from the cache, if this
#				checkout has no build/cargo
#	crates.sh keep		copies the crates to the cache, if it lacks them

. "$(dirname "$0")/lib.sh"

target=$TACKLE_TOP/build/cargo
crates=$TACKLE_CACHE/crates-$(key "$TACKLE_TOP/Cargo.lock" "$TACKLE_TOP/Cargo.toml" \
	"$TACKLE_TOP/scripts/packages/toolbox" "$(rustc --version --verbose)" "$0")

# ours: prints the names of this checkout's packages and of their targets. Names
# of files can have `_` for `-`, so each name is printed in both forms.
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

# copy DIR: copies the third-party crates. The files of a crate are named
# NAME-HASH or libNAME-HASH, so those with our names are left out.
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
	# If `take` has made build/cargo for another key, it also contains
	# crates of that key. Then it is not copied.
	[ ! -d "$crates" ] && [ "$(cat "$target/.crates" 2>/dev/null)" = "$(basename "$crates")" ] ||
		exit 0
	find "$TACKLE_CACHE" -maxdepth 1 -name 'crates-*' -mtime +14 -exec rm -rf {} +
	step "compiled crates for other checkouts" "$crates" "$0" copy
	;;
*)
	die "usage: crates.sh take | keep"
	;;
esac
