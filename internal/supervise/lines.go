// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// maxLine bounds what is kept of a line whose end has not come.
const maxLine = 64 << 10

// output is where the lines of all processes go.
type output struct {
	mu sync.Mutex // guards to: one line at a time
	to io.Writer
}

func (o *output) write(prefix string, line []byte) {
	whole := make([]byte, 0, len(prefix)+len(line)+1)
	whole = append(append(whole, prefix...), line...)
	whole = append(whole, '\n')
	o.mu.Lock()
	defer o.mu.Unlock()
	// A process must not be held up because nobody can read what it says.
	_, _ = o.to.Write(whole)
}

// lineWriter cuts what one process writes into lines. Write is called by the one
// goroutine that reads its output, flush after that has ended.
type lineWriter struct {
	out *output

	// named is closed when prefix is set: the process can write before we know
	// its number.
	named  chan struct{}
	prefix string
	rest   []byte // of a line whose end has not come
}

func newLineWriter(out *output) *lineWriter {
	return &lineWriter{out: out, named: make(chan struct{})}
}

func (w *lineWriter) name(pid int) {
	w.prefix = fmt.Sprintf("[%d] ", pid)
	close(w.named)
}

// Write never fails: an error would end the reading, and then the process.
func (w *lineWriter) Write(b []byte) (int, error) {
	<-w.named
	n := len(b)
	for len(b) > 0 {
		line, rest, found := bytes.Cut(b, []byte{'\n'})
		if room := maxLine - len(w.rest); len(line) > room {
			line, rest, found = b[:room], b[room:], true
		}
		w.rest = append(w.rest, line...)
		if found {
			w.out.write(w.prefix, w.rest)
			w.rest = w.rest[:0]
		}
		b = rest
	}
	return n, nil
}

// flush passes on a last line without an end.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.out.write(w.prefix, w.rest)
		w.rest = nil
	}
}
