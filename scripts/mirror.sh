# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Debian's archive: the mirror that this machine's apt is set up with.
#
# apt itself reads its set-up. It names its repositories, and what their Release files
# say of them, only after `apt-get update`, so that is run where it never was: in a
# container image, or on a new cloud machine.

# update: apt-get update, quietly.
#
# A repository whose Release file has expired, as on a mirror that lags behind, is read
# all the same, and named. On failure the first error is in the variable `reason`.
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
	# apt-get succeeds when nothing can be fetched: it warns that it uses old lists.
	if [ -n "$reason" ] || grep -q 'Failed to fetch' "$log"; then
		reason=$(sed -n '/^\(E\|W\|Error\|Warning\): /{s///p;q}' "$log")
		reason=${reason:-$(tail -n 1 "$log")}
	fi
	rm -f "$log"
	[ -z "$reason" ]
}

# repositories: a line "ORIGIN URI CODENAME" for each repository with a component `main`
# whose lists are here. ORIGIN is Debian or other.
repositories() {
	# shellcheck disable=SC2016 # apt's own format, not variables
	apt-get indextargets 'Created-By: Packages' \
		--format '$(ORIGIN)|$(COMPONENT)|$(REPO_URI)|$(CODENAME)|$(RELEASE)' |
		awk -F '|' '$2 == "main" && $3 ~ /^(https?|file|copy|mirror)[+:]/ {
			origin = $1 == "Debian" ? $1 : "other"
			print origin, $3, $4 ~ /^[a-z]/ ? $4 : $5
		}' | sort -u
}

# codename: of the Debian release that this machine runs.
codename() {
	(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# fetch_file URI: prints a file. Fails silently.
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

# first_mirror URI: the URI itself, or the first mirror in the list that a URI such as
# mirror+file:/etc/apt/mirrors/debian.list names (Debian's cloud images have those).
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
	# apt ends the URIs of repositories with a slash.
	fetch_file "${list%/}" | awk '$1 ~ /^(https?|file|copy):/ && !uri { uri = $1 } END { print uri }'
}

# mirror: the URI of Debian's main archive on this machine's mirror.
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
	# Debian's archive of this machine's release, else another of Debian's: sid calls itself
	# by the name of the next release, and derivatives have their own names. Last, what has
	# this machine's release and names no origin. -updates, -security and the like have a dash.
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

# security_mirror: the URI of Debian's security archive, or nothing.
security_mirror() {
	local uri
	uri=$(repositories | awk -v s="$(codename)-security" '$3 == s { uri = $2 } END { print uri }')
	[ -z "$uri" ] || first_mirror "$uri"
}

# sources_list SUITE...: lines of sources.list for Debian's main in these suites, the first
# of which has to be there. A suite whose name ends in -security is left out where this
# machine's apt has none. Of an expired suite the date is not checked.
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
			# A mirror need not have -updates, but the kernel's suite.
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

# apt_proxies: the proxies that this machine's apt is told to use, as lines of apt.conf.
apt_proxies() {
	apt-config dump --no-empty --format '%F "%v";%n' Acquire | grep -E '^Acquire::https?::Proxy(::[^ ]*)? ' || true
}
