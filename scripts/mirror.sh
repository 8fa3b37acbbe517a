# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions that find Debian's archive on the mirror that apt on this machine
# uses.
#
# They ask apt for its repositories instead of parsing its configuration. apt
# prints the repositories and the fields of their Release files only after
# `apt-get update`. On a machine where it was never run, such as a container
# image or a new cloud machine, mirror() runs it.

# update: runs `apt-get update` without printing its output.
#
# The Release file of a repository expires if its mirror is not updated in time.
# Such a repository is used nevertheless, and its name is printed. On failure
# the variable `reason` contains the first error.
update() {
	local log old
	log=$(mktemp)
	reason=
	LC_ALL=C apt-get -o Acquire::Retries=1 update >"$log" 2>&1 || reason=failed
	old=$(sed -n 's/.*Release file for \(.*\) is expired (.*/\1/p' "$log" | sort -u | xargs)
	if [ -n "$old" ]; then
		say "expired, but used: $old"
		reason=
		LC_ALL=C apt-get -o Acquire::Retries=1 -o Acquire::Check-Valid-Until=false update \
			>"$log" 2>&1 || reason=failed
	fi
	# If apt-get can fetch nothing, it warns that it uses old lists, and
	# succeeds.
	if [ -n "$reason" ] || grep -q 'Failed to fetch' "$log"; then
		reason=$(sed -n '/^\(E\|W\|Error\|Warning\): /{s///p;q}' "$log")
		reason=${reason:-$(tail -n 1 "$log")}
	fi
	rm -f "$log"
	[ -z "$reason" ]
}

# repositories: prints a line "ORIGIN URI CODENAME" for each repository that has
# a component `main` and whose lists this machine has. ORIGIN is Debian or
# other.
repositories() {
	# shellcheck disable=SC2016 # apt's own format, not variables
	apt-get indextargets 'Created-By: Packages' \
		--format '$(ORIGIN)|$(COMPONENT)|$(REPO_URI)|$(CODENAME)|$(RELEASE)' |
		awk -F '|' '$2 == "main" && $3 ~ /^(https?|file|copy|mirror)[+:]/ {
			origin = $1 == "Debian" ? $1 : "other"
			print origin, $3, $4 ~ /^[a-z]/ ? $4 : $5
		}' | sort -u
}

# codename: prints the codename of this machine's release.
codename() {
	(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# fetch_file URI: prints the content of a file. Prints no error if it fails.
fetch_file() {
	local file status=0
	case $1 in
	file:* | copy:*)
		cat "${1#*:}" 2>/dev/null
		return
		;;
	esac
	file=$(mktemp)
	/usr/lib/apt/apt-helper -o Acquire::Retries=1 download-file "$1" "$file" >/dev/null 2>&1 ||
		status=1
	cat "$file"
	rm -f "$file"
	return $status
}

# first_mirror URI: prints the URI, or the first mirror in the list if the URI
# names a list of mirrors. Debian's cloud images have such URIs, for example
# mirror+file:/etc/apt/mirrors/debian.list.
first_mirror() {
	local list=$1
	case $1 in
	mirror+*) list=${1#mirror+} ;;
	mirror:*) list=http:${1#mirror:} ;;
	*)
		echo "$1"
		return
		;;
	esac
	# apt appends a slash to the URI of a repository.
	fetch_file "${list%/}" | awk '$1 ~ /^(https?|file|copy):/ && !uri { uri = $1 } END { print uri }'
}

# mirror: prints the URI of Debian's main archive on this machine's mirror, or
# TACKLE_MIRROR if it is set.
mirror() {
	local uri=${TACKLE_MIRROR:-} found
	if [ -n "$uri" ]; then
		echo "$uri"
		return
	fi
	found=$(repositories)
	if [ -z "$found" ]; then
		say "apt has no lists on this machine: apt-get update"
		update || true
		found=$(repositories)
	fi
	# Rank 3: Debian's archive for this machine's release. Rank 2: Debian's
	# archive for another release. sid needs this rank because its machines
	# have the codename of the next release, and derivatives need it because
	# they have their own codenames. Rank 1: other archives for this
	# machine's release. Suites such as -updates and -security get no rank,
	# because their codenames contain a dash.
	uri=$(awk -v here="$(codename)" '
		{ rank = 0 }
		$3 == here { rank = 1 }
		$1 == "Debian" && $3 !~ /-/ { rank = 2 + ($3 == here) }
		rank > best { uri = $2; best = rank }
		END { print uri }' <<<"$found")
	[ -z "$uri" ] || uri=$(first_mirror "$uri")
	if [ -z "$uri" ] && [ -n "${reason:-}" ]; then
		die "no network: apt cannot fetch the lists of this machine's mirror ($reason)"
	fi
	[ -n "$uri" ] ||
		die "no Debian mirror in this machine's apt set-up: name one with TACKLE_MIRROR=http://..."
	echo "$uri"
}

# security_mirror: prints the URI of the security archive for this machine's
# release. Prints nothing if apt does not use one.
security_mirror() {
	local uri
	uri=$(repositories | awk -v s="$(codename)-security" '$3 == s { uri = $2 } END { print uri }')
	[ -z "$uri" ] || first_mirror "$uri"
}

# sources_list SUITE...: prints lines of sources.list for the component main of
# these suites. A suite that the mirror lacks is left out, except for the first
# one and LINUX_SUITE, which are required. A suite with a name in -security is
# left out if this machine's apt uses no security archive. For an expired suite,
# the line switches apt's check of the date off.
sources_list() {
	local main security suite uri release options until first=$1
	main=$(mirror) || exit 1
	security=$(security_mirror)
	for suite in "$@"; do
		uri=$main
		case $suite in
		*-security) uri=$security ;;
		esac
		[ -n "$uri" ] || continue
		if ! release=$(fetch_file "${uri%/}/dists/$suite/InRelease"); then
			# A mirror may lack suites such as -updates.
			if [ "$suite" = "$first" ] || [ "$suite" = "$LINUX_SUITE" ]; then
				die "no network, or no Debian $suite on this machine's mirror (TACKLE_MIRROR names another): $uri"
			fi
			continue
		fi
		until=$(sed -n 's/^Valid-Until: //p' <<<"$release")
		options=
		if [ -n "$until" ] && [ "$(date -d "$until" +%s)" -lt "$(date +%s)" ]; then
			say "expired on $until, but used: $uri $suite"
			options="[check-valid-until=no] "
		fi
		echo "deb $options$uri $suite main"
	done
}

# apt_proxies: prints the proxies of this machine's apt, as lines of apt.conf.
apt_proxies() {
	apt-config dump --no-empty --format '%F "%v";%n' Acquire | grep -E '^Acquire::https?::Proxy(::[^ ]*)? ' || true
}
