// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// EnsureDir creates dir with mode 0700 if it is missing (its parent must exist)
// and then verifies it: a real directory, not a symbolic link, owned by this
// user, without any permission for group or others. It is for directories that
// are ours alone, as RuntimeDir: whoever can write there can replace a socket.
func EnsureDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("endpoint: directory %s cannot be created, %s does not exist: create it or choose another endpoint", dir, filepath.Dir(dir))
		}
		return fmt.Errorf("endpoint: directory for sockets: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("endpoint: directory for sockets: %w", err)
	}
	switch uid := ownerOf(fi); {
	case fi.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("endpoint: %s is a symbolic link, somebody may have put it there: remove it or choose another endpoint", dir)
	case !fi.IsDir():
		return fmt.Errorf("endpoint: %s is not a directory: remove it or choose another endpoint", dir)
	case uid != os.Geteuid():
		return fmt.Errorf("endpoint: directory %s belongs to user %d, not to us (user %d): remove it or choose another endpoint", dir, uid, os.Geteuid())
	case fi.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("endpoint: directory %s has mode %04o, others may enter it: chmod 0700 %s", dir, fi.Mode().Perm(), dir)
	}
	return nil
}

// CheckDir verifies a directory that existed before us and that a user chose
// for a socket. It must belong to this user or to root and must not be writable
// by everybody. Writable by a group is the administrator's decision. A sticky
// directory as /tmp is accepted although everybody may write to it: nobody else
// can remove or rename our socket there, the socket itself has mode 0600, and
// at worst somebody takes the name first, which Bind reports. Symbolic links
// are followed (/var/run is one).
func CheckDir(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("endpoint: directory for the socket: %w", err)
	}
	switch uid := ownerOf(fi); {
	case !fi.IsDir():
		return fmt.Errorf("endpoint: %s is not a directory: choose another endpoint", dir)
	case uid != os.Geteuid() && uid != 0:
		return fmt.Errorf("endpoint: directory %s belongs to user %d, neither to us (user %d) nor to root: choose another endpoint", dir, uid, os.Geteuid())
	case fi.Mode().Perm()&0o002 != 0 && fi.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("endpoint: directory %s is writable by everybody, who could replace the socket: chmod o-w %s or choose another endpoint", dir, dir)
	}
	return nil
}

// PrepareDir makes the directory of an ipc endpoint ready for binding: the
// runtime directory and any directory that does not exist yet go through
// EnsureDir, others through CheckDir. It does nothing for tcp.
func PrepareDir(e Endpoint) error {
	if !e.IsIPC() {
		return nil
	}
	dir := filepath.Dir(e.Path())
	if own, err := RuntimeDir(); err == nil && own == dir {
		return EnsureDir(dir)
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return EnsureDir(dir)
	}
	return CheckDir(dir)
}

func isOwnDir(dir string, uid int) bool {
	fi, err := os.Lstat(dir)
	return err == nil && fi.IsDir() && ownerOf(fi) == uid
}

func ownerOf(fi fs.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
