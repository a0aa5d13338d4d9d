// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/dsa" //nolint:staticcheck // the service signs with it, for BrowserID has it
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// copyKeys copies the keys of the test vectors, because a version control system
// forgets their modes.
func copyKeys(ctx context.Context, to string) error {
	dir, err := root(ctx)
	if err != nil {
		return err
	}
	return copySecrets(filepath.Join(dir, keysOfVectors), to)
}

// keysOfVectors is where they are in the module that is measured.
const keysOfVectors = "protocol/crypto/testdata/keys"

func copySecrets(from, to string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(from, file.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, file.Name()), content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readKey reads the key that a request names as somebody would who has no crypto
// service: with the standard library. It is nil if the request names none, else
// a []byte, an ed25519.PrivateKey or a pointer to another private key.
func readKey(dir string, request *pb.Request) (any, error) {
	var name string
	switch op := request.GetOperation().(type) {
	case *pb.Request_Hkdf:
		name = op.Hkdf.GetKey().GetName()
	case *pb.Request_Hmac:
		name = op.Hmac.GetKey().GetName()
	case *pb.Request_Sign:
		name = op.Sign.GetKey().GetName()
	case *pb.Request_Verify:
		name = op.Verify.GetKey().GetName()
	case *pb.Request_Encrypt:
		name = op.Encrypt.GetKey().GetName()
	case *pb.Request_Decrypt:
		name = op.Decrypt.GetKey().GetName()
	}
	if name == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(dir, name+".*"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("key %s is not in one file: %v", name, files)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	switch kind := filepath.Ext(files[0]); kind {
	case ".hkdf", ".hmac", ".aes256":
		return hex.DecodeString(strings.TrimSpace(string(content)))
	case ".dsa":
		return readDSA(content)
	default:
		block, _ := pem.Decode(content)
		if block == nil {
			return nil, fmt.Errorf("key %s is not PEM", name)
		}
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	}
}

func readDSA(content []byte) (*dsa.PrivateKey, error) {
	var digits map[string]string
	if err := json.Unmarshal(content, &digits); err != nil {
		return nil, err
	}
	key := &dsa.PrivateKey{}
	for name, to := range map[string]**big.Int{"p": &key.P, "q": &key.Q, "g": &key.G, "y": &key.Y, "x": &key.X} {
		n, ok := new(big.Int).SetString(digits[name], 16)
		if !ok {
			return nil, fmt.Errorf("%s of a DSA key is no number", name)
		}
		*to = n
	}
	return key, nil
}

// numbers of a key, as crypto-library wants them.
func numbers(key any) (map[string][]byte, error) {
	switch k := key.(type) {
	case nil:
		return nil, nil
	case []byte:
		return map[string][]byte{"secret": k}, nil
	case ed25519.PrivateKey:
		return map[string][]byte{"seed": k.Seed(), "point": k[ed25519.SeedSize:]}, nil
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			return nil, err
		}
		point, err := k.PublicKey.Bytes() // 4, x and y
		if err != nil {
			return nil, err
		}
		half := len(point) / 2
		return map[string][]byte{"d": d, "x": point[1 : 1+half], "y": point[1+half:]}, nil
	case *rsa.PrivateKey:
		return map[string][]byte{
			"n": k.N.Bytes(), "e": big.NewInt(int64(k.E)).Bytes(), "d": k.D.Bytes(),
			"p": k.Primes[0].Bytes(), "q": k.Primes[1].Bytes(),
		}, nil
	case *dsa.PrivateKey:
		return map[string][]byte{"p": k.P.Bytes(), "q": k.Q.Bytes(), "g": k.G.Bytes(), "y": k.Y.Bytes(), "x": k.X.Bytes()}, nil
	}
	return nil, errors.New("a key of an unknown kind")
}
