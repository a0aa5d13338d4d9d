// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"fmt"

	"github.com/powerhose/powerhose/protocol"
)

// framing are the checks of messages that must be dropped. Nothing may come of
// them: the worker goes on, its registration stands, and there is no answer.
var framing = []check{
	{rule: 20, name: "what has no header is dropped", run: func(r *rig) string {
		r.ready()
		return r.drops(
			frames("\x00"), frames("PHZ"), frames("PHZ\x01W"), frames("XYZ\x01W\x06"), frames("phz\x01W\x09"),
			frames("GET / HTTP/1.1\r\n\r\n"), frames(string(bytes.Repeat([]byte{0xff}, 5000))), frames("\xff", "\x00\x01\x02"),
		)
	}},
	{rule: 7, name: "other versions are dropped", run: func(r *rig) string {
		r.ready()
		job := string(rawJob(r.echoJob(), 0))
		return r.drops(
			frames("PHZ\x02W\x06"), frames("PHZ\x02W\x09"), frames("PHZ\x00W\x06"), frames("PHZ\xffW\x0d\x01\x00\x00"),
			frames("PHZ\x02"+job[4:], "another version"),
		)
	}},
	{rule: 8, name: "other roles are dropped", run: func(r *rig) string {
		r.ready()
		job := string(rawJob(r.echoJob(), 0))
		return r.drops(
			frames("PHZ\x01R\x06"), frames("PHZ\x01R\x09"), frames("PHZ\x01X\x06"), frames("PHZ\x01w\x06"),
			frames("PHZ\x01R"+job[5:], "another role"),
		)
	}},
	{rule: 9, name: "commands that a master does not have are dropped", run: func(r *rig) string {
		r.ready()
		var all [][][]byte
		for _, c := range []protocol.Command{
			0, protocol.CommandRegister, protocol.CommandDrain, protocol.CommandReturn, protocol.CommandStatus, 0x0f, 0x7f, 0xff,
		} {
			all = append(all, [][]byte{command(c)})
		}
		result := protocol.WorkerResult{ID: 1}.Append(nil)
		return r.drops(append(all, [][]byte{result, []byte("a result")})...)
	}},
	{rule: 10, name: "a wrong number of frames is malformed", run: func(r *rig) string {
		r.ready()
		job := string(rawJob(r.echoJob(), 0))
		return r.drops(
			frames("PHZ\x01W\x06", "PING with a payload"), frames(job), frames("PHZ\x01W\x09", ""),
			frames("", "PHZ\x01W\x06"), frames("", ""), frames("PHZ\x01W\x0d\x01\x00\x00", "ERROR 1 with a payload"),
		)
	}},
	{rule: 11, name: "fields that do not fill their frame are malformed", run: func(r *rig) string {
		r.ready()
		m := r.echoJob()
		job := rawJob(m, 0)
		all := [][][]byte{
			frames("PHZ\x01W\x06\x00"), frames("PHZ\x01W\x09\x00"), frames("PHZ\x01W\x0d"), frames("PHZ\x01W\x0d\x01"),
			frames("PHZ\x01W\x0d\x01\x00\x05text"), frames("PHZ\x01W\x0d\x01\x00\x03text"),
			frames("PHZ\x01W\x05\x00"), frames("PHZ\x01W\x0a\x00"),
			frames(string(rawJob(m, 0, 0)), "an octet too much"), frames(string(rawJob(m, 1)), "no header is there"),
			frames(string(rawJob(m, 4, 3, 'a', 'b', 'c')), "a header that is cut short"),
			frames(string(rawJob(m, 0xffff)), "headers-len lies"),
		}
		for _, n := range []int{6, 13, 17, 25, 26, len(job) - 3, len(job) - 1} {
			all = append(all, frames(string(job[:n]), "cut short"))
		}
		long := m
		long.Service = append([]byte(nil), m.Service...)
		cut := rawJob(long, 0)
		cut[26] = 64 // service-len lies
		return r.drops(append(all, frames(string(cut), "service-len lies"))...)
	}},
	{rule: 12, name: "what is beyond a limit is dropped", run: func(r *rig) string {
		r.ready()
		m := r.echoJob()
		name := m
		name.Service = bytes.Repeat([]byte{'s'}, protocol.MaxServiceName+1)
		headers := m
		for range 2 {
			headers.Headers = appendHeader(headers.Headers, "h", protocol.MaxHeaders/2)
		}
		text := append(command(protocol.CommandError, 1, 0x10, 0x01), bytes.Repeat([]byte{'t'}, protocol.MaxErrorText+1)...)
		return r.drops(
			frames(string(rawJob(name, 0)), "a name of 65 octets"),
			frames(string(rawJob(headers, len(headers.Headers))), "too many headers"),
			[][]byte{text},
		)
	}},
	{rule: 38, name: "a job with an impossible service or header is malformed", run: func(r *rig) string {
		r.ready()
		m := r.echoJob()
		var all [][][]byte
		for _, name := range []string{" ", "a b", "\x00", "caf\xc3\xa9", "\x7f"} {
			bad := m
			bad.Service = []byte(name)
			all = append(all, frames(string(rawJob(bad, 0)), "service"))
		}
		return r.drops(append(all, frames(string(rawJob(m, 3, 0, 0, 0)), "a header without a name"))...)
	}},
}

// appendHeader adds a header with a value of n octets.
func appendHeader(h []byte, name string, n int) []byte {
	h = append(append(h, byte(len(name))), name...)
	h = append(h, byte(n>>8), byte(n))
	return append(h, bytes.Repeat([]byte{'v'}, n)...)
}

func frames(texts ...string) (all [][]byte) {
	for _, text := range texts {
		all = append(all, []byte(text))
	}
	return all
}

// echoJob is a job that would be done, if it were in order. Its answer would be
// one to a job that was not given.
func (r *rig) echoJob() protocol.WorkerJob {
	name := r.cfg.Services.Echo
	if !r.offers(name) {
		name = r.traits.reg.Services[0]
	}
	m := r.newJob(name)
	r.enter(m, "a job that is malformed").past = true
	return m
}

// drops says all this to the worker, which is registered.
func (r *rig) drops(messages ...[][]byte) string {
	r.last.asked += len(messages) // a REGISTER that one of them provokes is this check's affair
	for _, m := range messages {
		r.say(m...)
	}
	evidence := r.unmoved(fmt.Sprintf("%d messages", len(messages)))
	r.last.asked = 0
	return evidence
}
