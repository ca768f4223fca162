package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"bench-grpc-go/gen/echo"
)

const sessionDeadline = 10 * time.Minute

type target struct {
	Port       int
	TLS        *struct{ Cert string }
	Payload    int
	DeadlineMs int
}

// subject is a client with a connection of its own.
type subject struct {
	client   echo.EchoServiceClient
	data     []byte
	deadline time.Duration
}

// seen is what the interceptors have seen.
var seen struct{ started, succeeded atomic.Int64 }

func countUnary(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	seen.started.Add(1)
	err := invoke(ctx, method, request, reply, connection, options...)
	if err == nil {
		seen.succeeded.Add(1)
	}
	return err
}

func countStream(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	seen.started.Add(1)
	stream, err := open(ctx, description, connection, method, options...)
	if err == nil {
		seen.succeeded.Add(1)
	}
	return stream, err
}

func connect(to target) (*subject, error) {
	address := fmt.Sprintf("passthrough:///127.0.0.1:%d", to.Port)
	transport := insecure.NewCredentials()
	if to.TLS != nil {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(to.TLS.Cert)) {
			return nil, errors.New("no certificate in the target")
		}
		transport = credentials.NewClientTLSFromCert(roots, "localhost")
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport),
		grpc.WithUnaryInterceptor(countUnary), grpc.WithStreamInterceptor(countStream))
	if err != nil {
		return nil, err
	}
	data := make([]byte, to.Payload)
	for i := range data {
		data[i] = 'a'
	}
	return &subject{echo.NewEchoServiceClient(connection), data, time.Duration(to.DeadlineMs) * time.Millisecond}, nil
}

func (s *subject) check(data []byte) error {
	if len(data) != len(s.data) || data[0] != 'a' || data[len(data)-1] != 'a' {
		return fmt.Errorf("the echo of %d octets has %d", len(s.data), len(data))
	}
	return nil
}

func (s *subject) unary() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.deadline)
	defer cancel()
	response, err := s.client.Unary(ctx, &echo.EchoRequest{Data: s.data})
	if err != nil {
		return err
	}
	return s.check(response.Data)
}

func (s *subject) park() error {
	ctx, cancel := context.WithTimeout(context.Background(), sessionDeadline)
	defer cancel()
	_, err := s.client.Park(ctx, &echo.EchoRequest{Data: s.data})
	return err
}

type echoStream struct {
	subject *subject
	stream  grpc.BidiStreamingClient[echo.EchoRequest, echo.EchoResponse]
	cancel  context.CancelFunc
}

func (s *subject) openStream(deadline time.Duration) (*echoStream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	stream, err := s.client.Chat(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return &echoStream{s, stream, cancel}, nil
}

func (e *echoStream) exchange() error {
	if err := e.stream.Send(&echo.EchoRequest{Data: e.subject.data}); err != nil {
		return err
	}
	response, err := e.stream.Recv()
	if err != nil {
		return err
	}
	return e.subject.check(response.Data)
}

func (e *echoStream) end() error {
	defer e.cancel()
	if err := e.stream.CloseSend(); err != nil {
		return err
	}
	if _, err := e.stream.Recv(); err != io.EOF {
		return fmt.Errorf("a message too many, or %w", err)
	}
	return nil
}

func (s *subject) fire(count int, onMessage func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), sessionDeadline)
	defer cancel()
	stream, err := s.client.Fire(ctx, &echo.FireRequest{Data: s.data, Count: uint32(count)})
	if err != nil {
		return err
	}
	received := 0
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := s.check(response.Data); err != nil {
			return err
		}
		received++
		onMessage()
	}
	if received != count {
		return fmt.Errorf("%d messages of %d", received, count)
	}
	return nil
}
