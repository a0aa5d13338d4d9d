// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// Services of the workers. Each language has one of its own, so that both are
// under load even where one would do it all.
const (
	serviceAny    = "record"
	serviceGo     = "record-go"
	serviceCPP    = "record-cpp"
	serviceNobody = "nobody" // which no worker offers
)

// What a job does once it is in the journal.
const (
	modeQuick = "quick" // nothing
	modeSleep = "sleep"
	modeBurn  = "burn"
	modeFail  = "fail"  // answers with an error
	modeHang  = "hang"  // sleeps, whatever is said against it
	modeCrash = "crash" // kills its worker
)

// payload is what a worker is given: "ID MODE MICROSECONDS PADDING".
func payload(id, mode string, work time.Duration, padding int) []byte {
	return fmt.Appendf(nil, "%s %s %d %s", id, mode, work.Microseconds(), strings.Repeat("x", padding))
}

func parsePayload(p []byte) (id, mode string, work time.Duration, err error) {
	fields := strings.SplitN(string(p[:min(len(p), 200)]), " ", 4)
	if len(fields) != 4 {
		return "", "", 0, errors.New("not a job of this test")
	}
	us, err := strconv.ParseInt(fields[2], 10, 64)
	return fields[0], fields[1], time.Duration(us) * time.Microsecond, err
}

// answer is the right result: only who read all of the job can give it.
func answer(p []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(p)
	id, _, _ := strings.Cut(string(p[:min(len(p), 200)]), " ")
	return fmt.Sprintf("done %s %016x", id, h.Sum64())
}

// failure is the text of the error that a job of modeFail ends with.
func failure(id string) string { return "failed " + id }

// cancellation is the text of the error of a handler that saw that nobody waits.
func cancellation(id string) string { return "cancelled " + id }
