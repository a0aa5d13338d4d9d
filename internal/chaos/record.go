// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// record is a file of lines that several may add to and that a killed process
// leaves complete: each line is one write.
type record struct{ f *os.File }

func openRecord(path string) (*record, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	return &record{f: f}, err
}

// say adds a line of words. Without its record the whole run proves nothing.
func (r *record) say(format string, args ...any) {
	if _, err := r.f.Write(fmt.Appendf(nil, format+"\n", args...)); err != nil {
		panic(fmt.Sprintf("chaos: the record cannot be written: %v", err))
	}
}

// The lines of a runner:
//
//	S id submitted deadline service mode retries wait cancel    before Do
//	E id returned kind may-have-run text                        after it
//	L from to                                                   it got no processor then
//	X at                                                        it ended in order
//
// and of a worker's journal:
//
//	S id at    started
//	E id at    about to answer
//	C id at    ended early, since it was cancelled

// submission is an S line of a runner, with its E line if there is one.
type submission struct {
	id        string
	runner    int // its place
	submitted time.Duration
	deadline  time.Duration
	service   string
	mode      string
	retries   int
	wait      time.Duration
	cancel    time.Duration
	lags      *[]span // of its process
	orderly   bool    // its process ended in order

	answered bool
	returned time.Duration
	kind     string
	ran      bool
	text     string
}

// start is an S line of a journal, with its end if there is one.
type start struct {
	id     string
	worker int    // its place
	file   string // of this start of its process
	at     time.Duration
	ended  byte // E, C or 0
	end    time.Duration
}

// readLines calls f for each line of a file, split at blanks. fewest says how
// many words a line has that begins with such a one.
func readLines(path string, fewest map[string]int, f func(words []string) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	s := bufio.NewScanner(file)
	s.Buffer(make([]byte, 1<<16), 1<<20)
	for n := 1; s.Scan(); n++ {
		words := strings.SplitN(s.Text(), " ", 9)
		if n, ok := fewest[words[0]]; !ok || len(words) < n {
			return fmt.Errorf("%s: not a line of a record: %q", path, s.Text())
		}
		if err := f(words); err != nil {
			return fmt.Errorf("%s:%d: %q: %w", path, n, s.Text(), err)
		}
	}
	return s.Err()
}

// times parses durations in nanoseconds.
func times(words ...string) ([]time.Duration, error) {
	out := make([]time.Duration, len(words))
	for i, w := range words {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return nil, err
		}
		out[i] = time.Duration(n)
	}
	return out, nil
}
