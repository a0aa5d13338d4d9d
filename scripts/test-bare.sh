#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that a bare machine needs nothing but Go: makes a minimal Debian in a folder, copies Go and this tree into it,
# and runs make there (the arguments are the targets; default: test run). Root only. Settings:
#
#     BARE_DIR     the folder; it is kept, and used again as it is (default /var/tmp/powerhose-bare)
#     BARE_SUITE   Debian's release (default bookworm)
#     BARE_MIRROR  where its packages come from (default http://deb.debian.org/debian)
#
# A second run in the same folder finds the packages installed; remove the folder to begin with a bare one again.
. "$(dirname "$0")/lib.sh"

dir=${BARE_DIR:-/var/tmp/powerhose-bare}
suite=${BARE_SUITE:-bookworm}
mirror=${BARE_MIRROR:-http://deb.debian.org/debian}
[ $# -gt 0 ] || set -- test run

[ "$(id -u)" -eq 0 ] || die 'only root can do this: sudo make test-bare'
command -v debootstrap >/dev/null || {
	say 'installing debootstrap'
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends debootstrap >/dev/null
}

[ -e "$dir/etc/debian_version" ] || {
	say "making a minimal Debian $suite in $dir"
	mkdir -p "$dir"
	debootstrap --variant=minbase "$suite" "$dir" "$mirror" >"$dir.log" 2>&1 || die "debootstrap failed: see $dir.log"
}

say 'copying Go and this tree into it'
mkdir -p "$dir/usr/local/go" "$dir/usr/local/share/ca-certificates"
[ -x "$dir/usr/local/go/bin/go" ] || cp -a "$(go env GOROOT)/." "$dir/usr/local/go"
rm -rf "$dir/root/powerhose"
mkdir -p "$dir/root/powerhose"
tar -c --exclude=./bin --exclude='./cworker/build*' . | tar -x -C "$dir/root/powerhose"
# What this machine needs to reach its package mirrors, and its own certificate authorities.
cp /etc/resolv.conf "$dir/etc/resolv.conf"
find /etc/apt/apt.conf.d -name '*proxy*' -exec cp {} "$dir/etc/apt/apt.conf.d/" \;
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$dir/usr/local/share/ca-certificates/" \;

settings=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY GOPROXY GONOSUMDB GOSUMDB POWERHOSE_REQUIRE_ALL; do
	[ -z "${!name:-}" ] || settings+=("$name=${!name}")
done

# The one thing that a newcomer must have beside Go: without make there is no `make run`.
bare="command -v make >/dev/null || { apt-get -qq update && apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends make >/dev/null; }
make -C /root/powerhose $*"

say "in it: make $*"
# Name spaces of its own: the mounts, and every process that was left over, are gone when this ends. The outer bash
# stays as process 1 there (hence no exec), because somebody has to wait for orphans.
# shellcheck disable=SC2016 # these variables are the inner bash's
unshare --mount --pid --fork --kill-child bash -euc '
	dir=$1
	shift
	mount -t proc proc "$dir/proc"
	mount -t tmpfs tmpfs "$dir/dev/shm"
	chroot "$dir" env -i "$@" && status=0 || status=$?
	exit "$status"
' bash "$dir" "${settings[@]}" HOME=/root TERM=dumb \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin \
	bash -euc "$bare"
