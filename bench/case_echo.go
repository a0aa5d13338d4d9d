// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

const (
	echoPayload = 100
	echoWorkers = 2
	// noFall is how much of its jobs/s a peer must keep when callers grow
	// eightfold or more. It is not 1, because two measurements of the same thing
	// differ.
	noFall = 0.95
)

var echoCallers = []int{1, 16, 128, 1024}

// echo is the cost of a job that costs nothing: 100 octets there and back.
func echo() *experiment {
	return &experiment{
		name: "echo", title: "Echo of 100 bytes, 2 workers, closed loop",
		works: func(s settings) (works []work) {
			for _, callers := range echoCallers {
				works = append(works, work{
					Case: "echo", Service: "echo", Callers: callers, Workers: echoWorkers, Payload: echoPayload,
					WarmMS: s.warmMS, LengthMS: s.lengthMS,
				})
			}
			return works
		},
		peers: func() (ids []string) {
			for _, p := range peers() {
				if !p.aside {
					ids = append(ids, p.id())
				}
			}
			return ids
		},
		goals: echoGoals(),
		plots: plotEcho,
	}
}

func echoPlace(peer string, callers int) place {
	return place{experiment: "echo", peer: peer, callers: callers, payload: echoPayload}
}

// echoGoals are the targets of cases 1 and 2.
func echoGoals() (goals []goal) {
	at := echoPlace
	for _, ours := range []string{"powerhose-embedded", "powerhose-embedded/cxx"} {
		faster := func(beside string, atMost float64) {
			goals = append(goals, goal{metric: p50, over: at(ours, 1), under: at(beside, 1), atMost: atMost})
		}
		faster("nats", 0.65)
		faster("grpc", 0.9)
		faster("raw-direct", 1.3)
		goals = append(goals,
			goal{metric: rate, over: at(ours, 128), under: at("nats", 128), atLeast: 3.5},
			goal{metric: rate, over: at(ours, 1024), under: at("nats", 1024), atLeast: 4})
		goals = append(goals, everywhere(ours, "grpc", 5)...)
		goals = append(goals, growing(ours)...)
	}
	for _, ours := range []string{"powerhose-master", "powerhose-master/cxx"} {
		goals = append(goals,
			goal{metric: p50, over: at(ours, 1), under: at("raw-broker/go", 1), atMost: 1.15},
			goal{metric: p50, over: at(ours, 1), under: at("gearmand", 1), atMost: 1.1},
			goal{metric: rate, over: at(ours, 128), under: at("nats", 128), atLeast: 2},
			goal{metric: rate, over: at(ours, 1024), under: at("nats", 1024), atLeast: 2})
		goals = append(goals, everywhere(ours, "gearmand", 4)...)
		goals = append(goals, everywhere(ours, "raw-broker/go", 1)...)
		goals = append(goals, growing(ours)...)
	}
	return goals
}

// everywhere compares jobs/s with as many callers as there are, more than one.
func everywhere(ours, beside string, atLeast float64) (goals []goal) {
	for _, callers := range echoCallers[1:] {
		goals = append(goals, goal{
			metric: rate, atLeast: atLeast,
			over: echoPlace(ours, callers), under: echoPlace(beside, callers),
		})
	}
	return goals
}

// growing compares jobs/s with those of fewer callers.
func growing(ours string) (goals []goal) {
	for pair := range slices.Chunk([]int{1, 16, 16, 128, 128, 1024}, 2) {
		goals = append(goals, goal{
			metric: rate, atLeast: noFall,
			over: echoPlace(ours, pair[1]), under: echoPlace(ours, pair[0]),
		})
	}
	return goals
}
