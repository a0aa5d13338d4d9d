#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian or Ubuntu packages that are missing, and checks the versions that matter.
#
#     scripts/deps.sh build-go  what building and running the programs in Go needs
#     scripts/deps.sh build     the same, and what powerhose-cworker needs, which is in C++
#     scripts/deps.sh test      the same, and what the tests need
#     scripts/deps.sh lint      what building in Go needs, and what the lint checks need
#     scripts/deps.sh fuzz      what the fuzz targets in C++ need
#
# A package counts as there when what we want from it works, not when dpkg says so: a libzmq built from source, or
# another distribution's, is as good. Where nothing is missing this changes nothing and needs no rights.
. "$(dirname "$0")/lib.sh"

go_wanted=$(awk '$1 == "go" { print $2 }' go.mod)
libzmq_wanted=4.3.4
libzmq_mended=4.3.4-5 # Debian's first 4.3.4 with the mend for "message can't be received due to signal"; 4.3.5 has it
python=/usr/bin/python3

missing=()
want() { # want PACKAGE COMMAND...: PACKAGE is missing unless COMMAND succeeds
	local package=$1
	shift
	"$@" >/dev/null 2>&1 || missing+=("$package")
}

has_c_headers() { printf '#include <stdlib.h>\n' | "${CC:-gcc}" -E -; }
has_certificates() { # without them no module can be downloaded
	local file
	for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
		/etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
		[ ! -s "$file" ] || return 0
	done
	return 1
}

has_cryptopp() { # Debian calls it libcrypto++, others libcryptopp
	"${PKG_CONFIG:-pkg-config}" --exists libcrypto++ || "${PKG_CONFIG:-pkg-config}" --exists libcryptopp
}
has_protobuf() { "${PKG_CONFIG:-pkg-config}" --exists protobuf-lite; }

has_libfuzzer() {
	local dir
	dir=$(mktemp -d) || return 1
	printf 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long) { return 0; }\n' |
		clang++ -x c++ -fsanitize=fuzzer,address,undefined - -o "$dir/target"
	local result=$?
	rm -r "$dir"
	return "$result"
}

want_cxx() { # what powerhose-cworker needs
	want g++ command -v "${CXX:-g++}"
	want cmake command -v cmake
	want cppzmq-dev test -e /usr/include/zmq.hpp
	want libcli11-dev test -e /usr/include/CLI/CLI.hpp
	want libcrypto++-dev has_cryptopp
	want libprotobuf-dev has_protobuf
	want protobuf-compiler command -v protoc
}

find_missing() {
	missing=()
	want make command -v make
	want ca-certificates has_certificates
	want gcc command -v "${CC:-gcc}"
	want libc6-dev has_c_headers
	want pkg-config command -v "${PKG_CONFIG:-pkg-config}"
	want libzmq3-dev "${PKG_CONFIG:-pkg-config}" --exists libzmq
	case $1 in
	build-go) ;;
	build) want_cxx ;;
	test)
		want_cxx
		want python3 "$python" --version
		want python3-zmq "$python" -c 'import zmq'
		want doctest-dev test -e /usr/include/doctest/doctest.h
		want iproute2 command -v ip # network namespaces of make chaos
		;;
	lint) want shellcheck command -v shellcheck ;;
	verify) want protobuf-compiler command -v protoc ;;
	fuzz)
		want g++ command -v "${CXX:-g++}" # clang takes its standard library
		want cmake command -v cmake
		want cppzmq-dev test -e /usr/include/zmq.hpp
		want clang command -v clang++
		want libclang-rt-dev has_libfuzzer
		;;
	bench)
		want g++ command -v "${CXX:-g++}"
		want gearman-job-server test -x /usr/sbin/gearmand
		want libgearman-dev test -e /usr/include/libgearman/gearman.h
		;;
	*) die "deps.sh: unknown set '$1' (there are: build-go, build, test, lint, verify, fuzz, bench)" ;;
	esac
}

# as_root prints the prefix that makes a command run as root: nothing, or sudo. It fails when there is neither.
as_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo >/dev/null || return 1
	# Without a terminal sudo cannot ask for a password: then only one that needs none is of use.
	[ -t 0 ] || sudo -n true 2>/dev/null || return 1
	printf sudo
}

apt() {
	# shellcheck disable=SC2086 # $root is one word or none
	$root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

install_missing() {
	local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" root
	command -v apt-get >/dev/null ||
		die "these packages (Debian's names) are missing: ${missing[*]}; install your system's equivalents and run this again"
	root=$(as_root) || die "packages are missing and this user may not install them; as root, run:
    $line"
	say "installing ${missing[*]}"
	# One unreachable third-party repository makes the update fail, though our packages may well be had.
	apt update || say "apt-get update failed; trying with the package lists that are there"
	apt install -y --no-install-recommends "${missing[@]}" >/dev/null ||
		die "apt-get could not install them; as root, run:
    $line"
}

check_go() {
	command -v go >/dev/null ||
		die "Go is missing: install Go $go_wanted or newer from https://go.dev/dl/ (to /usr/local/go, or anywhere in PATH)"
	local have
	# Outside the module: an old Go cannot even read our go.mod, and a new one would fetch the toolchain it names.
	have=$(cd / && go env GOVERSION) || die "go does not run"
	have=${have##*go}
	at_least "$go_wanted" "${have%%[!0-9.]*}" || [ "$(go env GOTOOLCHAIN 2>/dev/null)" = auto ] ||
		die "Go $have is too old: install Go $go_wanted or newer from https://go.dev/dl/"
}

check_libzmq() {
	local have owner
	have=$(zmq_version) || die "pkg-config does not know libzmq"
	at_least "$libzmq_wanted" "$have" || die "libzmq $have is too old: $libzmq_wanted or newer is needed"
	[ "$have" = 4.3.4 ] || return 0
	owner=$(dpkg-query -S "$("${PKG_CONFIG:-pkg-config}" --variable=pcfiledir libzmq)/libzmq.pc" 2>/dev/null) || owner=
	[ -z "$owner" ] || have=$(dpkg-query -W -f '${Version}' "${owner%%: *}")
	# Go's scheduler sends its threads signals all the time, so this defect is no rarity here.
	dpkg --compare-versions "$have" ge "$libzmq_mended" 2>/dev/null ||
		printf 'warning: libzmq %s can hold back messages when a signal arrives; use 4.3.5, or Debian %s or newer\n' \
			"$have" "$libzmq_mended" >&2
}

zmq_version() { "${PKG_CONFIG:-pkg-config}" --modversion libzmq; }

at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

what=${1:-test}
check_go # first, because it is the one thing that we do not install
find_missing "$what"
if [ "${#missing[@]}" -gt 0 ]; then
	install_missing
	find_missing "$what"
	[ "${#missing[@]}" -eq 0 ] || die "installed, but still not usable: ${missing[*]}"
fi
check_libzmq
say "all that is needed to $what is installed ($(go env GOVERSION), libzmq $(zmq_version))"
