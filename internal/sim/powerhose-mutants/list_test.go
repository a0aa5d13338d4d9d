// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever changes what a mutant changes has to mend mutants.txt too.
func TestEveryMutantCanBeMade(t *testing.T) {
	t.Parallel()
	mutants, err := parse(list)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(mutants), 30)
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, m := range mutants {
		require.False(t, names[m.name], "%q is there twice", m.name)
		names[m.name] = true
		path, text, err := m.apply(root)
		require.NoError(t, err, "%q", m.name)
		_, err = parser.ParseFile(token.NewFileSet(), path, text, 0)
		require.NoError(t, err, "%q", m.name)
	}
}

func TestTextThatMovedIsAnError(t *testing.T) {
	t.Parallel()
	m := mutant{name: "x", pkg: "internal/dispatch", old: "nobody wrote this", new: "y"}
	_, _, err := m.apply("../../..")
	require.ErrorContains(t, err, "0 times, not once")
	m.old = "\n"
	_, _, err = m.apply("../../..")
	require.ErrorContains(t, err, "not once")
}

func TestListIsChecked(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"\n= a\np":           "not complete",
		"\n= a\np\n x":       "changes nothing",
		"\n= a\np\n+y\n":     "changes nothing",
		"\n= a\np\nx\n":      "begins with neither",
		"\n= a\np\n-x\n+x\n": "changes nothing",
	} {
		_, err := parse(text)
		require.ErrorContains(t, err, why, "%q", text)
	}
	mutants, err := parse("about\n\n= a\np\n x\n-y\n+z\n\n= b\nq\n-1\n")
	require.NoError(t, err)
	require.Equal(t, []mutant{{"a", "p", "x\ny\n", "x\nz\n"}, {"b", "q", "1\n", ""}}, mutants)
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := []mutant{{name: "a1"}, {name: "b2"}, {name: "a3"}, {name: "a4"}, {name: "a5"}}
	require.Equal(t, all, choose(all, "", 0))
	require.Equal(t, []mutant{{name: "a1"}, {name: "a4"}}, choose(all, "a", 2))
	require.Empty(t, choose(all, "c", 2))
}

func TestComplaint(t *testing.T) {
	t.Parallel()
	out := "from seed 1\n\nFAILED seed 7, after 1.2s: job 3: it runs twice\n   0.1 x\nthat was after 7 seeds and 1234 events\n"
	require.Equal(t, "seed 7 after 1234 events: job 3: it runs twice", complaint([]byte(out)))
	require.Equal(t, "seed 9: it hangs", complaint([]byte("FAILED seed 9: it hangs\n")))
	require.Contains(t, complaint([]byte("panic")), "it crashes")
}

func TestTableHasNoSeeds(t *testing.T) {
	t.Parallel()
	require.Equal(t, "simulation: a master gives it to a worker that has … jobs, … ago",
		lasting(`simulation, seed 7 after 12 events: job 3 (service "a", 0 retries): master0 gives it to a worker that has 1 jobs, 1.5ms ago`))
	require.Equal(t, "test: hub, TestX", lasting("test: hub, TestX"))
}
