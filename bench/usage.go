// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// relatives returns this process and all that descend from it.
func relatives() ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if parent, state, ok := parentOf(path); ok && state != "Z" {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{os.Getpid()}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// parentOf reads a process' parent and state from its /proc/PID/stat.
func parentOf(path string) (parent int, state string, ok bool) {
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0, "", false // it has just ended
	}
	// The name before it, in parentheses, may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0, "", false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, fields[0], err == nil
}

// usage is what a set of processes has used up to a moment.
type usage struct {
	pids    []int
	each    []time.Duration // the processor time of each of them
	cpu     time.Duration   // theirs
	machine time.Duration   // everybody's, and what a hypervisor took away
	at      time.Time
}

// usageNow reads what this process and its descendants have used.
func usageNow() (usage, error) {
	pids, err := relatives()
	if err != nil {
		return usage{}, err
	}
	return usageOf(pids)
}

// usedBy is the processor time of one of the processes between two moments.
func usedBy(pid int, before, after usage) time.Duration {
	i := slices.Index(before.pids, pid)
	return after.each[i] - before.each[i]
}

// usageOf is quick: the processes are at work meanwhile.
func usageOf(pids []int) (usage, error) {
	u := usage{pids: pids, at: time.Now()}
	for _, pid := range pids {
		used, err := cpuTime(pid)
		if err != nil {
			return u, fmt.Errorf("processor time of process %d, which may have ended: %w", pid, err)
		}
		u.each = append(u.each, used)
		u.cpu += used
	}
	var err error
	u.machine, err = machineTime()
	return u, err
}

// machineTime reads how long the machine's processors have been busy. It counts
// in hundredths of a second.
func machineTime() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	var user, nice, system, idle, wait, irq, softirq, steal int64
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal); err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	return time.Duration(user+nice+system+irq+softirq+steal) * 10 * time.Millisecond, nil
}

// cpuTime reads a process' clock, the one that clock_getcpuclockid(3) names: to
// the nanosecond, and threads that have ended included.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|scheduler), &t)
	return time.Duration(t.Nano()), err
}

// peakRSS adds up the largest resident set of each process, in octets.
func peakRSS(pids []int) (total int64, err error) {
	for _, pid := range pids {
		n, err := statusKiB(pid, "VmHWM:")
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// statusKiB reads a size in octets from a process' /proc/PID/status.
func statusKiB(pid int, name string) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), name)
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return n << 10, nil
}
