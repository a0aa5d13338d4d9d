// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package pidwatch

// Watch is the watch over one process. There are none on this system.
type Watch struct{}

// Start returns ErrUnsupported on this system.
func Start(int, func()) (*Watch, error) { return nil, ErrUnsupported }

// Cancel does nothing on this system.
func (*Watch) Cancel() bool { return true }

// Stop does nothing on this system.
func (*Watch) Stop() {}
