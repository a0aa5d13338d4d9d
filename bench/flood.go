// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// pingRate is how many times a second somebody asks for /ping.
const pingRate = 100

// flood are the clients of a web process. It runs beside what it measures, so it
// is one thread with an epoll: no scheduler, and no timers that are late by a
// millisecond. Requests are sent when they are due, whatever became of those
// before; their time counts from then on.
type flood struct {
	work     work
	address  unix.Sockaddr
	epoll    int
	clock    int // a timerfd
	conns    map[int32]*webConn
	streams  [2]*stream
	from, to int64 // what ends or begins in between counts
}

// stream are requests for one page at a fixed rate.
type stream struct {
	name    string
	request []byte
	every   int64 // nanoseconds
	most    int   // on their way at once
	due     int64
	open    int        // on their way
	idle    []*webConn // connections
	times   *hdrhistogram.Histogram
	late    *hdrhistogram.Histogram // how late they were sent
	offered int64
	unsent  int64 // because too many were on their way
	good    int64 // status 200, ended in the time that counts
	inTime  int64 // of these, within loginTime
	refused int64 // status 503: it was not tried
	wasted  int64 // status 504: it was tried, but too late
}

// webConn is a connection on which one request after the other is sent.
type webConn struct {
	fd     int
	stream *stream
	due    int64
	busy   bool
	in     []byte
}

const maxPings = 1000 // on their way at once

func newFlood(address string, w work) (*flood, error) {
	tcp, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	to := &unix.SockaddrInet4{Port: tcp.Port}
	copy(to.Addr[:], tcp.IP.To4())
	f := &flood{work: w, address: to, conns: map[int32]*webConn{}, epoll: -1, clock: -1}
	f.streams = [2]*stream{
		{
			name: "ping", request: []byte("GET /ping HTTP/1.1\r\nHost: bench\r\n\r\n"),
			every: int64(time.Second) / pingRate, most: maxPings,
		},
		{
			name:    "login",
			request: fmt.Appendf(nil, "POST /login HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s", len(webPassword), webPassword),
			every:   int64(float64(time.Second) / w.Rate), most: w.Callers,
		},
	}
	for _, s := range f.streams {
		s.times, s.late = newHistogram(), newHistogram()
	}
	if f.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		f.clock, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	}
	if err == nil {
		err = f.watch(f.clock)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *flood) watch(fd int) error {
	return unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (f *flood) close() {
	for _, c := range f.conns {
		_ = unix.Close(c.fd)
	}
	for _, fd := range []int{f.clock, f.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// monotonic is the time of CLOCK_MONOTONIC in nanoseconds, as timerfd has it.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // it is there
	return t.Nano()
}

// run is the whole measurement.
func (f *flood) run(ctx context.Context) (r measurement, err error) {
	start := monotonic()
	f.from = start + int64(f.work.WarmMS)*1e6
	f.to = f.from + int64(f.work.LengthMS)*1e6
	f.streams[0].due, f.streams[1].due = start+f.streams[0].every/2, start
	if err := f.playUntil(ctx, start+(f.from-start)/2); err != nil {
		return r, err
	}
	pids, err := relatives() // takes a while, so it is not done later
	if err != nil {
		return r, err
	}
	if err := f.playUntil(ctx, f.from); err != nil {
		return r, err
	}
	before, err := usageOf(pids)
	if err != nil {
		return r, err
	}
	if err := f.playUntil(ctx, f.to); err != nil {
		return r, err
	}
	after, err := usageOf(pids)
	if err != nil {
		return r, err
	}
	if r.RSS, err = peakRSS(pids); err != nil {
		return r, err
	}
	if err := f.drain(ctx); err != nil {
		return r, err
	}
	return r, f.report(&r, before, after)
}

// report puts what was seen into the measurement.
func (f *flood) report(r *measurement, before, after usage) error {
	ping, login := f.streams[0], f.streams[1]
	r.fill(login.times)
	r.account(before, after) // there may be no login at all
	us := func(h *hdrhistogram.Histogram, percentile float64) float64 {
		return float64(h.ValueAtPercentile(percentile)) / 1e3
	}
	r.More = map[string]float64{
		"ping_p50_us": us(ping.times, 50), "ping_p99_us": us(ping.times, 99), "ping_p999_us": us(ping.times, 99.9),
		"pings_per_s": float64(ping.times.TotalCount()) / r.Seconds, "ping_sent_late_p99_us": us(ping.late, 99),
		"offered_per_s": float64(login.offered) / r.Seconds, "unsent_per_s": float64(login.unsent) / r.Seconds,
		"refused_per_s": float64(login.refused) / r.Seconds, "in_time_per_s": float64(login.inTime) / r.Seconds,
		"wasted_per_s": float64(login.wasted) / r.Seconds,
	}
	r.Times = map[string][]byte{}
	for _, s := range f.streams {
		packed, err := s.times.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return err
		}
		r.Times[s.name] = packed
	}
	return nil
}

// playUntil sends what is due and takes what comes, until that moment.
func (f *flood) playUntil(ctx context.Context, end int64) error {
	for {
		now := monotonic()
		if now >= end {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		next := end
		for _, s := range f.streams {
			for s.due <= now {
				if err := f.send(s, now); err != nil {
					return err
				}
				s.due += s.every
			}
			next = min(next, s.due)
		}
		if err := f.await(next); err != nil {
			return err
		}
	}
}

// drain waits for the pings that are on their way: the slowest come last.
func (f *flood) drain(ctx context.Context) error {
	for end := monotonic() + int64(10*time.Second); f.streams[0].open > 0; {
		if monotonic() > end {
			return fmt.Errorf("%d pings were not answered", f.streams[0].open)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f.await(min(end, monotonic()+int64(100*time.Millisecond))); err != nil {
			return err
		}
	}
	return nil
}

// await handles what happens until that moment, at least once.
func (f *flood) await(next int64) error {
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(next)}
	if err := unix.TimerfdSettime(f.clock, unix.TFD_TIMER_ABSTIME, &at, nil); err != nil {
		return err
	}
	var events [128]unix.EpollEvent
	n, err := unix.EpollWait(f.epoll, events[:], -1)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range events[:n] {
		if int(e.Fd) == f.clock {
			var ticks [8]byte
			_, _ = unix.Read(f.clock, ticks[:]) // it is set anew each time
			continue
		}
		if err := f.receive(f.conns[e.Fd]); err != nil {
			return err
		}
	}
	return nil
}

func (f *flood) counts(at int64) bool { return at >= f.from && at < f.to }

// send sends the request that is due now.
func (f *flood) send(s *stream, now int64) error {
	counts := f.counts(s.due)
	if counts {
		s.offered++
	}
	if s.open >= s.most {
		if s.name == "ping" {
			return fmt.Errorf("%d pings wait for their answers", s.open)
		}
		if counts {
			s.unsent++
		}
		return nil
	}
	var c *webConn
	if n := len(s.idle); n > 0 {
		c, s.idle = s.idle[n-1], s.idle[:n-1]
	} else {
		var err error
		if c, err = f.connect(s); err != nil {
			return err
		}
	}
	c.due, c.busy, c.in = s.due, true, c.in[:0]
	s.open++
	if counts {
		_ = s.late.RecordValue(max(now-s.due, 1))
	}
	n, err := unix.Write(c.fd, s.request)
	if err != nil || n != len(s.request) {
		return fmt.Errorf("/%s: sent %d octets: %w", s.name, n, err)
	}
	return nil
}

func (f *flood) connect(s *stream) (*webConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &webConn{fd: fd, stream: s}
	f.conns[int32(fd)] = c
	if err := unix.Connect(fd, f.address); err != nil {
		return nil, fmt.Errorf("connect to the web process: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return c, f.watch(fd)
}

// receive reads from a connection.
func (f *flood) receive(c *webConn) error {
	var buffer [4096]byte
	n, err := unix.Read(c.fd, buffer[:])
	now := monotonic()
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("/%s: %w", c.stream.name, err)
	case n == 0 || !c.busy:
		return fmt.Errorf("/%s: the web process hung up, or said something unasked", c.stream.name)
	}
	c.in = append(c.in, buffer[:n]...)
	status, whole, err := parseAnswer(c.in)
	if err != nil || !whole {
		return err
	}
	s := c.stream
	c.busy = false
	s.open--
	s.idle = append(s.idle, c)
	return s.note(status, c.due, now, f)
}

// note counts an answer: a ping that was due in the time that counts, a login
// that ended in it.
func (s *stream) note(status int, due, now int64, f *flood) error {
	isPing := s.name == "ping"
	switch {
	case status == 200:
		if isPing && f.counts(due) || !isPing && f.counts(now) {
			s.good++
			if now-due <= int64(loginTime) {
				s.inTime++
			}
			_ = s.times.RecordValue(now - due) // beyond a minute the run has failed
		}
	case isPing || status != 503 && status != 504:
		return fmt.Errorf("/%s: status %d", s.name, status)
	case !f.counts(now):
	case status == 503:
		s.refused++
	default:
		s.wasted++
	}
	return nil
}

// parseAnswer reads as much of HTTP as our own web process speaks.
func parseAnswer(in []byte) (status int, whole bool, err error) {
	head, body, found := bytes.Cut(in, []byte("\r\n\r\n"))
	if !found {
		return 0, false, nil
	}
	if len(head) < len("HTTP/1.1 200") {
		return 0, false, fmt.Errorf("an answer that begins with %q", head)
	}
	if status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return 0, false, fmt.Errorf("an answer that begins with %q", head[:12])
	}
	_, rest, found := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !found {
		return 0, false, errors.New("an answer without a length")
	}
	length, _, _ := bytes.Cut(rest, []byte("\r\n"))
	size, err := strconv.Atoi(string(length))
	return status, err == nil && len(body) >= size, err
}
