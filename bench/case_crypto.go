// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/powerhose/powerhose/internal/cryptosvc"
	"github.com/powerhose/powerhose/jobrunner"
	pb "github.com/powerhose/powerhose/protocol/crypto"
)

const (
	cryptoCallers = 16
	cryptoWorkers = 2
	cryptoData    = 1000 // octets that are hashed, signed or encrypted
	// One thread alone has steady times, and nothing is cut off at the end.
	loopShorter = 2
)

// cryptoPeers of each language: the bare call, the service, and the service in
// workers.
var cryptoPeers = []struct{ library, service, ours string }{
	{"library", "service", "powerhose-embedded"},
	{"library/cxx", "service/cxx", "powerhose-embedded/cxx"},
}

// crypto is what it costs to have keys in another process.
func crypto() *experiment {
	return &experiment{
		name: "crypto", title: fmt.Sprintf("Operations of the crypto service on %d octets, named keys", cryptoData),
		works: func(s settings) (works []work) {
			for _, op := range cryptoOperations {
				works = append(works, work{
					Case: "crypto", Service: cryptosvc.Name, Callers: cryptoCallers, Workers: cryptoWorkers, Point: op.name,
					Payload: cryptoData, WarmMS: s.warmMS / 4, LengthMS: s.lengthMS / 2,
				})
			}
			return works
		},
		peers: func() (ids []string) {
			for _, p := range cryptoPeers {
				ids = append(ids, p.library, p.service, p.ours)
			}
			return ids
		},
		needs: map[string][]string{
			"library": {"crypto-keys"}, "service": {"crypto-keys"}, "powerhose-embedded": {"crypto-keys", "powerhose-worker"},
			"library/cxx": {"crypto-keys"}, "service/cxx": {"crypto-keys"},
			"powerhose-embedded/cxx": {"crypto-keys", "powerhose-cworker"},
		},
		measure: measureCrypto,
		columns: []column{
			pointColumn("operation"), peerColumn, workerColumn, figures("jobs/s per CPU", "jobs_per_s_per_cpu", 1),
			figures("bare call µs", "library_us", 1), figures("service in a loop µs", "service_us", 1),
			figures("CPU µs/job", "cpu_us_per_job", 1), figures("more than the bare call, %", "overhead_percent", 1),
			median("jobs/s", "jobs_per_s", 1), median("p50 µs", "p50_us", 1), othersColumn,
		},
		finish: besideLibrary,
	}
}

// besideLibrary puts into each row of ours what the bare call takes and what the
// service takes in a loop, and by how much more processor time a job takes than
// the bare call.
func besideLibrary(r *results, rows []row) {
	rowOf := func(id, point string) *row {
		p, err := peerByID(id)
		i := slices.IndexFunc(rows, func(r row) bool { return err == nil && r.is(p) && r.Point == point && r.Rounds > 0 })
		if i < 0 {
			return nil
		}
		return &rows[i]
	}
	for _, w := range r.options.works(crypto()) {
		for _, p := range cryptoPeers {
			ours := rowOf(p.ours, w.Point)
			if ours == nil {
				continue
			}
			for key, id := range map[string]string{"library_us": p.library, "service_us": p.service} {
				if other := rowOf(id, w.Point); other != nil {
					other.beside = true
					ours.More[key], ours.Spread[key] = other.CPU, other.Spread["cpu_us_per_job"]
				}
			}
			ratio, _, ok := goal{metric: processorTime, over: w.place(p.ours), under: w.place(p.library), atMost: 1}.judge(r)
			if !ok {
				continue
			}
			percent := func(ratio float64) float64 { return thousandth(100 * (ratio - 1)) }
			ours.More["overhead_percent"] = percent(ratio.median)
			ours.Spread["overhead_percent"] = [2]float64{percent(ratio.least), percent(ratio.most)}
		}
	}
}

// library is what the service computes with, called in a loop in one thread.
func library(worker string) *peer {
	p := &peer{
		name: "library", worker: worker, client: "go", aside: true, ours: true, looped: true,
		about: "the bare call of Go's own library in a loop: no requests, keys parsed once, no other process",
	}
	if worker == "cxx" {
		p.about = "the bare call of Crypto++ in a loop: no requests, keys parsed once"
		p.needs = []string{"crypto-library"}
	}
	return p
}

// serviceInLoop is the crypto service as a function.
func serviceInLoop(worker string) *peer {
	p := &peer{
		name: "service", worker: worker, client: "go", aside: true, ours: true, looped: true,
		about: "the crypto service as a function in " + languages[worker] + ", encoded request to encoded answer, called in a loop",
	}
	if worker == "cxx" {
		p.needs = []string{"crypto-service"}
	}
	return p
}

// measureCrypto measures one operation at one of the peers.
func measureCrypto(ctx context.Context, s *site, p *peer) (r measurement, err error) {
	keyDir := filepath.Join(s.tools, "crypto-keys")
	keys, err := cryptosvc.LoadKeys(keyDir)
	if err != nil {
		return r, err
	}
	service := cryptosvc.New(keys)
	ask := askerOf(ctx, service)
	request, err := cryptoRequest(ask, s.work.Point)
	if err != nil {
		return r, err
	}
	payload, err := proto.Marshal(request)
	if err != nil {
		return r, err
	}
	s.work.Text = string(payload)
	if p.looped {
		s.work.LengthMS /= loopShorter
	}
	switch {
	case p.name == "library":
		r, err = measureLibrary(ctx, s, p, ask, request)
	case p.name != "service":
		r, err = cryptoJobs(ctx, s, p, keyDir)
	case p.worker == "cxx":
		r, err = s.driveService(ctx, keyDir, payload)
	default:
		runtime.GOMAXPROCS(1)
		own := make([]byte, len(payload))
		r, err = loop(ctx, s.work, func() error {
			copy(own, payload) // it is overwritten
			_, err := service.Do(ctx, own)
			return err
		})
	}
	if err == nil {
		r.More = map[string]float64{"jobs_per_s_per_cpu": 1e6 / r.CPU}
	}
	return r, err
}

// cryptoJobs has workers of that language do it.
func cryptoJobs(ctx context.Context, s *site, p *peer, keyDir string) (r measurement, err error) {
	program := "powerhose-worker"
	if p.worker == "cxx" {
		program = "powerhose-cworker"
	}
	runner, err := jobrunner.Start(jobrunner.Config{
		Workers: s.work.Workers, Timeout: time.Minute,
		Command: []string{filepath.Join(s.tools, program), "--services", cryptosvc.Name, "--keys", keyDir},
	})
	if err != nil {
		return r, err
	}
	h := &hose{runner}
	defer h.close()
	if err := h.awaitWorkers(ctx, s.work.Workers); err != nil {
		return r, err
	}
	answer, err := h.call(ctx, s.work.Service, s.work.payload())
	if err != nil {
		return r, err
	}
	if err := checkCrypto(answer); err != nil {
		return r, err
	}
	return closedLoop(ctx, h, s.work)
}

// measureLibrary checks one result of the bare call, and then takes the time of
// the others.
func measureLibrary(ctx context.Context, s *site, p *peer, ask asker, request *pb.Request) (r measurement, err error) {
	key, err := readKey(filepath.Join(s.tools, "crypto-keys"), request)
	if err != nil {
		return r, err
	}
	if p.worker == "cxx" {
		return s.driveLibrary(ctx, ask, request, key)
	}
	call, err := libraryCall(request, key)
	if err != nil {
		return r, err
	}
	output, err := call()
	if err == nil {
		err = checkOutput(ask, request, output)
	}
	if err != nil {
		return r, err
	}
	runtime.GOMAXPROCS(1)
	return loop(ctx, s.work, func() error {
		_, err := call()
		return err
	})
}

// driveLibrary has the bare call made in C++.
func (s *site) driveLibrary(ctx context.Context, ask asker, request *pb.Request, key any) (r measurement, err error) {
	lines, err := inputs(request, key)
	if err != nil {
		return r, err
	}
	m, err := s.startLoop(ctx, "crypto-library", s.work.Point, lines)
	if err != nil {
		return r, err
	}
	line, err := m.line()
	if err != nil {
		return r, err
	}
	output, err := hex.DecodeString(line)
	if err == nil {
		err = checkOutput(ask, request, output)
	}
	if err != nil {
		return r, err
	}
	return s.children.drive(m)
}

// driveService has the service called in C++.
func (s *site) driveService(ctx context.Context, keyDir string, payload []byte) (r measurement, err error) {
	m, err := s.startLoop(ctx, "crypto-service", keyDir, payload)
	if err != nil {
		return r, err
	}
	return s.children.drive(m)
}

// startLoop starts a program of native/worker with the content of its file.
func (s *site) startLoop(ctx context.Context, program, what string, content []byte) (*member, error) {
	file := filepath.Join(s.dir, "inputs")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return nil, err
	}
	return s.children.start(ctx, nil, filepath.Join(s.tools, program), what, file,
		strconv.Itoa(s.work.WarmMS), strconv.Itoa(s.work.LengthMS))
}

// checkCrypto returns the error that an answer is.
func checkCrypto(answer []byte) error {
	var response pb.Response
	if err := proto.Unmarshal(answer, &response); err != nil {
		return err
	}
	if e := response.GetError(); e != nil {
		return fmt.Errorf("%v: %s", e.GetCode(), e.GetText())
	}
	return nil
}
