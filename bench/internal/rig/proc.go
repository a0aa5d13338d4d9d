// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// RSS is how much of a process is in memory now, in octets.
func RSS(pid int) (int64, error) { return status(pid, "VmRSS:", 1<<10) }

// Threads is how many threads a process has.
func Threads(pid int) (int64, error) { return status(pid, "Threads:", 1) }

// Descriptors is how many descriptors a process has open.
func Descriptors(pid int) (int64, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return int64(len(entries)), err
}

// status reads a number of /proc/PID/status.
func status(pid int, key string, unit int64) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if words := strings.Fields(string(line)); len(words) > 1 && words[0] == key {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n * unit, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s: it has ended", pid, key)
}

// Machine is what figures are told with: processor, how many, system, kernel.
func Machine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	processors, _ := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*")
	return fmt.Sprintf("%s, %d CPUs, %s, Linux %s", field("/proc/cpuinfo", "model name", ":"), len(processors),
		strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`), strings.TrimSpace(string(kernel)))
}

// LoadAverage is how many processes wanted a processor during the last minute.
func LoadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// field returns the value of the first line that begins with that name.
func field(path, name, separator string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, separator); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// Meter tells how many processors others use, who make figures noise.
type Meter struct {
	at            time.Time
	machine, ours time.Duration
}

// StartMeter begins to look. What this process has started and what has ended
// until Foreign is called counts as ours, so stop all before.
func StartMeter() Meter { return Meter{at: time.Now(), machine: machineTime(), ours: ourTime()} }

// Foreign is how many processors others used since then, on the average.
func (m Meter) Foreign() float64 {
	theirs := (machineTime() - m.machine) - (ourTime() - m.ours)
	return max(0, theirs.Seconds()/time.Since(m.at).Seconds())
}

// machineTime is how long the machine's processors have been busy, or taken away
// by a hypervisor. It counts in hundredths of a second.
func machineTime() (busy time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		const idle, wait, guest = 4, 5, 9 // guests are counted among the users too
		if n, err := strconv.ParseInt(field, 10, 64); err == nil && i != idle && i != wait && i < guest {
			busy += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return busy
}

// ourTime is what this process and its children that have ended have used.
func ourTime() (used time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			used += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return used
}
