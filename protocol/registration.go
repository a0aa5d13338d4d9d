// SPDX-License-Identifier: Apache-2.0

package protocol

import "slices"

// Registration is what a worker or a runner says of itself in REGISTER. Zero
// values are not sent, except where a field says otherwise.
type Registration struct {
	// Identity is fresh for every start of a process and the same for all its
	// registrations: 1 to MaxIdentity octets of A-Z, a-z, 0-9, '.', '_', '-'.
	// Required.
	Identity string

	// Services that a worker offers, in its order, each once. None is the same
	// as the default service alone, the empty name. Workers only, as are the
	// next five.
	Services []string
	// Capacity is how many jobs the worker runs at once: 1 to MaxCapacity.
	// 0 is sent and read as DefaultCapacity.
	Capacity int
	// Prefetch is how many jobs beyond its capacity the worker can hold: 0 to
	// MaxPrefetch.
	Prefetch int
	// Endpoint is the worker's own socket, for listen mode; at most MaxEndpoint
	// octets.
	Endpoint string
	// Ledger is the absolute path of the worker's start ledger.
	Ledger string

	// Batch is how many records the peer takes in one BATCH: 0, no batches, to
	// MaxBatch.
	Batch int

	// PID, Host, Language and LibraryVersion are shown to people and never
	// trusted: 0 to MaxPID, and printable ASCII of at most MaxHost, MaxLabel
	// and MaxLabel octets.
	PID            int
	Host           string
	Language       string
	LibraryVersion string
}

// AppendRegister appends the header frame of a REGISTER to dst. What the role
// does not have is left out. On an error, that of Check, it returns dst as it
// was.
func AppendRegister(dst []byte, role Role, m Registration) ([]byte, error) {
	m = m.withDefaults(role)
	if err := m.Check(role); err != nil {
		return dst, err
	}
	out := appendStart(dst, role, CommandRegister)
	out = appendText(out, propIdentity, m.Identity)
	if role == RoleWorker {
		if len(m.Services) != 1 || m.Services[0] != "" {
			for _, s := range m.Services {
				out = appendProperty(out, propService, s)
			}
		}
		out = appendNumber(out, propCapacity, int64(m.Capacity), DefaultCapacity)
		out = appendNumber(out, propPrefetch, int64(m.Prefetch), 0)
	}
	out = appendNumber(out, propBatch, int64(m.Batch), 0)
	if role == RoleWorker {
		out = appendText(out, propEndpoint, m.Endpoint)
		out = appendText(out, propLedger, m.Ledger)
	}
	out = appendNumber(out, propPID, int64(m.PID), 0)
	out = appendText(out, propHost, m.Host)
	out = appendText(out, propLanguage, m.Language)
	out = appendText(out, propVersion, m.LibraryVersion)
	return out, nil
}

// ParseRegistration reads the fields of a REGISTER and fills in the defaults
// for a worker: capacity 1 and the default service. It checks every limit.
// Properties that the role does not have are ignored.
func ParseRegistration(role Role, fields []byte) (Registration, error) {
	var m Registration
	var seen once
	err := forEachProperty(fields, func(name, value []byte) error {
		return m.set(role, &seen, string(name), value)
	})
	if err != nil {
		return Registration{}, err
	}
	m.Services = unique(m.Services)
	m = m.withDefaults(role)
	if err := m.Check(role); err != nil {
		return Registration{}, err
	}
	return m, nil
}

func (m *Registration) set(role Role, seen *once, name string, value []byte) error {
	worker := role == RoleWorker
	if worker && name == propService {
		return m.addService(string(value))
	}
	var text *string
	var number *int
	var low, high int64
	switch name {
	case propIdentity:
		text = &m.Identity
	case propBatch:
		number, high = &m.Batch, MaxBatch
	case propPID:
		number, low, high = &m.PID, 1, MaxPID
	case propHost:
		text = &m.Host
	case propLanguage:
		text = &m.Language
	case propVersion:
		text = &m.LibraryVersion
	}
	if worker {
		switch name {
		case propCapacity:
			number, low, high = &m.Capacity, 1, MaxCapacity
		case propPrefetch:
			number, high = &m.Prefetch, MaxPrefetch
		case propEndpoint:
			text = &m.Endpoint
		case propLedger:
			text = &m.Ledger
		}
	}
	if text == nil && number == nil {
		return nil
	}
	if err := seen.add(name); err != nil {
		return err
	}
	if text != nil {
		*text = string(value)
		return nil
	}
	n, err := parseNumber(name, value, low, high)
	*number = int(n)
	return err
}

// addService counts repeated names too, which bounds the search for them.
func (m *Registration) addService(name string) error {
	if len(m.Services) == MaxServices {
		return tooLarge("a worker has more than 256 services")
	}
	m.Services = append(m.Services, name)
	return CheckService(name)
}

// unique keeps the first of equal names.
func unique(names []string) []string {
	out := names[:0]
	for _, s := range names {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (m Registration) withDefaults(role Role) Registration {
	if role != RoleWorker {
		return m
	}
	if m.Capacity == 0 {
		m.Capacity = DefaultCapacity
	}
	if len(m.Services) == 0 {
		m.Services = []string{""}
	}
	return m
}

// Check returns nil when m can be sent by that role, otherwise ErrMalformed or
// ErrTooLarge with the field in its text.
func (m Registration) Check(role Role) error {
	if err := checkIdentity(m.Identity); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		value string
		limit int
	}{
		{propEndpoint, m.Endpoint, MaxEndpoint},
		{propLedger, m.Ledger, MaxLedger},
		{propHost, m.Host, MaxHost},
		{propLanguage, m.Language, MaxLabel},
		{propVersion, m.LibraryVersion, MaxLabel},
	} {
		if err := checkText(f.name, f.value, f.limit); err != nil {
			return err
		}
	}
	if m.Ledger != "" && m.Ledger[0] != '/' {
		return malformed("property ledger: not an absolute path")
	}
	for _, f := range []struct {
		name       string
		value, top int
	}{
		{propCapacity, m.Capacity, MaxCapacity},
		{propPrefetch, m.Prefetch, MaxPrefetch},
		{propBatch, m.Batch, MaxBatch},
		{propPID, m.PID, MaxPID},
	} {
		if err := checkRange(f.name, int64(f.value), 0, int64(f.top)); err != nil {
			return err
		}
	}
	if role == RoleWorker {
		return checkServices(m.Services)
	}
	return nil
}

func checkServices(names []string) error {
	if len(names) > MaxServices {
		return tooLarge("a worker has more than 256 services")
	}
	for _, s := range names {
		if err := CheckService(s); err != nil {
			return err
		}
	}
	return nil
}
