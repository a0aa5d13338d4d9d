// SPDX-License-Identifier: Apache-2.0

package conform

import "fmt"

// watch is a rule about what a worker says that is looked at in every message,
// whatever the check in progress is about.
type watch struct {
	rule Rule
	name string
}

const (
	watchRoutingID = iota
	watchLength
	watchHeader
	watchRole
	watchCommand
	watchFrames
	watchFields
	watchRecords
	watchBatch
	watchRegister
	watchEarly
	watchProperties
	watchIdentity
	watchAnswer
	watchStatus
	watchRoad
	watches
)

var watchList = [watches]watch{
	watchRoutingID:  {2, "always: it connects without a routing id"},
	watchLength:     {4, "always: no frame is longer than max-message"},
	watchHeader:     {6, "always: each message begins with a header of version 1"},
	watchRole:       {8, "always: each message is of role W"},
	watchCommand:    {9, "always: only commands that a worker has"},
	watchFrames:     {10, "always: each message has the right number of frames"},
	watchFields:     {11, "always: the fields fill their frame exactly"},
	watchRecords:    {16, "always: a batch is of 1 to 256 RESULTs"},
	watchBatch:      {19, "always: no batch that was not granted, and none with more records"},
	watchRegister:   {21, "always: no REGISTER that neither probe nor ERROR 1 asked for"},
	watchEarly:      {22, "always: nothing but REGISTER before WELCOME"},
	watchProperties: {26, "always: the properties of REGISTER are in order"},
	watchIdentity:   {29, "always: a process keeps its identity"},
	watchAnswer:     {36, "always: each answer is to a job that waits for one, with its id and attempt"},
	watchStatus:     {40, "always: status is 0, or 1 with a text in UTF-8"},
	watchRoad:       {75, "always: in listen mode each message goes over the right connection"},
}

// watched is what became of a watch.
type watched struct {
	seen     int    // messages looked at
	evidence string // of the first that was wrong
}

// saw counts a message that a watch has looked at.
func (k *kit) saw(which int) {
	k.mu.Lock()
	k.always[which].seen++
	k.mu.Unlock()
}

// violated keeps the first message that was wrong.
func (k *kit) violated(which int, format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := &k.always[which]; w.evidence == "" {
		w.evidence = fmt.Sprintf(format, args...)
	}
}

func (k *kit) reportAlways() {
	for i, w := range watchList {
		f := Finding{w.rule, w.name, NotApplicable, "no such message came"}
		switch got := k.always[i]; {
		case got.evidence != "":
			f.Verdict, f.Evidence = Broken, got.evidence
		case got.seen > 0:
			f.Verdict, f.Evidence = Holds, fmt.Sprintf("in %d messages", got.seen)
		}
		k.report(f)
	}
}
