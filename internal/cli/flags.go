// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/powerhose/powerhose/internal/endpoint"
)

// Frontend adds --frontend, whose default is the one that the libraries use. An
// empty value stands for a default that cannot be had: the library says why.
func Frontend(fs *pflag.FlagSet, to *string, help string) {
	addEndpoint(fs, to, "frontend", help, endpoint.DefaultFrontend)
}

// Backend adds --backend, in the same way.
func Backend(fs *pflag.FlagSet, to *string, help string) {
	addEndpoint(fs, to, "backend", help, endpoint.DefaultBackend)
}

func addEndpoint(fs *pflag.FlagSet, to *string, name, help string, byDefault func() (string, error)) {
	value, err := byDefault()
	if err != nil {
		value = ""
	}
	fs.StringVar(to, name, value, help)
}

// Insecure adds --insecure.
func Insecure(fs *pflag.FlagSet, to *bool) {
	fs.BoolVar(to, "insecure", false, "allow tcp beyond this machine, where nothing is encrypted or authenticated")
}

// Size adds a flag for a number of bytes, such as 32MiB.
func Size(fs *pflag.FlagSet, to *int64, name string, byDefault int64, help string) {
	*to = byDefault
	fs.Var((*size)(to), name, help)
}

// size is a pflag.Value.
type size int64

var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// Set reads a number, with or without a unit.
func (s *size) Set(text string) error {
	unit := int64(1)
	for _, u := range units {
		// K, KB and KiB are all taken for what programmers mean.
		for _, suffix := range []string{u.name, u.name[:1] + "B", u.name[:1]} {
			if n := len(text) - len(suffix); unit == 1 && n > 0 && strings.EqualFold(text[n:], suffix) {
				text, unit = text[:n], u.bytes
			}
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("not a size such as 65536, 64KiB, 32MiB or 1GiB")
	}
	*s = size(n * unit)
	return nil
}

// String writes the size with the largest unit that divides it.
func (s *size) String() string { return FormatSize(int64(*s)) }

// Type is shown by --help.
func (*size) Type() string { return "size" }

// FormatSize writes a number of bytes with the largest unit that divides it.
func FormatSize(n int64) string {
	for _, u := range units {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// OneOf adds a flag that has one of a few values, the first by default.
func OneOf(fs *pflag.FlagSet, to *string, name, help string, byDefault string, values ...string) {
	*to = byDefault
	fs.Var(&oneOf{to, values}, name, help+": "+strings.Join(values, ", "))
}

// oneOf is a pflag.Value.
type oneOf struct {
	to     *string
	values []string
}

// Set accepts the values only.
func (o *oneOf) Set(text string) error {
	for _, v := range o.values {
		if text == v {
			*o.to = v
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", strings.Join(o.values, ", "))
}

// String returns the value.
func (o *oneOf) String() string { return *o.to }

// Type is shown by --help.
func (*oneOf) Type() string { return "word" }

// Variable is the environment variable that stands for a flag: --max-message is
// POWERHOSE_MAX_MESSAGE.
func Variable(flag string) string {
	return "POWERHOSE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// FromEnvironment gives each of these flags that is not on the command line the
// value of its variable, unless that is empty. No names means all flags. Call it
// after the command line was parsed.
func FromEnvironment(fs *pflag.FlagSet, names ...string) (err error) {
	if len(names) == 0 {
		fs.VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && f.Name != "version" {
				names = append(names, f.Name)
			}
		})
	}
	for _, name := range names {
		f := fs.Lookup(name)
		value := os.Getenv(Variable(name))
		if f == nil || f.Changed || value == "" {
			continue
		}
		if err := f.Value.Set(value); err != nil {
			return fmt.Errorf("invalid value %q of the environment variable %s: %w", value, Variable(name), err)
		}
	}
	return nil
}
