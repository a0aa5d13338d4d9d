// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// smallest forms of the cases that are not about echo. Those with workers in C++
// are left out where they would build what no other test needs.
var smallest = map[string]struct {
	options options
	rows    int
	keys    []string // what the rows have beside the usual
	plots   []string
	idle    bool // that nothing gets done is a result too
}{
	"web": {
		rows:  3,
		keys:  []string{"ping_p50_us", "ping_p99_us", "ping_p999_us", "offered_per_s", "pings_per_s"},
		idle:  true, // where nobody wants the processors but 64 logins, none may get done
		plots: []string{"web-ping", "web-login"},
	},
	"cpu": {
		options: options{points: "1 ms", peers: "pool,powerhose-embedded,powerhose-master"}, rows: 5,
	},
	"bytes": {
		options: options{points: "1 KiB,64 KiB", callers: 8, peers: "powerhose-embedded,grpc"}, rows: 3 * 2, keys: []string{"bytes_per_s"},
		plots: []string{"bytes-8-callers"},
	},
	"start": {rows: 2},
	"growth": {
		options: options{points: "2 workers,10 callers,100 services,1 runner," + waitingPoint}, rows: 5,
		keys: []string{"master_rss_bytes"},
	},
	"crypto": {
		options: options{points: "digest SHA-256,verify ED25519", peers: "library,service,powerhose-embedded", goOnly: true}, rows: 6,
		keys: []string{"jobs_per_s_per_cpu"},
	},
}

func TestEachCaseMeasuresSomething(t *testing.T) {
	for _, x := range experiments() {
		if x.name == "echo" {
			continue // see TestEachPeerDoesSomeJobs
		}
		t.Run(x.name, func(t *testing.T) {
			form, ok := smallest[x.name]
			require.True(t, ok, "the case has a smallest form")
			o := form.options
			o.settings, o.cases = shortest, x.name
			require.NoError(t, o.check())
			r, err := measureAll(t.Context(), o, t.Output())
			require.NoError(t, err)
			dir := t.TempDir()
			require.NoError(t, r.write(dir))
			text, err := os.ReadFile(filepath.Join(dir, "results.json"))
			require.NoError(t, err)
			var rows []map[string]any
			require.NoError(t, json.Unmarshal(text, &rows))
			require.Len(t, rows, form.rows)
			usual := []string{"jobs_per_s", "p50_us", "p99_us", "p999_us", "cpu_us_per_job", "rss_bytes"}
			for _, row := range rows {
				if row["skipped"] != nil {
					t.Logf("not measured: %v", row["skipped"]) // make bench-deps installs what is missing
					continue
				}
				require.Nil(t, row["failed"], row)
				keys := slices.Concat(usual, form.keys)
				if row["jobs"] == 0.0 && form.idle {
					keys = form.keys
				}
				for _, key := range keys {
					require.Contains(t, row, key)
					require.Positive(t, row[key], "%s in %v", key, row)
				}
			}
			for _, name := range form.plots {
				for _, kind := range []string{".png", ".svg"} {
					info, err := os.Stat(filepath.Join(dir, name+kind))
					require.NoError(t, err)
					require.NotZero(t, info.Size())
				}
			}
		})
	}
}

func TestAnswersOfTheWebProcessAreParsed(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 5\r\n\r\nbusy\n"
	for n := range len(answer) {
		_, whole, err := parseAnswer([]byte(answer[:n]))
		require.NoError(t, err)
		require.False(t, whole, n)
	}
	status, whole, err := parseAnswer([]byte(answer))
	require.NoError(t, err)
	require.True(t, whole)
	require.Equal(t, 503, status)
	_, _, err = parseAnswer([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	require.Error(t, err, "no length")
}

func TestRowsHaveTheFiguresOfTheirCase(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(row{Peer: "pool", More: map[string]float64{"ping_p50_us": 1.5}})
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, "pool", got["peer"])
	require.InDelta(t, 1.5, got["ping_p50_us"], 0)
}

func TestPeersHaveDifferentNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range peers() {
		require.False(t, seen[p.id()], p.id())
		seen[p.id()] = true
	}
	for _, x := range experiments() {
		for _, id := range x.peers() {
			require.True(t, seen[id], id)
		}
	}
}
