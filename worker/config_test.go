// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

func nothing(context.Context, *Job) ([]byte, error) { return nil, nil }

func TestNewNamesTheBadField(t *testing.T) {
	t.Parallel()
	services := Services{"": nothing}
	many := Services{}
	for i := range protocol.MaxServices + 1 {
		many[strings.Repeat("x", i%60)+string(rune('a'+i%26))+string(rune('a'+i/26))] = nothing
	}
	for _, c := range []struct {
		field string
		cfg   Config
	}{
		{"Services is empty", Config{}},
		{"Services has the name", Config{Services: Services{"a b": nothing}}},
		{"Services has no handler", Config{Services: Services{"a": nil}}},
		{"Services has 257", Config{Services: many}},
		{"Config.Backend", Config{Services: services, Backend: "nowhere"}},
		{"Config.Backend", Config{Services: services, Backend: "tcp://10.0.0.1:5555"}},
		{"Config.Capacity", Config{Services: services, Capacity: -1}},
		{"Config.Capacity", Config{Services: services, Capacity: 1025}},
		{"Config.Prefetch", Config{Services: services, Prefetch: 257}},
		{"Config.Patience", Config{Services: services, Patience: time.Millisecond}},
		{"Config.DrainTimeout", Config{Services: services, DrainTimeout: -1}},
		{"Config.MaxMessage", Config{Services: services, MaxMessage: 1024}},
		{"Config.Identity", Config{Services: services, Identity: "a b"}},
		{"Config.Listen", Config{Services: services, Listen: "tcp://*:0"}},
		{"Config.Listen", Config{Services: services, Listen: "tcp://0.0.0.0:0", Insecure: true}},
		{"Config.Listen", Config{Services: services, Listen: "tcp://[::]:0", Insecure: true}},
		{"Config.Listen", Config{Services: services, Listen: "tcp://10.0.0.1:0"}},
		{"Config.Listen", Config{Services: services, Listen: "tcp://127.0.0.1:5555"}},
		{"Config.Listen", Config{Services: services, Listen: "ipc://" + strings.Repeat("/long", 25)}},
		{"Config.Listen", Config{Services: services, Listen: "ipc:///" + strings.Repeat("x", 104)}},
	} {
		_, err := New(c.cfg)
		require.ErrorContains(t, err, c.field)
		require.True(t, strings.HasPrefix(err.Error(), "worker: "), err)
	}
	for _, cfg := range []Config{
		{Services: services},
		{Services: services, Backend: "tcp://10.0.0.1:5555", Insecure: true, Listen: "tcp://10.0.0.2:0"},
		{Services: services, Listen: "ipc:///run/powerhose/own.sock", Prefetch: -7},
	} {
		_, err := New(cfg)
		require.NoError(t, err)
	}
}

func TestIdentityIsFreshAndLegal(t *testing.T) {
	t.Parallel()
	first, err := newIdentity()
	require.NoError(t, err)
	second, err := newIdentity()
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NoError(t, protocol.Registration{Identity: first}.Check(protocol.RoleWorker))
}

func TestCut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", cut("short"))
	require.Equal(t, "a?b", cut("a\xff\xfeb"))
	long := cut("x" + strings.Repeat("€", 2000))
	require.Equal(t, "x"+strings.Repeat("€", 1365), long)
	require.Len(t, cut(strings.Repeat("\xff", 5000)), 1)
}

func TestDescribeShowsNoValues(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a value of type *errors.errorString", describe(errors.New("the secret")))
	require.Equal(t, "a value of type string", describe("the secret"))
	defer func() { require.Contains(t, describe(recover()), "index out of range") }()
	var s []int
	_ = s[len(s)]
}

func TestText(t *testing.T) {
	t.Parallel()
	handler := Text(func(_ context.Context, text string) (string, error) { return text + "!", errors.New("and an error") })
	answer, err := handler(context.Background(), &Job{Payload: []byte("hey")})
	require.Equal(t, "hey!", string(answer))
	require.EqualError(t, err, "and an error")
}
