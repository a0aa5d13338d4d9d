// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// markdown is results.md.
func (r *results) markdown() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmark results\n\n%s, load average %s before.\n", r.system.when, r.system.loadAverage)
	fmt.Fprintf(&b, "Medians of %d interleaved rounds of %d ms, least–most in parentheses.\n\n",
		r.options.settings.rounds, r.options.settings.lengthMS)
	fmt.Fprintf(&b, "%s.\n", r.system.machine)
	for _, name := range slices.Sorted(maps.Keys(r.system.versions)) {
		fmt.Fprintf(&b, "%s %s. ", name, r.system.versions[name])
	}
	b.WriteString("\n")
	for _, x := range r.options.experiments() {
		rows, err := r.rows(x)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n## %s\n\n", x.title)
		tabulate(&b, rows, x.columns)
		if len(x.goals) > 0 {
			b.WriteString("\n### Targets\n\n")
			r.targets(&b, x.goals)
		}
	}
	r.troubles(&b)
	r.legend(&b)
	return b.String(), nil
}

// legend says what the peers are.
func (r *results) legend(b *strings.Builder) {
	b.WriteString("\n## Peers\n\n")
	took := map[string]bool{}
	for at := range r.rounds {
		took[at.peer] = true
	}
	for _, p := range peers() {
		if took[p.id()] {
			fmt.Fprintf(b, "- %s: %s\n", p.id(), p.about)
		}
	}
}

// column of a table: what it says of a row.
type column struct {
	title string // of words if it begins with a blank, else of numbers
	cell  func(row) string
}

// words is a column of text.
func words(title string, of func(row) string) column { return column{" " + title, of} }

// figures is a column of a figure with its spread, in units of unit; of gets it
// from the key in results.json.
func figures(title, key string, unit float64) column {
	return column{title, func(r row) string { return r.figure(key, unit) }}
}

// figure with its spread, in units of unit.
func (r row) figure(key string, unit float64) string {
	if !r.has(key) {
		return "–"
	}
	median := short(r.median(key) / unit)
	if r.Rounds == 1 {
		return median
	}
	s := r.Spread[key]
	return fmt.Sprintf("%s (%s–%s)", median, short(s[0]/unit), short(s[1]/unit))
}

// has says whether the case measures that figure here.
func (r row) has(key string) bool {
	_, more := r.More[key]
	return more || r.median(key) != 0
}

// median of a figure by its key in results.json.
func (r row) median(key string) float64 {
	switch key {
	case "jobs_per_s":
		return r.JobsPerS
	case "p50_us":
		return r.P50
	case "p99_us":
		return r.P99
	case "p999_us":
		return r.P999
	case "cpu_us_per_job":
		return r.CPU
	case "rss_bytes":
		return r.RSS
	case "foreign_cpu":
		return r.Foreign
	}
	return r.More[key]
}

// median is a column of a figure without its spread.
func median(title, key string, unit float64) column {
	return column{title, func(r row) string {
		if !r.has(key) {
			return "–"
		}
		return short(r.median(key) / unit)
	}}
}

var (
	callersColumn = column{"callers", func(r row) string { return strconv.Itoa(r.Callers) }}
	peerColumn    = words("peer", func(r row) string { return r.Peer })
	workerColumn  = words("worker", func(r row) string { return r.Worker })
	clientColumn  = words("client", func(r row) string { return r.Client })
	othersColumn  = column{"others' CPUs", func(r row) string { return strconv.FormatFloat(r.Foreign, 'f', 2, 64) }}
)

// pointColumn is what tells the points of a case apart.
func pointColumn(title string) column { return words(title, func(r row) string { return r.Point }) }

const mib = 1 << 20

// usual are the columns of a case that says nothing else.
func usual() []column {
	return []column{
		callersColumn, peerColumn, workerColumn, clientColumn,
		figures("jobs/s", "jobs_per_s", 1), figures("p50 µs", "p50_us", 1), figures("p99 µs", "p99_us", 1),
		median("p99.9 µs", "p999_us", 1), figures("CPU µs/job", "cpu_us_per_job", 1), median("RSS MiB", "rss_bytes", mib),
		othersColumn,
	}
}

func tabulate(b *strings.Builder, rows []row, columns []column) {
	if columns == nil {
		columns = usual()
	}
	var titles, rules strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&titles, " %s |", strings.TrimSpace(c.title))
		if strings.HasPrefix(c.title, " ") {
			rules.WriteString("---|")
		} else {
			rules.WriteString("--:|")
		}
	}
	fmt.Fprintf(b, "|%s\n|%s\n", &titles, &rules)
	for _, row := range rows {
		if row.Rounds == 0 || row.beside {
			continue // see troubles, or another row
		}
		b.WriteString("|")
		for _, c := range columns {
			fmt.Fprintf(b, " %s |", c.cell(row))
		}
		b.WriteString("\n")
	}
}

// sizeOf writes a number of octets that is a power of two.
func sizeOf(octets int) string {
	switch {
	case octets >= mib:
		return strconv.Itoa(octets/mib) + " MiB"
	case octets >= 1<<10:
		return strconv.Itoa(octets>>10) + " KiB"
	}
	return strconv.Itoa(octets) + " B"
}

// count writes a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// short writes a number with three digits or, above a thousand, without a
// fraction and with its thousands apart.
func short(x float64) string {
	switch {
	case x < 10:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 100:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

// targets tells of each goal whether it is met.
func (r *results) targets(b *strings.Builder, goals []goal) {
	b.WriteString("| what | measured | wanted | met |\n|---|--:|--:|---|\n")
	for _, g := range goals {
		if _, tried := r.rounds[g.over]; !tried {
			continue // not asked for, or skipped: see troubles
		}
		ratio, met, ok := g.judge(r)
		measured, verdict := fmt.Sprintf("%s (%s–%s)", short(ratio.median), short(ratio.least), short(ratio.most)), "**no**"
		switch {
		case !ok:
			measured, verdict = "–", "not measured"
		case met:
			verdict = "yes"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", g, measured, g.wanted(), verdict)
	}
}

// troubles tells which peers are missing and why.
func (r *results) troubles(b *strings.Builder) {
	if len(r.skipped)+len(r.failed) == 0 {
		return
	}
	b.WriteString("\n## Not measured\n\n| peer | why |\n|---|---|\n")
	for _, at := range inOrder(r.skipped) {
		fmt.Fprintf(b, "| %s | skipped: %s |\n", at, cell(r.skipped[at]))
	}
	for _, at := range inOrder(r.failed) {
		fmt.Fprintf(b, "| %s | **failed**: %s |\n", at, cell(r.failed[at]))
	}
}

func inOrder(reasons map[failure]string) []failure {
	return slices.SortedFunc(maps.Keys(reasons), func(a, b failure) int { return strings.Compare(a.String(), b.String()) })
}

// String names it, for people.
func (f failure) String() string {
	if f.experiment == "" {
		return f.peer
	}
	return f.peer + " in " + f.experiment
}

// cell makes a text fit into a table.
func cell(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "/")), " ")
}
