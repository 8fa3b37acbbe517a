#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Our patch series for the kernel, in the order of the patches' names. In the toolbox.
#
#	patches.sh check SERIES SOURCE		says whether each patch could go upstream
#	patches.sh apply SERIES SOURCE TREE	makes TREE: SOURCE with the patches
#
# SERIES is a folder of *.patch files as `git format-patch` makes them.

. "$(dirname "$0")/lib.sh"

# list SERIES: the patches, one a line, in order.
list() {
	find "$1" -maxdepth 1 -name '*.patch' 2>/dev/null | sort
}

# quietly LOG WHAT COMMAND...: the one line WHAT when the command fails, after its output.
quietly() {
	local log=$1 what=$2
	shift 2
	"$@" >"$log" 2>&1 && return
	cat "$log" >&2
	die "$what"
}

# am SERIES SOURCE REPOSITORY: `git am` of the series, in a repository of the files that
# it touches and no others: one of the whole kernel takes minutes. The tag `bare` is
# what they were before.
am() {
	local source=$2 repository=$3 patch file
	local git=(git -C "$repository" -c user.name=tackle -c user.email=tackle@localhost
		-c commit.gpgsign=false -c core.hooksPath=/dev/null)
	git init -q "$repository"
	list "$1" | while read -r patch; do
		sed -n 's#^--- a/##p; s#^rename from ##p' "$patch"
	done | sort -u | while read -r file; do
		# What is not there a patch before this one may have made.
		[ -f "$source/$file" ] || continue
		mkdir -p "$repository/$(dirname "$file")"
		cp "$source/$file" "$repository/$file"
	done
	"${git[@]}" add -A
	"${git[@]}" commit -q --allow-empty -m 'the kernel'
	"${git[@]}" tag bare
	list "$1" | while read -r patch; do
		quietly "$repository/.git/log" \
			"does not apply to linux $LINUX_VERSION: $(basename "$patch")" \
			"${git[@]}" am "$(realpath "$patch")"
	done
}

apply() {
	local series=$1 source=$2 tree=$3 repository file
	if [ -z "$(list "$series")" ]; then
		ln -s "$(realpath "$source")" "$tree"
		return
	fi
	repository=$(mktemp -d)
	am "$series" "$source" "$repository"
	# Hard links, but for the files that differ.
	cp -al "$source" "$tree"
	git -C "$repository" diff --no-renames --name-only bare HEAD | while read -r file; do
		rm -f "$tree/$file"
		[ -f "$repository/$file" ] || continue
		mkdir -p "$tree/$(dirname "$file")"
		cp "$repository/$file" "$tree/$file"
	done
	rm -rf "$repository"
}

check() {
	local series=$1 source=$2 repository patch
	repository=$(mktemp -d)
	am "$series" "$source" "$repository"
	# The commits that patches name cannot be looked up: the archive's source has no history.
	list "$series" | while read -r patch; do
		quietly "$repository/.git/log" "checkpatch.pl --strict: $(basename "$patch")" \
			perl "$source/scripts/checkpatch.pl" --root="$source" --strict --no-summary \
			--quiet --ignore UNKNOWN_COMMIT_ID "$(realpath "$patch")"
	done
	rm -rf "$repository"
}

case ${1:-} in
check | apply)
	"$@"
	;;
*)
	die "usage: patches.sh check SERIES SOURCE | apply SERIES SOURCE TREE"
	;;
esac
