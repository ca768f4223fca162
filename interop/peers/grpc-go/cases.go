package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"peer-grpc/gen/echo"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// cases are run in this order; each returns what it saw.
var cases = []struct {
	name string
	run  func(context.Context, *target) (string, error)
}{
	{"unary", unary(64)},
	{"unary-empty", unary(0)},
	{"unary-3mib", unary(3 * mib)},
	{"unary-gzip", unary(256*kib, grpc.UseCompressor(gzip.Name))},
	{"server-stream-1000", serverStream(1000, 100)},
	{"server-stream-3mib", serverStream(4, 3*mib)},
	{"client-stream-1000", clientStream(1000, 100)},
	{"client-stream-3mib", clientStream(4, 3*mib)},
	{"bidi-ping-pong", bidiPingPong(100, 100)},
	{"bidi-1000", bidi(1000, 100)},
	{"bidi-3mib", bidi(4, 3*mib)},
	{"bidi-gzip", bidi(20, 64*kib, grpc.UseCompressor(gzip.Name))},
	{"metadata", echoMetadata},
	{"status", failure},
	{"unknown-method", unknownMethod},
	{"deadline", deadline},
	{"cancel", cancelStream},
	{"cancel-bidi", cancelBidi},
	{"slow-reader", slowReader},
	{"concurrent", concurrent},
}

func checked(resp *echo.EchoResponse, seq uint32, want []byte) error {
	if resp.GetSeq() != seq {
		return fmt.Errorf("message %d came where %d was due", resp.GetSeq(), seq)
	}
	if err := same(resp.GetPayload(), want); err != nil {
		return fmt.Errorf("message %d: %w", seq, err)
	}
	return nil
}

func request(seq uint32, size int) *echo.EchoRequest {
	return &echo.EchoRequest{Payload: pattern(seq, size), Seq: seq}
}

func echoedBack(resp *echo.EchoResponse, req *echo.EchoRequest) error {
	if crc := crc32.ChecksumIEEE(req.GetPayload()); resp.GetCrc32() != crc {
		return fmt.Errorf("the server read a payload with CRC %08x, sent was %08x", resp.GetCrc32(), crc)
	}
	return checked(resp, req.GetSeq(), req.GetPayload())
}

func unary(size int, opts ...grpc.CallOption) func(context.Context, *target) (string, error) {
	return func(ctx context.Context, t *target) (string, error) {
		req := request(3, size)
		resp, err := t.echo.Unary(ctx, req, opts...)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d bytes there and back", size), echoedBack(resp, req)
	}
}

func serverStream(count, size int) func(context.Context, *target) (string, error) {
	return func(ctx context.Context, t *target) (string, error) {
		stream, err := t.echo.ServerStream(ctx, &echo.EchoRequest{Count: uint32(count), Size: uint32(size)})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d messages of %d bytes", count, size), readAll(stream, 0, count, size)
	}
}

func readAll(stream grpc.ServerStreamingClient[echo.EchoResponse], from, count, size int) error {
	for i := from; i < count; i++ {
		resp, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if err := checked(resp, uint32(i), pattern(uint32(i), size)); err != nil {
			return err
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after %d messages: %v, not the end", count, err)
	}
	return nil
}

func clientStream(count, size int) func(context.Context, *target) (string, error) {
	return func(ctx context.Context, t *target) (string, error) {
		stream, err := t.echo.ClientStream(ctx)
		if err != nil {
			return "", err
		}
		var crc uint32
		for i := 0; i < count; i++ {
			req := request(uint32(i), size)
			crc = crc32.Update(crc, crc32.IEEETable, req.GetPayload())
			if err := stream.Send(req); err != nil {
				_, err = stream.CloseAndRecv()
				return "", fmt.Errorf("message %d: %w", i, err)
			}
		}
		sum, err := stream.CloseAndRecv()
		if err != nil {
			return "", err
		}
		want := &echo.Summary{Messages: uint32(count), Bytes: uint64(count * size), Crc32: crc}
		if !proto.Equal(sum, want) {
			return "", fmt.Errorf("the server read {%v}, sent was {%v}", sum, want)
		}
		return fmt.Sprintf("%d messages of %d bytes", count, size), nil
	}
}

func bidiPingPong(count, size int) func(context.Context, *target) (string, error) {
	return func(ctx context.Context, t *target) (string, error) {
		stream, err := t.echo.BidiStream(ctx)
		if err != nil {
			return "", err
		}
		for i := 0; i < count; i++ {
			req := request(uint32(i), size)
			if err := stream.Send(req); err != nil {
				return "", fmt.Errorf("send %d: %w", i, err)
			}
			resp, err := stream.Recv()
			if err != nil {
				return "", fmt.Errorf("answer %d: %w", i, err)
			}
			if err := echoedBack(resp, req); err != nil {
				return "", err
			}
		}
		if err := stream.CloseSend(); err != nil {
			return "", err
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("after the half-close: %v, not the end", err)
		}
		return fmt.Sprintf("%d turns of %d bytes", count, size), nil
	}
}

// bidi sends from one goroutine and reads in another.
func bidi(count, size int, opts ...grpc.CallOption) func(context.Context, *target) (string, error) {
	return func(ctx context.Context, t *target) (string, error) {
		stream, err := t.echo.BidiStream(ctx, opts...)
		if err != nil {
			return "", err
		}
		go func() {
			for i := 0; i < count; i++ {
				if stream.Send(request(uint32(i), size)) != nil {
					return // Recv tells why
				}
			}
			_ = stream.CloseSend()
		}()
		return fmt.Sprintf("%d messages of %d bytes each way", count, size), readAll(stream, 0, count, size)
	}
}

func echoMetadata(ctx context.Context, t *target) (string, error) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	sent := metadata.MD{
		"echo-text":  {"plain value", "second, with a comma"},
		"echo-a-bin": {string(every), "", "\x00", "\xff\xfe\xfd"},
	}
	var header, trailer metadata.MD
	_, err := t.echo.Unary(metadata.NewOutgoingContext(ctx, sent), request(0, 10), grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		return "", err
	}
	for name, values := range sent {
		if got := header.Get(name); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", values) {
			return "", fmt.Errorf("header %s: got %q, want %q", name, got, values)
		}
		if got := trailer.Get("trailer-" + name); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", values) {
			return "", fmt.Errorf("trailer %s: got %q, want %q", name, got, values)
		}
	}
	return "every byte value in -bin headers and trailers", nil
}

func failure(ctx context.Context, t *target) (string, error) {
	message := "naïve 100% \"quoted\" 漢字\nsecond line"
	_, err := t.echo.Unary(ctx, &echo.EchoRequest{FailCode: uint32(codes.FailedPrecondition), FailMessage: message})
	st := status.Convert(err)
	if st.Code() != codes.FailedPrecondition || st.Message() != message {
		return "", fmt.Errorf("got %v %q", st.Code(), st.Message())
	}
	details := st.Details()
	if len(details) != 2 {
		return "", fmt.Errorf("%d details, not 2: %v", len(details), details)
	}
	first, _ := details[0].(*echo.Summary)
	second, _ := details[1].(*wrapperspb.StringValue)
	if first.GetBytes() != 1<<40 || second.GetValue() != "detail ☂" {
		return "", fmt.Errorf("details: %v", details)
	}
	return "code, message in many scripts and both details", nil
}

func unknownMethod(ctx context.Context, t *target) (string, error) {
	err := t.conn.Invoke(ctx, "/interop.echo.v1.EchoService/NoSuchMethod", &echo.EchoRequest{}, &echo.EchoResponse{})
	if status.Code(err) != codes.Unimplemented {
		return "", fmt.Errorf("got %v", err)
	}
	return err.Error(), nil
}

// await asks the server until it has seen the call end so.
func await(ctx context.Context, t *target, id, state string) (*echo.ObserveResponse, error) {
	for {
		seen, err := t.echo.Observe(ctx, &echo.ObserveRequest{CallId: id})
		if err != nil {
			return nil, fmt.Errorf("the server does not say how it saw the call %q: %w", id, err)
		}
		if seen.GetState() == state {
			return seen, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the server sees the call as %q, not %q", seen.GetState(), state)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func fresh(name string) string { return fmt.Sprintf("%s-%d", name, time.Now().UnixNano()) }

func deadline(ctx context.Context, t *target) (string, error) {
	id := fresh("deadline")
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := t.echo.Unary(short, &echo.EchoRequest{DelayMs: 10_000, CallId: id})
	took := time.Since(began)
	if status.Code(err) != codes.DeadlineExceeded || took > 3*time.Second {
		return "", fmt.Errorf("after %v: %v", took, err)
	}
	seen, err := await(ctx, t, id, "canceled")
	if err != nil {
		return "", err
	}
	if !seen.GetHadDeadline() {
		return "", errors.New("the handler saw no deadline")
	}
	return "both sides ended", nil
}

func cancelStream(ctx context.Context, t *target) (string, error) {
	id := fresh("cancel")
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := t.echo.ServerStream(own, &echo.EchoRequest{Size: 1000, CallId: id})
	if err != nil {
		return "", err
	}
	for i := uint32(0); i < 10; i++ {
		resp, err := stream.Recv()
		if err != nil {
			return "", err
		}
		if err := checked(resp, i, pattern(i, 1000)); err != nil {
			return "", err
		}
	}
	cancel()
	seen, err := await(ctx, t, id, "canceled")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("left after 10 messages, the server stopped at %d", seen.GetSent()), nil
}

func cancelBidi(ctx context.Context, t *target) (string, error) {
	id := fresh("cancel-bidi")
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := t.echo.BidiStream(own)
	if err != nil {
		return "", err
	}
	req := request(0, 100)
	req.CallId = id
	if err := stream.Send(req); err != nil {
		return "", err
	}
	if _, err := stream.Recv(); err != nil {
		return "", err
	}
	cancel()
	if _, err := await(ctx, t, id, "canceled"); err != nil {
		return "", err
	}
	return "left with both directions open", nil
}

// slowReader stops reading a stream of 32 MiB: the server must be held back, and other calls on the connection not.
func slowReader(ctx context.Context, t *target) (string, error) {
	const count, size, bound = 512, 64 * kib, 128
	conn, err := t.dial(grpc.WithInitialWindowSize(64*kib), grpc.WithInitialConnWindowSize(mib))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	slow := *t
	slow.conn, slow.echo = conn, echo.NewEchoServiceClient(conn)
	id := fresh("slow")
	stream, err := slow.echo.ServerStream(ctx, &echo.EchoRequest{Count: count, Size: size, CallId: id})
	if err != nil {
		return "", err
	}
	first, err := stream.Recv()
	if err != nil {
		return "", err
	}
	if err := checked(first, 0, pattern(0, size)); err != nil {
		return "", err
	}
	time.Sleep(time.Second)
	seen, err := slow.echo.Observe(ctx, &echo.ObserveRequest{CallId: id})
	if err != nil {
		return "", err
	}
	if seen.GetSent() > bound {
		return "", fmt.Errorf("the server sent %d messages of %d to a reader that read 1", seen.GetSent(), count)
	}
	if _, err := unary(256*kib)(ctx, &slow); err != nil {
		return "", fmt.Errorf("another call on the connection, while the reader is slow: %w", err)
	}
	if err := readAll(stream, 1, count, size); err != nil {
		return "", err
	}
	return fmt.Sprintf("the server stopped after %d of %d messages, then all arrived", seen.GetSent(), count), nil
}

func concurrent(ctx context.Context, t *target) (string, error) {
	const calls = 500
	failures := make(chan error, calls)
	var group sync.WaitGroup
	for i := 0; i < calls; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			req := request(uint32(i), 1000)
			req.DelayMs = 5
			resp, err := t.echo.Unary(ctx, req)
			if err == nil {
				err = echoedBack(resp, req)
			}
			if err != nil {
				failures <- fmt.Errorf("call %d: %w", i, err)
			}
		}()
	}
	group.Wait()
	if len(failures) > 0 {
		return "", fmt.Errorf("%d of %d calls failed, the first: %w", len(failures), calls, <-failures)
	}
	return fmt.Sprintf("%d calls at once", calls), nil
}
