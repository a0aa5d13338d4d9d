// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endpoint

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRuntimeDir(t *testing.T) {
	t.Parallel()
	own, uid := t.TempDir(), os.Geteuid()
	users := filepath.Join(own, "users")
	require.NoError(t, os.MkdirAll(filepath.Join(users, fmt.Sprint(uid)), 0o700))
	for _, c := range []struct {
		env   map[string]string
		users string
		uid   int
		want  string
		says  string
	}{
		{env: map[string]string{"XDG_RUNTIME_DIR": "/x", "TMPDIR": "/t"}, users: users, uid: uid, want: "/x/powerhose"},
		{env: map[string]string{"TMPDIR": "/t"}, users: users, uid: uid, want: fmt.Sprintf("%s/%d/powerhose", users, uid)},
		{env: map[string]string{"TMPDIR": "/t"}, users: "/nowhere", uid: 7, want: "/t/powerhose-7"},
		{env: nil, users: "/nowhere", uid: 7, want: "/tmp/powerhose-7"},
		{env: map[string]string{"XDG_RUNTIME_DIR": "x"}, says: "XDG_RUNTIME_DIR"},
		{env: map[string]string{"TMPDIR": "x"}, users: "/nowhere", says: "TMPDIR"},
	} {
		dir, err := runtimeDir(func(name string) string { return c.env[name] }, c.users, c.uid)
		if c.says != "" {
			require.ErrorContains(t, err, c.says)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, dir)
	}
	require.False(t, isOwnDir(users, uid+1), "somebody else's")
}

func TestDefaultEndpoints(t *testing.T) { // not parallel: it sets the environment
	t.Setenv(EnvFrontend, "")
	t.Setenv(EnvBackend, "")
	t.Setenv("XDG_RUNTIME_DIR", "/x")
	front, err := DefaultFrontend()
	require.NoError(t, err)
	require.Equal(t, "ipc:///x/powerhose/frontend.sock", front)
	back, err := DefaultBackend()
	require.NoError(t, err)
	require.Equal(t, "ipc:///x/powerhose/backend.sock", back)

	t.Setenv(EnvFrontend, "tcp://h:1")
	t.Setenv(EnvBackend, "tcp://h:2")
	front, err = DefaultFrontend()
	require.NoError(t, err)
	back, err = DefaultBackend()
	require.NoError(t, err)
	require.Equal(t, [2]string{"tcp://h:1", "tcp://h:2"}, [2]string{front, back})

	t.Setenv(EnvFrontend, "")
	t.Setenv("XDG_RUNTIME_DIR", "relative")
	_, err = DefaultFrontend()
	require.Error(t, err)
}

func TestEnsureDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	require.NoError(t, EnsureDir(dir))
	require.NoError(t, EnsureDir(dir))
	fi, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), fi.Mode().Perm())

	require.ErrorContains(t, EnsureDir(filepath.Join(dir, "a", "b")), "does not exist")

	for _, mode := range []fs.FileMode{0o701, 0o710, 0o755, 0o777} {
		require.NoError(t, os.Chmod(dir, mode))
		require.ErrorContains(t, EnsureDir(dir), "chmod 0700")
	}
	require.NoError(t, os.Chmod(dir, 0o700))

	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(dir, link))
	require.ErrorContains(t, EnsureDir(link), "symbolic link")
	dangling := filepath.Join(dir, "dangling")
	require.NoError(t, os.Symlink(filepath.Join(dir, "target"), dangling))
	require.ErrorContains(t, EnsureDir(dangling), "symbolic link")
	_, err = os.Lstat(filepath.Join(dir, "target"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, EnsureDir(file), "not a directory")
}

func TestDirectoriesOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, 12345, -1))
	require.NoError(t, os.Chmod(dir, 0o700))
	require.ErrorContains(t, EnsureDir(dir), "belongs to user 12345")
	require.ErrorContains(t, CheckDir(dir), "belongs to user 12345")
}

func TestCheckDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for mode, says := range map[fs.FileMode]string{
		0o700:                 "",
		0o755:                 "",
		0o770:                 "",
		0o777 | fs.ModeSticky: "",
		0o777:                 "chmod o-w",
		0o702:                 "chmod o-w",
	} {
		require.NoError(t, os.Chmod(dir, mode))
		if err := CheckDir(dir); says == "" {
			require.NoError(t, err, "%o", mode)
		} else {
			require.ErrorContains(t, err, says, "%o", mode)
		}
	}
	require.NoError(t, os.Chmod(dir, 0o700))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(dir, link))
	require.NoError(t, CheckDir(link))
	require.Error(t, CheckDir(filepath.Join(dir, "none")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	require.ErrorContains(t, CheckDir(filepath.Join(dir, "file")), "not a directory")
}

func TestPrepareDir(t *testing.T) { // not parallel: it sets the environment
	base, err := os.MkdirTemp("", "ep") // short enough for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	t.Setenv("XDG_RUNTIME_DIR", base)
	at := func(path string) Endpoint {
		e, err := Parse("ipc://" + path)
		require.NoError(t, err)
		return e
	}
	own := filepath.Join(base, "powerhose")
	require.NoError(t, PrepareDir(at(own+"/s")))
	require.DirExists(t, own)
	require.NoError(t, PrepareDir(at(base+"/new/s")))
	require.NoError(t, PrepareDir(at(base+"/new/s")))

	// A directory somebody made may be readable by others, the runtime
	// directory may not.
	require.NoError(t, os.Chmod(own, 0o755))
	require.NoError(t, os.Chmod(base+"/new", 0o755))
	require.NoError(t, PrepareDir(at(base+"/new/s")))
	require.ErrorContains(t, PrepareDir(at(own+"/s")), "chmod 0700")
}
