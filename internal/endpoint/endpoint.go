// SPDX-License-Identifier: Apache-2.0

// Package endpoint names the places where masters listen: it parses and
// validates endpoint strings before libzmq sees them, knows the default
// endpoints of this user, and creates and checks the directories that hold
// unix sockets.
//
// libzmq forgives too much: it binds relative and over-long paths, unlinks
// whatever lies at an ipc path, accepts schemes that nobody asked for, and
// retries a connection that can never succeed for ever and in silence. So every
// endpoint passes through Parse or ParseBind first.
//
// All functions may be called from any goroutine.
package endpoint

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// MaxPath is how many bytes the path of a unix socket may have: sun_path has
// 108, and the last one is a zero byte.
const MaxPath = 107

const (
	schemeIPC = "ipc://"
	schemeTCP = "tcp://"

	// wildcard is what libzmq calls "every interface" and "any free port".
	wildcard = "*"

	maxHostName = 253
)

// Endpoint is a validated address of the form ipc:///absolute/path or
// tcp://host:port. The zero Endpoint is not valid; get one from Parse or
// ParseBind. Endpoints are comparable.
type Endpoint struct {
	path string // set only for ipc: absolute and clean
	host string // set only for tcp: an address without brackets, a name, an interface or "*"
	port uint16 // tcp: 0 means any free port (only for binding)
}

// Parse validates an endpoint to connect to: ipc:// with an absolute path of at
// most MaxPath bytes, or tcp:// with a host (an IP address, IPv6 in brackets,
// or a name) and a port from 1 to 65535. The error says what to change.
func Parse(s string) (Endpoint, error) {
	return parse(s, false)
}

// ParseBind validates an endpoint to listen at. In addition to what Parse
// accepts, the host may be "*" or the name of a network interface, and the port
// may be "*" or 0: any free one.
func ParseBind(s string) (Endpoint, error) {
	return parse(s, true)
}

func parse(s string, bind bool) (Endpoint, error) {
	var (
		e   Endpoint
		err error
	)
	switch {
	case strings.HasPrefix(s, schemeIPC):
		e, err = parseIPC(s[len(schemeIPC):])
	case strings.HasPrefix(s, schemeTCP):
		e, err = parseTCP(s[len(schemeTCP):], bind)
	default:
		err = fmt.Errorf("does not begin with ipc:// or tcp://: write ipc:///absolute/path or tcp://host:port")
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint %q: %w", abbreviate(s), err)
	}
	return e, nil
}

func parseIPC(path string) (Endpoint, error) {
	switch {
	case path == "":
		return Endpoint{}, fmt.Errorf("has no path: write ipc:///absolute/path")
	case path[0] == '@':
		return Endpoint{}, fmt.Errorf("abstract sockets have no permissions, any local user may connect: use an absolute path")
	case path[0] != '/':
		return Endpoint{}, fmt.Errorf("path is not absolute: write ipc:///absolute/path, with three slashes")
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c < 0x20 || c == 0x7f:
			return Endpoint{}, fmt.Errorf("path has a control character (0x%02x) at byte %d: remove it", c, i)
		case c == '*':
			return Endpoint{}, fmt.Errorf("path has a \"*\": name one socket")
		case c == '~':
			return Endpoint{}, fmt.Errorf("path has a \"~\", which is not expanded here: write the directory's full name")
		}
	}
	if last := path[strings.LastIndexByte(path, '/')+1:]; last == "" || last == "." || last == ".." {
		return Endpoint{}, fmt.Errorf("path names a directory: add the name of the socket")
	}
	clean := filepath.Clean(path)
	if len(clean) > MaxPath {
		return Endpoint{}, fmt.Errorf("path has %d bytes, a unix socket allows %d: choose a shorter directory", len(clean), MaxPath)
	}
	return Endpoint{path: clean}, nil
}

func parseTCP(rest string, bind bool) (Endpoint, error) {
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 {
		return Endpoint{}, fmt.Errorf("has no port: write tcp://host:port")
	}
	host, err := parseHost(rest[:colon], bind)
	if err != nil {
		return Endpoint{}, err
	}
	port, err := parsePort(rest[colon+1:], bind)
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{host: host, port: port}, nil
}

func parseHost(host string, bind bool) (string, error) {
	switch {
	case host == "":
		return "", fmt.Errorf("has no host: write tcp://host:port")
	case host == wildcard && bind:
		return host, nil
	case host == wildcard:
		return "", fmt.Errorf("\"*\" is a host to listen at, not to connect to: name the host")
	case host[0] == '[' && host[len(host)-1] == ']':
		return parseIPv6(host[1 : len(host)-1])
	case strings.Contains(host, ":"):
		return "", fmt.Errorf("host %q: write IPv6 addresses in brackets, as in tcp://[::1]:5555", host)
	case len(host) > maxHostName:
		return "", fmt.Errorf("host has %d bytes, a name has at most %d", len(host), maxHostName)
	}
	if i := strings.IndexFunc(host, notInName); i >= 0 {
		return "", fmt.Errorf("host %q has the character %q: use an IP address or a name of letters, digits, \".\", \"-\" and \"_\"", host, host[i])
	}
	return host, nil
}

// parseIPv6 takes what stands in brackets. The zone, if any, is the name of an
// interface, in which netip allows everything.
func parseIPv6(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || strings.ContainsFunc(a.Zone(), notInName) {
		return "", fmt.Errorf("host \"[%s]\" is not an IPv6 address in brackets", s)
	}
	return s, nil
}

func notInName(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_')
}

func parsePort(port string, bind bool) (uint16, error) {
	anyPort := port == wildcard || port == "0"
	switch {
	case anyPort && bind:
		return 0, nil
	case anyPort:
		return 0, fmt.Errorf("port %q means any free port and is only for listening: give a number from 1 to 65535", port)
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return 0, fmt.Errorf("port %q is not a number from 1 to 65535", port)
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	return uint16(n), nil
}

// abbreviate keeps error texts readable, whatever was given as an endpoint.
func abbreviate(s string) string {
	const keep = 60
	if len(s) <= 2*keep {
		return s
	}
	return s[:keep] + "…" + s[len(s)-keep/2:]
}

// String returns the endpoint as libzmq takes it. Equal endpoints have equal
// strings, however they were spelled.
func (e Endpoint) String() string {
	if e.path != "" {
		return schemeIPC + e.path
	}
	if e.host == "" {
		return ""
	}
	host := e.host
	if e.IsIPv6() {
		host = "[" + host + "]"
	}
	port := wildcard
	if e.port != 0 {
		port = strconv.Itoa(int(e.port))
	}
	return schemeTCP + host + ":" + port
}

// IsIPC tells whether this is a unix socket.
func (e Endpoint) IsIPC() bool { return e.path != "" }

// Path returns the path of the unix socket, "" for tcp.
func (e Endpoint) Path() string { return e.path }

// IsTCP tells whether this is a tcp address.
func (e Endpoint) IsTCP() bool { return e.host != "" }

// IsIPv6 tells whether this is tcp with an IPv6 address. Names are looked up as
// IPv4 only, since libzmq needs to be told beforehand.
func (e Endpoint) IsIPv6() bool { return strings.Contains(e.host, ":") }

// IsLoopback tells whether this is tcp and stays on this machine: localhost or
// a loopback address. Names other than localhost are not looked up.
func (e Endpoint) IsLoopback() bool {
	if e.host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(e.host)
	return err == nil && a.Unmap().IsLoopback()
}

// CheckInsecure refuses tcp to or from other machines unless insecure is true:
// nothing on such a connection is encrypted or authenticated. ipc and loopback
// are always accepted.
func CheckInsecure(e Endpoint, insecure bool) error {
	if insecure || !e.IsTCP() || e.IsLoopback() {
		return nil
	}
	return fmt.Errorf("endpoint %q: traffic would be neither encrypted nor authenticated; "+
		"use --insecure (Config.Insecure) if the network is private, or an ipc:// endpoint", e.String())
}
