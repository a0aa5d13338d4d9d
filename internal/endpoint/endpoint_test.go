// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	longest := "/" + strings.Repeat("a", MaxPath-1)
	for _, c := range []struct {
		in, out             string // out is "" for the same
		path                string
		tcp, ipv6, loopback bool
	}{
		{in: "ipc:///run/powerhose/frontend.sock", path: "/run/powerhose/frontend.sock"},
		{in: "ipc:///run//powerhose/./x/../f", out: "ipc:///run/powerhose/f", path: "/run/powerhose/f"},
		{in: "ipc:///with space/a@b", path: "/with space/a@b"},
		{in: "ipc://" + longest, path: longest},
		{in: "ipc:///" + strings.Repeat("./", 100) + "f", out: "ipc:///f", path: "/f"},
		{in: "tcp://127.0.0.1:5555", tcp: true, loopback: true},
		{in: "tcp://127.9.9.9:1", tcp: true, loopback: true},
		{in: "tcp://localhost:65535", tcp: true, loopback: true},
		{in: "tcp://[::1]:5555", tcp: true, ipv6: true, loopback: true},
		{in: "tcp://[::ffff:127.0.0.1]:5555", tcp: true, ipv6: true, loopback: true},
		{in: "tcp://[fe80::1%eth0]:5555", tcp: true, ipv6: true},
		{in: "tcp://10.0.0.1:05555", out: "tcp://10.0.0.1:5555", tcp: true},
		{in: "tcp://db-1.example_x.com:80", tcp: true},
		{in: "tcp://localhost.evil.com:80", tcp: true},
	} {
		for name, parse := range map[string]func(string) (Endpoint, error){"Parse": Parse, "ParseBind": ParseBind} {
			e, err := parse(c.in)
			require.NoError(t, err, "%s %s", name, c.in)
			want := c.out
			if want == "" {
				want = c.in
			}
			require.Equal(t, want, e.String())
			require.Equal(t, c.path, e.Path(), c.in)
			require.Equal(t, c.path != "", e.IsIPC(), c.in)
			require.Equal(t, c.tcp, e.IsTCP(), c.in)
			require.Equal(t, c.ipv6, e.IsIPv6(), c.in)
			require.Equal(t, c.loopback, e.IsLoopback(), c.in)

			again, err := parse(e.String())
			require.NoError(t, err)
			require.Equal(t, e, again)
		}
	}
}

func TestParseBindAcceptsMore(t *testing.T) {
	t.Parallel()
	for in, out := range map[string]string{
		"tcp://*:5555":      "tcp://*:5555",
		"tcp://*:*":         "tcp://*:*",
		"tcp://127.0.0.1:0": "tcp://127.0.0.1:*",
		"tcp://127.0.0.1:*": "tcp://127.0.0.1:*",
	} {
		e, err := ParseBind(in)
		require.NoError(t, err, in)
		require.Equal(t, out, e.String())
		require.Equal(t, strings.Contains(in, "127"), e.IsLoopback())
		_, err = Parse(in)
		require.Error(t, err, in)
	}
}

func TestRefusedEndpoints(t *testing.T) {
	t.Parallel()
	for in, says := range map[string]string{
		"":                                   "does not begin with ipc:// or tcp://",
		"/run/x":                             "does not begin with ipc:// or tcp://",
		"udp://127.0.0.1:1":                  "does not begin with ipc:// or tcp://",
		"inproc://x":                         "does not begin with ipc:// or tcp://",
		"IPC:///x":                           "does not begin with ipc:// or tcp://",
		"ipc://":                             "has no path",
		"ipc://x":                            "not absolute",
		"ipc://~/x":                          "not absolute",
		"ipc://*":                            "not absolute",
		"ipc://@x":                           "abstract sockets",
		"ipc:///home/~/x":                    `has a "~"`,
		"ipc:///run/*":                       `has a "*"`,
		"ipc:///run/a\x00b":                  "control character (0x00) at byte 6",
		"ipc:///run/a\nb":                    "control character (0x0a)",
		"ipc:///run/a\x7f":                   "control character (0x7f)",
		"ipc:///run/":                        "names a directory",
		"ipc:///.":                           "names a directory",
		"ipc:///a/..":                        "names a directory",
		"tcp://[fe80::1%a b]:1":              "not an IPv6 address",
		"ipc:///":                            "names a directory",
		"ipc:///" + strings.Repeat("a", 130): "path has 131 bytes, a unix socket allows 107: choose a shorter directory",
		"tcp://":                             "has no port",
		"tcp://host":                         "has no port",
		"tcp://:5555":                        "has no host",
		"tcp://host:":                        "is not a number",
		"tcp://host:65536":                   "is not a number",
		"tcp://host:-1":                      "is not a number",
		"tcp://host:+1":                      "is not a number",
		"tcp://host:5 ":                      "is not a number",
		"tcp://host:00":                      "is not a number",
		"tcp://::1:5555":                     "IPv6 addresses in brackets",
		"tcp://[::1:5555":                    "IPv6 addresses in brackets",
		"tcp://[127.0.0.1]:1":                "not an IPv6 address",
		"tcp://[x]:1":                        "not an IPv6 address",
		"tcp://[]:1":                         "not an IPv6 address",
		"tcp://a b:1":                        "has the character ' '",
		"tcp://a;b:1":                        "has the character ';'",
		"tcp://a/b:1":                        "has the character '/'",
		"tcp://host\x00:1":                   "has the character",
		"tcp://" + strings.Repeat("a", 254) + ":1": "at most 253",
	} {
		for name, parse := range map[string]func(string) (Endpoint, error){"Parse": Parse, "ParseBind": ParseBind} {
			e, err := parse(in)
			require.ErrorContains(t, err, says, "%s %q", name, in)
			require.Less(t, len(err.Error()), 300)
			require.Equal(t, Endpoint{}, e)
		}
	}
	_, err := Parse("tcp://*:1")
	require.ErrorContains(t, err, "name the host")
	_, err = Parse("tcp://host:*")
	require.ErrorContains(t, err, "only for listening")
}

func TestZeroEndpointIsNothing(t *testing.T) {
	t.Parallel()
	var e Endpoint
	require.False(t, e.IsIPC() || e.IsTCP() || e.IsLoopback() || e.IsIPv6())
	require.Empty(t, e.String())
	require.NoError(t, PrepareDir(e))
}

func TestOnlyLoopbackAndIPCAreSecure(t *testing.T) {
	t.Parallel()
	for in, fine := range map[string]bool{
		"ipc:///x":              true,
		"tcp://127.0.0.1:1":     true,
		"tcp://localhost:1":     true,
		"tcp://[::1]:1":         true,
		"tcp://10.0.0.1:1":      false,
		"tcp://*:1":             false,
		"tcp://eth0:1":          false,
		"tcp://0.0.0.0:1":       false,
		"tcp://[::]:1":          false,
		"tcp://example.com:1":   false,
		"tcp://127.0.0.1.com:1": false,
	} {
		e, err := ParseBind(in)
		require.NoError(t, err)
		require.NoError(t, CheckInsecure(e, true))
		err = CheckInsecure(e, false)
		if fine {
			require.NoError(t, err, in)
		} else {
			require.ErrorContains(t, err, "neither encrypted nor authenticated", in)
			require.ErrorContains(t, err, "--insecure")
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"ipc:///a", "tcp://h:1", "tcp://[::1]:1", "tcp://*:*", "ipc://@a", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bind, berr := ParseBind(s)
		if e, err := Parse(s); err == nil {
			require.NoError(t, berr)
			require.Equal(t, bind, e)
		}
		if berr != nil {
			return
		}
		require.NotEqual(t, bind.IsIPC(), bind.IsTCP())
		require.LessOrEqual(t, len(bind.Path()), MaxPath)
		require.NotContains(t, bind.String(), "\x00")
		again, err := ParseBind(bind.String())
		require.NoError(t, err)
		require.Equal(t, bind, again)
	})
}
