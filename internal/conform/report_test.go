// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindingsAsJSON(t *testing.T) {
	t.Parallel()
	in := []Finding{{35, "in order", Holds, "yes"}, {70, "claims", NotApplicable, ""}, {2, "connects", Broken, "no"}}
	text, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t, `[
		{"rule": "R-35", "name": "in order", "verdict": "holds", "evidence": "yes"},
		{"rule": "R-70", "name": "claims", "verdict": "not applicable", "evidence": ""},
		{"rule": "R-2", "name": "connects", "verdict": "broken", "evidence": "no"}]`, string(text))
	var out []Finding
	require.NoError(t, json.Unmarshal(text, &out))
	require.Equal(t, in, out)
	require.Error(t, json.Unmarshal([]byte(`[{"verdict": "fine"}]`), &out))
}

func TestParseRule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rule{"R-1": 1, "r-35": 35, "80": 80} {
		got, err := ParseRule(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "R-", "R-0", "R-81", "R--1", "S-1", "1.5", "R-35 "} {
		_, err := ParseRule(text)
		require.Error(t, err, "%q", text)
	}
}

// Sections and the last rule are those of the document.
func TestSectionsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	require.NoError(t, err)
	last := Rule(0)
	found := regexp.MustCompile(`(?m)^## (\d+)\. |\*\*R-(\d+)\*\*`).FindAllStringSubmatch(string(text), -1)
	section := ""
	for _, m := range found {
		if m[1] != "" {
			section = m[1] + " "
			continue
		}
		n, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		last = max(last, Rule(n))
		require.Regexp(t, "^"+section, Rule(n).Section(), Rule(n))
	}
	require.Equal(t, Rule(lastRule), last)
	require.Empty(t, Rule(lastRule+1).Section())
}
