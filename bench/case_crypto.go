// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
)

// cryptoPeers come in pairs of one language: the library, then ours.
var cryptoPeers = []string{"library", "powerhose-embedded", "library/cxx", "powerhose-embedded/cxx"}

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
		peers: func() []string { return cryptoPeers },
		needs: map[string][]string{
			"library": {"crypto-keys"}, "powerhose-embedded": {"crypto-keys", "powerhose-worker"},
			"library/cxx": {"crypto-keys"}, "powerhose-embedded/cxx": {"crypto-keys", "powerhose-cworker"},
		},
		measure: measureCrypto,
		columns: []column{
			pointColumn("operation"), peerColumn, workerColumn, figures("jobs/s per CPU", "jobs_per_s_per_cpu", 1),
			figures("CPU µs/job", "cpu_us_per_job", 1), figures("more than the library, %", "overhead_percent", 1),
			median("jobs/s", "jobs_per_s", 1), median("p50 µs", "p50_us", 1), othersColumn,
		},
		finish: cryptoOverhead,
		brief:  1,
	}
}

// cryptoOverhead puts into our rows how much more processor time a job takes
// than the library alone.
func cryptoOverhead(r *results, rows []row) {
	for _, w := range crypto().works(r.options.settings) {
		for i := 0; i < len(cryptoPeers); i += 2 {
			library, ours := cryptoPeers[i], cryptoPeers[i+1]
			ratio, _, ok := goal{metric: processorTime, over: w.place(ours), under: w.place(library), atMost: 1}.judge(r)
			if !ok {
				continue
			}
			percent := func(ratio float64) float64 { return thousandth(100 * (ratio - 1)) }
			for _, row := range rows {
				if p, err := peerByID(ours); err == nil && row.is(p) && row.Point == w.Point && row.More != nil {
					row.More["overhead_percent"] = percent(ratio.median)
					row.Spread["overhead_percent"] = [2]float64{percent(ratio.least), percent(ratio.most)}
				}
			}
		}
	}
}

// library is the crypto service as a function, called in a loop in one thread.
func library(worker string) *peer {
	p := &peer{
		name: "library", worker: worker, client: "go", aside: true, ours: true,
		about: "the crypto service as a function in " + languages[worker] + ", called in a loop: no other process",
	}
	if worker == "cxx" {
		p.needs = []string{"crypto-loop"}
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
	request, err := cryptoRequest(ctx, service, s.work.Point)
	if err != nil {
		return r, err
	}
	s.work.Text = string(request)
	switch {
	case p.name != "library":
		r, err = cryptoJobs(ctx, s, p, keyDir)
	case p.worker == "cxx":
		r, err = cryptoLoop(ctx, s, keyDir, request)
	default:
		s.work.Callers = 1
		runtime.GOMAXPROCS(1)
		r, err = closedLoop(ctx, cryptoFunction{service}, s.work)
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

// cryptoLoop runs the library in C++.
func cryptoLoop(ctx context.Context, s *site, keyDir string, request []byte) (r measurement, err error) {
	file := filepath.Join(s.dir, "request")
	if err := os.WriteFile(file, request, 0o600); err != nil {
		return r, err
	}
	loop, err := s.children.start(ctx, nil, filepath.Join(s.tools, "crypto-loop"), keyDir, file,
		strconv.Itoa(s.work.WarmMS), strconv.Itoa(s.work.LengthMS))
	if err != nil {
		return r, err
	}
	return s.children.drive(loop)
}

// cryptoFunction is the service as a target.
type cryptoFunction struct{ service *cryptosvc.Service }

func (f cryptoFunction) call(ctx context.Context, _ string, payload []byte) ([]byte, error) {
	return f.service.Do(ctx, append([]byte(nil), payload...)) // it is overwritten
}

func (f cryptoFunction) close() error { return nil }

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
