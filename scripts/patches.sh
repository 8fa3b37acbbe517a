#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks or applies our patch series for the kernel. Runs in the toolbox.
#
#	patches.sh check SERIES SOURCE		checks the form of each patch
#	patches.sh apply SERIES SOURCE TREE	makes a patched copy of SOURCE
#
# `check` fails if `git am` does not apply a patch, or if checkpatch.pl
# complains about it. SERIES is a folder of *.patch files from `git
# format-patch`. The order of the patches is that of their names.

. "$(dirname "$0")/lib.sh"

# list SERIES: prints the patches in order, one per line.
list() {
	find "$1" -maxdepth 1 -name '*.patch' 2>/dev/null | sort
}

# quietly LOG WHAT COMMAND...: runs a command. If it fails, prints its output
# and ends the script with the error WHAT.
quietly() {
	local log=$1 what=$2
	shift 2
	"$@" >"$log" 2>&1 && return
	cat "$log" >&2
	die "$what"
}

# am SERIES SOURCE REPOSITORY: makes a repository and applies the series there
# with `git am`. The repository contains only the files that the series changes,
# because adding the whole kernel takes minutes. The tag `bare` is the commit
# before the series.
am() {
	local source=$2 repository=$3 patch file
	local git=(git -C "$repository" -c user.name=tackle -c user.email=tackle@localhost
		-c commit.gpgsign=false -c core.hooksPath=/dev/null)
	git init -q "$repository"
	list "$1" | while read -r patch; do
		sed -n 's#^--- a/##p; s#^rename from ##p' "$patch"
	done | sort -u | while read -r file; do
		# Skip a file that SOURCE lacks: an earlier patch adds it.
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
	# Unchanged files are hard links to SOURCE. Changed files are new files.
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
	# checkpatch.pl cannot look up the commits that the patches mention,
	# because Debian's source has no git history.
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
