// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// testKeys loads the keys that the vectors name.
func testKeys(t testing.TB) *Keys {
	t.Helper()
	keys, err := LoadKeys(copyKeys(t))
	require.NoError(t, err)
	return keys
}

// copyKeys copies them, because a version control system forgets their mode.
func copyKeys(t testing.TB) string {
	t.Helper()
	dir := keyDir(t)
	files, err := os.ReadDir(testdata + "/keys")
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(testdata, "keys", file.Name()))
		require.NoError(t, err)
		writeKey(t, dir, file.Name(), string(content))
	}
	return dir
}

func keyDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	return dir
}

func writeKey(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	require.NoError(t, os.Chmod(path, 0o600)) // whatever the umask is
	return path
}

func readTestKey(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testdata, "keys", name))
	require.NoError(t, err)
	return string(content)
}

const goodHex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func TestKeysHaveNamesAndTypes(t *testing.T) {
	t.Parallel()
	dir := copyKeys(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "..data"), 0o777))
	writeKey(t, dir, ".hidden", "anything")
	require.NoError(t, os.Chmod(writeKey(t, dir, "readonly.hmac", goodHex), 0o400))
	require.NoError(t, os.Chmod(dir, 0o755), "others may see the names")
	keys, err := LoadKeys(dir)
	require.NoError(t, err)
	require.Equal(t, []string{
		"box.aes256", "ds256.example.com.dsa", "ec.p256", "ec-public.p256", "ed.ed25519", "ed-public.ed25519",
		"example.com.dsa", "ikm.hkdf", "mac.hmac", "mockmyid.com.dsa", "ps.rsa-pss", "ps-public.rsa-pss",
		"readonly.hmac", "rs.rsa-pkcs1", "rs-public.rsa-pkcs1",
	}, keys.Names())
}

func TestEmptyDirectoryHasNoKeys(t *testing.T) {
	t.Parallel()
	keys, err := LoadKeys(keyDir(t))
	require.NoError(t, err)
	require.Empty(t, keys.Names())
}

func TestDirectoryIsChecked(t *testing.T) {
	t.Parallel()
	_, err := LoadKeys(filepath.Join(keyDir(t), "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = LoadKeys(writeKey(t, keyDir(t), "file", ""))
	require.ErrorContains(t, err, "it is not a directory")
	for mode, text := range map[os.FileMode]string{
		0o770: "its mode is 0770: others could put keys there; chmod 0700",
		0o702: "its mode is 0702", 0o720: "its mode is 0720", 0o777 | os.ModeSticky: "its mode is 1777",
	} {
		dir := keyDir(t)
		require.NoError(t, os.Chmod(dir, mode))
		_, err := LoadKeys(dir)
		require.ErrorContains(t, err, text)
	}
	dir := keyDir(t)
	for i := range MaxKeyFiles + 1 {
		writeKey(t, dir, fmt.Sprintf("%d.hmac", i), goodHex)
	}
	_, err = LoadKeys(dir)
	require.ErrorContains(t, err, "1025 files, allowed are 1024")
}

func TestFileIsChecked(t *testing.T) {
	t.Parallel()
	refuses := func(text string, prepare func(dir string)) {
		dir := keyDir(t)
		prepare(dir)
		_, err := LoadKeys(dir)
		require.ErrorContains(t, err, "cryptosvc: key "+dir+"/")
		require.ErrorContains(t, err, text)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o660, 0o444} {
		refuses(fmt.Sprintf("its mode is %04o: others could use it; chmod 0600", mode), func(dir string) {
			require.NoError(t, os.Chmod(writeKey(t, dir, "a.hmac", goodHex), mode))
		})
	}
	refuses("it is a symbolic link", func(dir string) {
		require.NoError(t, os.Symlink(writeKey(t, keyDir(t), "a.hmac", goodHex), filepath.Join(dir, "a.hmac")))
	})
	refuses("it is a symbolic link", func(dir string) {
		require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "a.hmac")))
	})
	refuses("it is not a regular file", func(dir string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "a.hmac"), 0o700))
	})
	refuses("it is not a regular file", func(dir string) {
		require.NoError(t, unix.Mkfifo(filepath.Join(dir, "a.hmac"), 0o600))
	})
	refuses("it is longer than 65536 octets", func(dir string) {
		writeKey(t, dir, "a.hmac", goodHex+strings.Repeat(" ", MaxKeyFile))
	})
	refuses("a name may have only one type", func(dir string) {
		writeKey(t, dir, "a.hmac", goodHex)
		writeKey(t, dir, "a.hkdf", goodHex)
	})
	for _, name := range []string{"README", "A.hmac", "-a.hmac", "_a.hmac", "a b.hmac", "ä.hmac", strings.Repeat("x", 65) + ".hmac", "hmac"} {
		refuses("the file's name is not NAME.TYPE", func(dir string) { writeKey(t, dir, name, goodHex) })
	}
	for _, name := range []string{"a.", "a.hmac~", "a.HMAC", "a.txt", "a.hmac.bak"} {
		refuses("is no type of key", func(dir string) { writeKey(t, dir, name, goodHex) })
	}
}

func TestOwnerIsChecked(t *testing.T) {
	t.Parallel()
	me := uint32(os.Geteuid())
	for _, c := range []struct {
		uid  uint32
		good bool
	}{{me, true}, {0, true}, {me + 1, false}} {
		file := unix.Stat_t{Mode: unix.S_IFREG | 0o600, Uid: c.uid}
		dir := unix.Stat_t{Mode: unix.S_IFDIR | 0o700, Uid: c.uid}
		if c.good {
			require.NoError(t, checkFile(&file))
			require.NoError(t, checkDir(&dir))
			continue
		}
		require.ErrorContains(t, checkFile(&file), fmt.Sprintf("it belongs to user %d: chown it to user %d", c.uid, me))
		require.ErrorContains(t, checkDir(&dir), fmt.Sprintf("it belongs to user %d", c.uid))
	}
}
