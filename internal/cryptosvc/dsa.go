// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"bytes"
	"crypto/dsa" //nolint:staticcheck // deprecated because nobody should begin with it; BrowserID has it
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"math/big"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// dsaGroup is one of the groups that BrowserID uses, from the examples of FIPS
// 186-3. Others are not allowed: checking one that somebody chose costs more
// than a signature, and may be a trap.
type dsaGroup struct {
	name      string
	algorithm pb.SignatureAlgorithm
	size      int // of q, r and s in octets
	digest    func(data []byte) []byte
	p, q, g   []byte
	dsa.Parameters
}

var (
	ds128 = newGroup("DS128", pb.SignatureAlgorithm_DS128, ds128P, ds128Q, ds128G, func(data []byte) []byte {
		digest := sha1.Sum(data)
		return digest[:]
	})
	ds256 = newGroup("DS256", pb.SignatureAlgorithm_DS256, ds256P, ds256Q, ds256G, func(data []byte) []byte {
		digest := sha256.Sum256(data)
		return digest[:]
	})
)

func newGroup(name string, a pb.SignatureAlgorithm, p, q, g string, digest func([]byte) []byte) *dsaGroup {
	of := func(digits string) *big.Int {
		n, ok := new(big.Int).SetString(digits, 16)
		if !ok {
			panic("cryptosvc: a group is misspelt")
		}
		return n
	}
	parameters := dsa.Parameters{P: of(p), Q: of(q), G: of(g)}
	return &dsaGroup{
		name: name, algorithm: a, size: (parameters.Q.BitLen() + 7) / 8, digest: digest,
		p: parameters.P.Bytes(), q: parameters.Q.Bytes(), g: parameters.G.Bytes(), Parameters: parameters,
	}
}

type dsaPrivateKey struct {
	group *dsaGroup
	key   *dsa.PrivateKey
}

type dsaPublicKey struct {
	group *dsaGroup
	key   *dsa.PublicKey
}

// check tells whether a key has the numbers of the group.
func (g *dsaGroup) check(key *pb.DsaKey) error {
	if key == nil {
		return badKey("this algorithm takes a DSA key")
	}
	for _, n := range []struct {
		name      string
		got, want []byte
	}{{"p", key.GetP(), g.p}, {"q", key.GetQ(), g.q}, {"g", key.GetG(), g.g}} {
		octets, err := number(n.name, n.got)
		if err != nil {
			return err
		}
		if !bytes.Equal(octets, n.want) {
			return badKey("%s is not that of the group of %s", n.name, g.name)
		}
	}
	return nil
}

func dsaPublicOf(g *dsaGroup) func(*pb.Key) (publicKey, error) {
	return func(key *pb.Key) (publicKey, error) {
		k := key.GetDsa()
		if err := g.check(k); err != nil {
			return nil, err
		}
		if len(k.GetX()) > 0 {
			return nil, badKey("it is private, and not needed to verify")
		}
		y, err := number("y", k.GetY())
		if err != nil {
			return nil, err
		}
		return g.public(new(big.Int).SetBytes(y))
	}
}

// public makes a key of y, in range but not known to be in the group.
func (g *dsaGroup) public(y *big.Int) (publicKey, error) {
	one := big.NewInt(1)
	if y.Cmp(one) <= 0 || y.Cmp(new(big.Int).Sub(g.P, one)) >= 0 {
		return nil, badKey("y is not a number from 2 to p - 2")
	}
	return dsaPublicKey{g, &dsa.PublicKey{Parameters: g.Parameters, Y: y}}, nil
}

func dsaPrivateOf(g *dsaGroup) func(*pb.Key) (privateKey, error) {
	return func(key *pb.Key) (privateKey, error) {
		k := key.GetDsa()
		if err := g.check(k); err != nil {
			return nil, err
		}
		x, err := number("x", k.GetX())
		if err != nil {
			return nil, err
		}
		return g.private(new(big.Int).SetBytes(x))
	}
}

func (g *dsaGroup) private(x *big.Int) (privateKey, error) {
	if !inRange(x, g.Q) {
		return nil, badKey("x is not a number from 1 to q - 1")
	}
	return dsaPrivateKey{g, &dsa.PrivateKey{PublicKey: dsa.PublicKey{Parameters: g.Parameters}, X: x}}, nil
}

func (k dsaPrivateKey) sign(data []byte) ([]byte, error) {
	r, s, err := dsa.Sign(rand.Reader, k.key, k.group.digest(data))
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 2*k.group.size)
	r.FillBytes(signature[:k.group.size])
	s.FillBytes(signature[k.group.size:])
	return signature, nil
}

func (k dsaPrivateKey) wipe() { wipeInt(k.key.X) }

func (k dsaPublicKey) verify(data, signature []byte) bool {
	size := k.group.size
	signature = fill(signature, 2*size)
	if signature == nil {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	if !inRange(r, k.group.Q) || !inRange(s, k.group.Q) {
		return false
	}
	return dsa.Verify(k.key, k.group.digest(data), r, s)
}
