// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// algorithm is how keys that come in a request are read.
type algorithm struct {
	private func(*pb.Key) (privateKey, error)
	public  func(*pb.Key) (publicKey, error)
}

var algorithms = map[pb.SignatureAlgorithm]algorithm{
	pb.SignatureAlgorithm_ED25519:           {ed25519Private, ed25519Public},
	pb.SignatureAlgorithm_ECDSA_P256_SHA256: {p256Private, p256Public},
	pb.SignatureAlgorithm_RSA_PKCS1_SHA256:  {rsaPrivateOf(false), rsaPublicOf(false)},
	pb.SignatureAlgorithm_RSA_PSS_SHA256:    {rsaPrivateOf(true), rsaPublicOf(true)},
	pb.SignatureAlgorithm_DS128:             {dsaPrivateOf(ds128), dsaPublicOf(ds128)},
	pb.SignatureAlgorithm_DS256:             {dsaPrivateOf(ds256), dsaPublicOf(ds256)},
}

func algorithmOf(a pb.SignatureAlgorithm) (algorithm, error) {
	found, ok := algorithms[a]
	if !ok {
		return found, failf(pb.ErrorCode_UNKNOWN_ALGORITHM, "signature algorithm %d is not known", int32(a))
	}
	return found, nil
}

func (s *Service) sign(op *pb.Sign) ([]byte, error) {
	alg, err := algorithmOf(op.GetAlgorithm())
	if err != nil {
		return nil, err
	}
	if err := checkLength("data", len(op.GetData()), 0, MaxData); err != nil {
		return nil, err
	}
	found, err := s.namedFor(op.GetKey(), op.GetAlgorithm())
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		key, err := alg.private(op.GetKey())
		if err != nil {
			return nil, err
		}
		defer key.wipe()
		return key.sign(op.GetData())
	case found.private == nil:
		return nil, badKey("the one of that name is public: it only verifies")
	default:
		return found.private.sign(op.GetData())
	}
}

func (s *Service) verify(op *pb.Verify) (*pb.Response, error) {
	alg, err := algorithmOf(op.GetAlgorithm())
	if err != nil {
		return nil, err
	}
	err = firstOf(
		checkLength("data", len(op.GetData()), 0, MaxData),
		checkLength("signature", len(op.GetSignature()), 0, MaxSignature),
	)
	if err != nil {
		return nil, err
	}
	found, err := s.namedFor(op.GetKey(), op.GetAlgorithm())
	if err != nil {
		return nil, err
	}
	var key publicKey
	if found != nil {
		key = found.public
	} else if key, err = alg.public(op.GetKey()); err != nil {
		return nil, err
	}
	return &pb.Response{Result: &pb.Response_Valid{Valid: key.verify(op.GetData(), op.GetSignature())}}, nil
}

// namedFor returns the key that the request names, or nil if it names none.
func (s *Service) namedFor(key *pb.Key, a pb.SignatureAlgorithm) (*namedKey, error) {
	found, err := s.named(key)
	if err == nil && found != nil && found.algorithm != a {
		err = badKey("the one of that name is for %s, not for %s", found.typ, a)
	}
	return found, err
}

// rawKey returns the octets of a key of which exactly so many are wanted.
func rawKey(key *pb.Key, size int) ([]byte, error) {
	raw, ok := key.GetSource().(*pb.Key_Raw)
	if !ok {
		return nil, badKey("this algorithm takes one of raw octets")
	}
	if len(raw.Raw) != size {
		return nil, badKey("%d octets, not %d", len(raw.Raw), size)
	}
	return raw.Raw, nil
}

// fill returns a signature with zeros in front of it if it is shorter than that,
// as writers drop them. It returns nil for a longer one.
func fill(signature []byte, size int) []byte {
	switch {
	case len(signature) > size:
		return nil
	case len(signature) == size:
		return signature
	default:
		return append(make([]byte, size-len(signature), size), signature...)
	}
}
