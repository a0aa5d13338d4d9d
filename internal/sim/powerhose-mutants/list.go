// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed mutants.txt
var list string

// mutant is one bug.
type mutant struct {
	name, pkg, old, new string
}

// parse reads the list.
func parse(text string) ([]mutant, error) {
	var mutants []mutant
	for _, block := range strings.Split(text, "\n= ")[1:] {
		lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
		m := mutant{name: lines[0]}
		if len(lines) < 3 {
			return nil, fmt.Errorf("%q is not complete", m.name)
		}
		m.pkg = lines[1]
		for _, line := range lines[2:] {
			switch {
			case line == "":
			case line[0] == '-':
				m.old += line[1:] + "\n"
			case line[0] == '+':
				m.new += line[1:] + "\n"
			case line[0] == ' ':
				m.old += line[1:] + "\n"
				m.new += line[1:] + "\n"
			default:
				return nil, fmt.Errorf("%q: a line begins with neither blank, - nor +: %s", m.name, line)
			}
		}
		if m.old == m.new || m.old == "" {
			return nil, fmt.Errorf("%q changes nothing", m.name)
		}
		mutants = append(mutants, m)
	}
	return mutants, nil
}

// apply returns the file that the mutant is in, and the file's text as the mutant
// has it. What it replaces must be in its package exactly once.
func (m *mutant) apply(root string) (path, text string, err error) {
	files, err := filepath.Glob(filepath.Join(root, m.pkg, "*.go"))
	if err != nil {
		return "", "", err
	}
	times := 0
	old := strings.TrimSuffix(m.old, "\n")
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return "", "", err
		}
		if n := strings.Count(string(source), old); n > 0 {
			path, text, times = file, string(source), times+n
		}
	}
	if times != 1 {
		return "", "", fmt.Errorf("%s has the old text %d times, not once: mend mutants.txt", m.pkg, times)
	}
	return path, strings.Replace(text, old, strings.TrimSuffix(m.new, "\n"), 1), nil
}
