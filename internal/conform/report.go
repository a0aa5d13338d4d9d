// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/powerhose/powerhose/protocol"
)

// Verdict says what became of a check.
type Verdict uint8

const (
	// NotApplicable: the worker does not offer what the check is about, or the
	// check was not reached; the evidence says which.
	NotApplicable Verdict = iota
	Holds
	Broken
)

var verdictNames = [...]string{NotApplicable: "not applicable", Holds: "holds", Broken: "broken"}

// String returns "holds", "broken" or "not applicable".
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "verdict " + strconv.Itoa(int(v))
}

// MarshalText makes it a word in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("conform: %q is no verdict", text)
}

// Rule is the number of a requirement in docs/protocol.md.
type Rule int

// String returns it as it is cited, "R-35".
func (r Rule) String() string { return "R-" + strconv.Itoa(int(r)) }

// MarshalText is String, for JSON.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRule, for JSON.
func (r *Rule) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRule(string(text))
	return err
}

// lastRule is the highest number that there is.
const lastRule = 80

// ParseRule reads "R-35" or "35".
func ParseRule(s string) (Rule, error) {
	digits := s
	if len(s) > 2 && (s[:2] == "R-" || s[:2] == "r-") {
		digits = s[2:]
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n < 1 || n > lastRule {
		return 0, fmt.Errorf("%q is not the number of a rule, R-1 to R-%d", s, lastRule)
	}
	return Rule(n), nil
}

// sections of docs/protocol.md, with their last rules.
var sections = []struct {
	last  Rule
	title string
}{
	{4, "4 Roles and sockets"},
	{20, "6 Framing"},
	{33, "7 Registering"},
	{44, "8 Jobs"},
	{51, "9 Jobs of a runner"},
	{58, "10 Liveness"},
	{65, "11 Leaving"},
	{68, "12 Delivery"},
	{73, "13 Start ledger"},
	{76, "14 Listen mode"},
	{78, "19 Security"},
}

// added are rules that came later, and stand elsewhere than their numbers say.
var added = map[Rule]string{79: "10 Liveness", 80: "12 Delivery"}

// Section returns the number and the title of the section that the rule is in.
func (r Rule) Section() string {
	for _, s := range sections {
		if r <= s.last {
			return s.title
		}
	}
	return added[r]
}

// Finding is the outcome of one check.
type Finding struct {
	Rule    Rule    `json:"rule"`
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// Evidence is one line for people: what was expected and what came, or why
	// it is not applicable. What the worker sent is escaped in it.
	Evidence string `json:"evidence"`
}

// Report is what a run has found.
type Report struct {
	// Worker is how the program registered, the zero value if it did not.
	Worker protocol.Registration
	// Findings in the order of their rules.
	Findings []Finding
}

// Count returns how many findings have that verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, f := range r.Findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

func sortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(a.Rule, b.Rule) })
}
