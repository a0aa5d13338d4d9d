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
		tabulate(&b, rows)
		b.WriteString("\n### Targets\n\n")
		r.targets(&b, x.goals)
	}
	r.troubles(&b)
	r.legend(&b)
	return b.String(), nil
}

// legend says what the peers are.
func (r *results) legend(b *strings.Builder) {
	b.WriteString("\n## Peers\n\n")
	for _, p := range peers() {
		if r.options.wants(p) && r.skipped[p.id()] == "" {
			fmt.Fprintf(b, "- %s: %s\n", p.id(), p.about)
		}
	}
}

func tabulate(b *strings.Builder, rows []row) {
	b.WriteString("| callers | peer | worker | client | jobs/s | p50 µs | p99 µs | p99.9 µs | CPU µs/job | RSS MiB | others' CPUs |\n")
	b.WriteString("|--:|---|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, row := range rows {
		if row.Rounds == 0 {
			continue // see troubles
		}
		figure := func(key string, value float64) string {
			s := row.Spread[key]
			if row.Rounds == 1 {
				return short(value)
			}
			return fmt.Sprintf("%s (%s–%s)", short(value), short(s[0]), short(s[1]))
		}
		fmt.Fprintf(b, "| %d | %s | %s | %s | %s | %s | %s | %s | %s | %s | %.2f |\n",
			row.Callers, row.Peer, row.Worker, row.Client,
			figure("jobs_per_s", row.JobsPerS), figure("p50_us", row.P50), figure("p99_us", row.P99),
			short(row.P999), figure("cpu_us_per_job", row.CPU), short(row.RSS/(1<<20)), row.Foreign)
	}
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
	b.WriteString("| ratio | measured | wanted | met |\n|---|--:|--:|---|\n")
	for _, g := range goals {
		if _, tried := r.rounds[g.over]; !tried {
			continue // not asked for, or skipped: see troubles
		}
		ratio, met, ok := g.judge(r)
		measured, verdict := fmt.Sprintf("%.2f (%.2f–%.2f)", ratio.median, ratio.least, ratio.most), "**no**"
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
	for _, id := range slices.Sorted(maps.Keys(r.skipped)) {
		fmt.Fprintf(b, "| %s | skipped: %s |\n", id, cell(r.skipped[id]))
	}
	for _, id := range slices.Sorted(maps.Keys(r.failed)) {
		fmt.Fprintf(b, "| %s | **failed**: %s |\n", id, cell(r.failed[id]))
	}
}

// cell makes a text fit into a table.
func cell(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "|", "/")), " ")
}
