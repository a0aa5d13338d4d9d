// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cryptosvc

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits of a directory of keys.
const (
	MaxKeyFile  = 64 << 10 // octets
	MaxKeyFiles = 1024
)

var keyFileName = regexp.MustCompile(`^([a-z0-9][a-z0-9._-]{0,63})\.([^.]*)$`)

// LoadKeys reads a directory of keys as protocol/crypto/README.md describes it.
// The error names the file and says what to do about it.
func LoadKeys(path string) (*Keys, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cryptosvc: directory of keys: %w", err)
	}
	defer dir.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("cryptosvc: directory of keys %s: %w", path, err)
	}
	if err := checkDir(&stat); err != nil {
		return nil, fmt.Errorf("cryptosvc: directory of keys %s: %w", path, err)
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cryptosvc: directory of keys %s: %w", path, err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, ".") })
	slices.Sort(names)
	if len(names) > MaxKeyFiles {
		return nil, fmt.Errorf("cryptosvc: directory of keys %s: %d files, allowed are %d", path, len(names), MaxKeyFiles)
	}
	keys := &Keys{byName: map[string]*namedKey{}}
	for _, name := range names {
		if err := keys.load(dir, name); err != nil {
			return nil, fmt.Errorf("cryptosvc: key %s: %w", filepath.Join(path, name), err)
		}
	}
	return keys, nil
}

// Names returns the names of all keys, with their types, in alphabetical order.
func (k *Keys) Names() []string {
	names := make([]string, 0, len(k.byName))
	for _, name := range slices.Sorted(maps.Keys(k.byName)) {
		names = append(names, name+"."+string(k.byName[name].typ))
	}
	return names
}

func (k *Keys) load(dir *os.File, file string) error {
	parts := keyFileName.FindStringSubmatch(file)
	if parts == nil {
		return errors.New("the file's name is not NAME.TYPE, with a name of 1 to 64 of a-z, 0-9, '.', '_' and '-'")
	}
	if other := k.byName[parts[1]]; other != nil {
		return fmt.Errorf("there is also %s.%s: a name may have only one type", parts[1], other.typ)
	}
	content, err := readSecretFile(dir, file)
	if err != nil {
		return err
	}
	defer clear(content)
	key, err := parseKey(keyType(parts[2]), content)
	if err != nil {
		return err
	}
	k.byName[parts[1]] = key
	return nil
}

// readSecretFile reads a file of dir that nobody else may read. What is checked
// is what was opened, so it cannot be exchanged in between.
func readSecretFile(dir *os.File, name string) ([]byte, error) {
	// Non-blocking, or opening a named pipe would wait for its writer.
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, errors.New("it is a symbolic link: put the file itself there")
	}
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if err := checkFile(&stat); err != nil {
		return nil, err
	}
	// Of this size from the start: a buffer that grows leaves copies behind.
	content := make([]byte, MaxKeyFile+1)
	n, err := io.ReadFull(file, content)
	switch {
	case err == nil:
		clear(content)
		return nil, fmt.Errorf("it is longer than %d octets", MaxKeyFile)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return content[:n], nil
	default:
		clear(content)
		return nil, err
	}
}

func checkDir(stat *unix.Stat_t) error {
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return errors.New("it is not a directory")
	case !ours(stat):
		return fmt.Errorf("it belongs to user %d: chown it to user %d", stat.Uid, os.Geteuid())
	case stat.Mode&0o022 != 0:
		return fmt.Errorf("its mode is %04o: others could put keys there; chmod 0700", stat.Mode&0o7777)
	default:
		return nil
	}
}

func checkFile(stat *unix.Stat_t) error {
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("it is not a regular file")
	case !ours(stat):
		return fmt.Errorf("it belongs to user %d: chown it to user %d", stat.Uid, os.Geteuid())
	case stat.Mode&0o077 != 0:
		return fmt.Errorf("its mode is %04o: others could use it; chmod 0600", stat.Mode&0o7777)
	default:
		return nil
	}
}

func ours(stat *unix.Stat_t) bool { return int(stat.Uid) == os.Geteuid() || stat.Uid == 0 }
