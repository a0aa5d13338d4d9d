// SPDX-License-Identifier: Apache-2.0

package cryptosvc

import (
	"context"

	"google.golang.org/protobuf/proto"

	pb "github.com/powerhose/powerhose/protocol/crypto"
)

// Name is that of the service.
const Name = "crypto"

// Service answers requests. It may be used from several goroutines at once.
type Service struct {
	keys *Keys
}

// New makes a service that knows the keys that a request may name; nil is none.
func New(keys *Keys) *Service {
	if keys == nil {
		keys = &Keys{}
	}
	return &Service{keys: keys}
}

// Do answers one request. Whatever is wrong with it, even if it is none, stands
// in the answer: the error is nil unless the answer cannot be encoded. The
// payload is overwritten with zeros, for it may have had secrets in it. What
// runs is not interrupted when ctx ends, as the limits keep it short.
func (s *Service) Do(_ context.Context, payload []byte) ([]byte, error) {
	defer clear(payload)
	request := &pb.Request{}
	defer wipeRequest(request)
	response, err := s.answer(request, payload)
	if err != nil {
		response = answerTo(err)
	}
	return proto.Marshal(response)
}

func (s *Service) answer(request *pb.Request, payload []byte) (*pb.Response, error) {
	if err := checkLength("request", len(payload), 0, MaxRequest); err != nil {
		return nil, err
	}
	// Unknown fields would keep copies that nobody wipes.
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(payload, request); err != nil {
		return nil, failf(pb.ErrorCode_BAD_REQUEST, "not a request of this service")
	}
	switch op := request.GetOperation().(type) {
	case *pb.Request_Hkdf:
		return output(s.hkdf(op.Hkdf))
	case *pb.Request_Hmac:
		return output(s.hmac(op.Hmac))
	case *pb.Request_Digest:
		return output(s.digest(op.Digest))
	case *pb.Request_Sign:
		return output(s.sign(op.Sign))
	case *pb.Request_Verify:
		return s.verify(op.Verify)
	case *pb.Request_Encrypt:
		return s.encrypt(op.Encrypt)
	case *pb.Request_Decrypt:
		return output(s.decrypt(op.Decrypt))
	case *pb.Request_Random:
		return output(s.random(op.Random))
	case *pb.Request_Scrypt:
		return output(s.scrypt(op.Scrypt))
	default:
		return nil, failf(pb.ErrorCode_BAD_REQUEST, "the request has no operation that is known")
	}
}

func output(octets []byte, err error) (*pb.Response, error) {
	if err != nil {
		return nil, err
	}
	return &pb.Response{Result: &pb.Response_Output{Output: octets}}, nil
}
