// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsOfKeyFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ     keyType
		content string
		octets  int // 0: refused
		text    string
	}{
		{"hmac", goodHex, 32, ""},
		{"hkdf", " \t\r\n" + strings.ToUpper(goodHex) + "\n\n", 32, ""},
		{"hkdf", goodHex[:32], 16, ""},
		{"hkdf", goodHex[:30], 0, "15 octets, allowed are 16 to 4096"},
		{"hkdf", strings.Repeat("ab", 4096), 4096, ""},
		{"hmac", strings.Repeat("ab", 4097), 0, "4097 octets, allowed are 16 to 4096"},
		{"aes256", goodHex, 32, ""},
		{"aes256", goodHex[2:], 0, "31 octets, allowed are 32 to 32"},
		{"aes256", goodHex + "00", 0, "33 octets"},
		{"hmac", "", 0, "0 octets"},
		{"hmac", goodHex[1:], 0, "not an even number of hexadecimal digits"},
		{"hmac", goodHex[:31] + "g", 0, "not an even number"},
		{"hmac", goodHex[:20] + " " + goodHex[20:], 0, "not an even number"},
		{"hmac", "0x" + goodHex, 0, "not an even number"},
		{"hmac", goodHex + "\x00", 0, "not an even number"},
	} {
		key, err := parseKey(c.typ, []byte(c.content))
		if c.octets == 0 {
			require.ErrorContains(t, err, c.text, c.content)
			continue
		}
		require.NoError(t, err, c.content)
		if c.typ == typeAES256 {
			require.NotNil(t, key.aead)
		} else {
			require.Len(t, key.secret, c.octets)
		}
	}
}

func TestPEMOfKeyFiles(t *testing.T) {
	t.Parallel()
	ed := readTestKey(t, "ed.ed25519")
	refuses := func(typ keyType, content, text string) {
		t.Helper()
		_, err := parseKey(typ, []byte(content))
		require.ErrorContains(t, err, text)
		require.NotContains(t, err.Error(), "MC4C", "an error does not quote the key")
	}
	for typ, content := range map[keyType]string{
		"ed25519": "\n\t " + ed + "\r\n ", "p256": readTestKey(t, "ec.p256"), "rsa-pss": readTestKey(t, "rs.rsa-pkcs1"),
	} {
		key, err := parseKey(typ, []byte(content))
		require.NoError(t, err)
		require.NotNil(t, key.private)
		require.NotNil(t, key.public)
	}
	refuses("ed25519", "", "not PEM: it does not begin")
	refuses("ed25519", goodHex, "not PEM: it does not begin")
	refuses("ed25519", "my key\n"+ed, "not PEM: it does not begin")
	refuses("ed25519", ed+"x", "not PEM with one block and nothing else")
	refuses("ed25519", ed+ed, "not PEM with one block and nothing else")
	refuses("ed25519", ed[:len(ed)-10], "not PEM with one block and nothing else")
	refuses("ed25519", strings.Replace(ed, "-----\n", "-----\nComment: x\n\n", 1), "not PEM with one block and nothing else")
	refuses("ed25519", strings.ReplaceAll(ed, "PRIVATE", "ENCRYPTED PRIVATE"), "neither PRIVATE KEY")
	refuses("ed25519", strings.ReplaceAll(ed, "PRIVATE", "RSA PRIVATE"), "neither PRIVATE KEY")
	refuses("ed25519", strings.ReplaceAll(ed, "PRIVATE KEY", "PUBLIC KEY"), "the block cannot be read")
	refuses("p256", ed, "the key in it is not of the type p256")
	refuses("rsa-pss", ed, "the key in it is not of the type rsa-pss")
	refuses("ed25519", readTestKey(t, "ec.p256"), "the key in it is not of the type ed25519")
	refuses("ed25519", readTestKey(t, "rs-public.rsa-pkcs1"), "the key in it is not of the type ed25519")
	refuses("p256", readTestKey(t, "ed-public.ed25519"), "the key in it is not of the type p256")
	refuses("rsa-pkcs1", readTestKey(t, "ec-public.p256"), "the key in it is not of the type rsa-pkcs1")
}

func TestKeysThatAreTooWeakAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  keyType
		key  any
		text string
	}{
		{"p256", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t), "the curve is not P-256"},
		{"rsa-pss", must(rsa.GenerateKey(rand.Reader, 1024))(t), "n has 1024 bits, allowed are 2048 to 4096"},
		{"rsa-pkcs1", must(rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048))(t), "n is not a product of two numbers"}, //nolint:staticcheck // deprecated, and refused here
	} {
		content := pemOf(t, "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(c.key))(t))
		_, err := parseKey(c.typ, content)
		require.ErrorContains(t, err, c.text)
	}
	_, x25519, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der := must(x509.MarshalPKCS8PrivateKey(x25519))(t)
	der[11] = 0x6e // the algorithm is now X25519
	_, err = parseKey("ed25519", pemOf(t, "PRIVATE KEY", der))
	require.ErrorContains(t, err, "the key in it is not of the type ed25519")
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		require.NoError(t, err)
		return value
	}
}

func pemOf(t testing.TB, typ string, der []byte) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}

func TestDSAKeyFiles(t *testing.T) {
	t.Parallel()
	good := readTestKey(t, "example.com.dsa")
	accepts := func(content string, private bool) {
		t.Helper()
		key, err := parseKey(typeDSA, []byte(content))
		require.NoError(t, err)
		require.Equal(t, private, key.private != nil)
	}
	accepts(good, true)
	accepts(" \r\n"+strings.ReplaceAll(strings.ReplaceAll(good, `": "`, "\"\t:\r\n\""), ", ", " , ")+"\n\t", true)
	accepts(strings.ReplaceAll(good, `"p": "ff6004`, `"p": "0FF6004`), true) // an odd number of digits, any case
	accepts(good[:strings.Index(good, `, "x"`)]+"}", false)

	for what, c := range map[string]struct{ old, changed, text string }{
		"other algorithm":  {`"DS"`, `"RS"`, "algorithm is not DS"},
		"no algorithm":     {`"algorithm": "DS", `, ``, "algorithm is not DS"},
		"unknown member":   {`"DS"`, `"DS", "version": "1"`, `there is a member "version"`},
		"twice":            {`"DS"`, `"DS", "x": "1"`, "x is there twice"},
		"algorithm twice":  {`"DS"`, `"DS", "algorithm": "DS"`, "algorithm is there twice"},
		"not hexadecimal":  {`"x": "`, `"x": "g`, "x is not a number of 1 to 2048 hexadecimal digits"},
		"empty":            {`"y": "`, `"y": "", "z": "`, ""},
		"too long":         {`"y": "`, `"y": "` + strings.Repeat("0", 2048), "y is not a number"},
		"sign":             {`"x": "`, `"x": "-`, "not one JSON object"},
		"escape":           {`"x"`, `"\u0078"`, "not one JSON object"},
		"number":           {`"DS"`, `"DS", "x": 1`, "not one JSON object"},
		"comma at the end": {`"}`, `",}`, "not one JSON object"},
		"no comma":         {`"DS",`, `"DS"`, "not one JSON object"},
		"two objects":      {`"}`, `"}{}`, "not one JSON object"},
		"array":            {`{"`, `[{"`, "not one JSON object"},
		"no y":             {`"y": "1a`, `"p": "1a`, ""},
		"other y":          {`"y": "1`, `"y": "2`, "y does not belong to x"},
		"y 1":              {`"y": "`, `"y": "1", "q": "`, ""},
		"other group":      {`"g": "c`, `"g": "d`, "p, q and g are not a group of BrowserID"},
		"x too large":      {`"x": "`, `"x": "ffff`, "x is not a number from 1 to q - 1"},
	} {
		changed := strings.Replace(good, c.old, c.changed, 1)
		require.NotEqual(t, good, changed, what)
		_, err := parseKey(typeDSA, []byte(changed))
		require.ErrorContains(t, err, c.text, what)
	}
	for _, content := range []string{"", "{}", "null", `{"algorithm":"DS"}`, `"x"`, "{", strings.Repeat("{", 60000)} {
		_, err := parseKey(typeDSA, []byte(content))
		require.Error(t, err, content)
	}
}

func FuzzKeyFile(f *testing.F) {
	for _, name := range []string{"example.com.dsa", "ed.ed25519", "rs.rsa-pkcs1", "ec.p256", "ikm.hkdf"} {
		_, typ, _ := strings.Cut(name, ".")
		f.Add(typ, []byte(readTestKey(f, name)))
	}
	f.Fuzz(func(t *testing.T, typ string, content []byte) {
		if i := strings.LastIndexByte(typ, '.'); i >= 0 {
			typ = typ[i+1:]
		}
		key, err := parseKey(keyType(typ), content)
		if err == nil && key.secret == nil && key.aead == nil {
			require.NotNil(t, key.public)
			key.public.verify(content, content)
			if key.private != nil {
				signature, err := key.private.sign([]byte("data"))
				require.NoError(t, err)
				require.True(t, key.public.verify([]byte("data"), signature))
			}
		}
	})
}
