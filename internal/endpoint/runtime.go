// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Environment variables that replace the default endpoints.
const (
	EnvFrontend = "POWERHOSE_FRONTEND"
	EnvBackend  = "POWERHOSE_BACKEND"
)

const (
	frontendSocket = "frontend.sock"
	backendSocket  = "backend.sock"
	dirName        = "powerhose"
)

// RuntimeDir returns the directory that holds this user's sockets:
// $XDG_RUNTIME_DIR/powerhose, else /run/user/UID/powerhose if /run/user/UID is
// ours, else powerhose-UID in $TMPDIR or /tmp. It creates nothing: see
// EnsureDir. It fails if the environment names a relative directory.
func RuntimeDir() (string, error) {
	return runtimeDir(os.Getenv, "/run/user", os.Geteuid())
}

func runtimeDir(getenv func(string) string, runUser string, uid int) (string, error) {
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		return child("XDG_RUNTIME_DIR", dir, dirName)
	}
	if dir := filepath.Join(runUser, strconv.Itoa(uid)); isOwnDir(dir, uid) {
		return filepath.Join(dir, dirName), nil
	}
	tmp := getenv("TMPDIR")
	if tmp == "" {
		tmp = "/tmp"
	}
	return child("TMPDIR", tmp, dirName+"-"+strconv.Itoa(uid))
}

func child(variable, dir, name string) (string, error) {
	if !filepath.IsAbs(dir) {
		return "", fmt.Errorf("endpoint: %s is %q, which is not an absolute path: correct or unset it", variable, dir)
	}
	return filepath.Join(dir, name), nil
}

// DefaultFrontend returns the endpoint that runners connect to unless told
// otherwise: $POWERHOSE_FRONTEND, else frontend.sock in RuntimeDir. The value
// of the variable is returned as it is: Parse judges it.
func DefaultFrontend() (string, error) {
	return defaultEndpoint(EnvFrontend, frontendSocket)
}

// DefaultBackend returns the endpoint that workers register at unless told
// otherwise: $POWERHOSE_BACKEND, else backend.sock in RuntimeDir.
func DefaultBackend() (string, error) {
	return defaultEndpoint(EnvBackend, backendSocket)
}

func defaultEndpoint(variable, socket string) (string, error) {
	if s := os.Getenv(variable); s != "" {
		return s, nil
	}
	dir, err := RuntimeDir()
	if err != nil {
		return "", err
	}
	return schemeIPC + filepath.Join(dir, socket), nil
}
