// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// grpcService is what the tools of gRPC would generate from a service with one
// method for each kind of job, each from bytes to bytes.
const grpcService = "bench.Jobs"

// maxGRPC is the largest message in octets.
const maxGRPC = 64 << 20

// grpcPeer is gRPC-Go over a Unix socket. The worker is the server and there is
// nothing between. It is one process that uses all processors, as gRPC's users
// run it: two of them, called in turn, were slower.
func grpcPeer() *peer {
	return &peer{
		name: "grpc", worker: "go", client: "go", oneWorker: true,
		about: "gRPC-Go over a Unix socket: one worker that is the server and uses all processors",
		start: func(ctx context.Context, s *site) (target, error) {
			path := filepath.Join(s.dir, "grpc")
			if _, err := s.children.startRole(ctx, "grpc-worker", path); err != nil {
				return nil, err
			}
			conn, err := grpc.NewClient("unix://"+path,
				grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(maxGRPC), grpc.MaxCallSendMsgSize(maxGRPC)))
			if err != nil {
				return nil, err
			}
			return &grpcTarget{conn}, nil
		},
	}
}

type grpcTarget struct{ conn *grpc.ClientConn }

func (t *grpcTarget) call(ctx context.Context, service string, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var result wrapperspb.BytesValue
	if err := t.conn.Invoke(ctx, "/"+grpcService+"/"+service, &wrapperspb.BytesValue{Value: payload}, &result); err != nil {
		return nil, err
	}
	return result.Value, nil
}

func (t *grpcTarget) close() error { return t.conn.Close() }

func grpcWorker(ctx context.Context, args []string) error {
	listener, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxGRPC), grpc.MaxSendMsgSize(maxGRPC))
	description := grpc.ServiceDesc{ServiceName: grpcService, HandlerType: (*any)(nil)}
	for name, handle := range handlers {
		description.Methods = append(description.Methods, grpc.MethodDesc{MethodName: name, Handler: grpcMethod(handle)})
	}
	s.RegisterService(&description, nil)
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	serve(ctx, "ready")
	s.Stop()
	return <-failed
}

// grpcMethod is the generated part of a method.
func grpcMethod(handle func([]byte) ([]byte, error)) grpc.MethodHandler {
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in wrapperspb.BytesValue
		if err := decode(&in); err != nil {
			return nil, err
		}
		out, err := handle(in.Value)
		if err != nil {
			return nil, err
		}
		return &wrapperspb.BytesValue{Value: out}, nil
	}
}
