package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // answers gzip with gzip
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"peer-grpc/gen/echo"
)

// observed is how this server saw one named call.
type observed struct {
	state       string
	sent        uint32
	received    uint32
	hadDeadline bool
}

type echoServer struct {
	echo.UnimplementedEchoServiceServer
	mu    sync.Mutex
	calls map[string]*observed
}

// begin notes a named call; what it returns notes messages and must be called with the handler's result at the end.
func (s *echoServer) begin(ctx context.Context, id string) *watch {
	if id == "" {
		return &watch{}
	}
	_, deadline := ctx.Deadline()
	seen := &observed{state: "running", hadDeadline: deadline}
	s.mu.Lock()
	s.calls[id] = seen
	s.mu.Unlock()
	return &watch{s, seen}
}

type watch struct {
	server *echoServer
	seen   *observed
}

func (w *watch) change(fn func(*observed)) {
	if w.seen == nil {
		return
	}
	w.server.mu.Lock()
	fn(w.seen)
	w.server.mu.Unlock()
}

func (w *watch) sent()     { w.change(func(o *observed) { o.sent++ }) }
func (w *watch) received() { w.change(func(o *observed) { o.received++ }) }
func (w *watch) end(ctx context.Context) {
	w.change(func(o *observed) {
		if ctx.Err() != nil {
			o.state = "canceled"
		} else {
			o.state = "completed"
		}
	})
}

// echoed gives the "echo-" metadata of the request as response headers and trailers.
func echoed(ctx context.Context) (header, trailer metadata.MD) {
	header, trailer = metadata.MD{}, metadata.MD{}
	md, _ := metadata.FromIncomingContext(ctx)
	for k, values := range md {
		if strings.HasPrefix(k, "echo-") {
			header[k] = values
			trailer["trailer-"+k] = values
		}
	}
	return header, trailer
}

func fails(ctx context.Context, req *echo.EchoRequest) error {
	if ms := req.GetDelayMs(); ms > 0 {
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	if req.GetFailCode() == 0 {
		return nil
	}
	st, err := status.New(codes.Code(req.GetFailCode()), req.GetFailMessage()).WithDetails(
		&echo.Summary{Messages: 7, Bytes: 1 << 40, Crc32: 0xdeadbeef}, wrapperspb.String("detail ☂"))
	if err != nil {
		return err
	}
	return st.Err()
}

func (s *echoServer) Unary(ctx context.Context, req *echo.EchoRequest) (*echo.EchoResponse, error) {
	w := s.begin(ctx, req.GetCallId())
	defer w.end(ctx)
	w.received()
	header, trailer := echoed(ctx)
	_ = grpc.SetHeader(ctx, header)
	_ = grpc.SetTrailer(ctx, trailer)
	if err := fails(ctx, req); err != nil {
		return nil, err
	}
	w.sent()
	return reply(req), nil
}

func reply(req *echo.EchoRequest) *echo.EchoResponse {
	return &echo.EchoResponse{Payload: req.GetPayload(), Seq: req.GetSeq(), Crc32: crc32.ChecksumIEEE(req.GetPayload())}
}

func (s *echoServer) ServerStream(req *echo.EchoRequest, stream grpc.ServerStreamingServer[echo.EchoResponse]) error {
	ctx := stream.Context()
	w := s.begin(ctx, req.GetCallId())
	defer w.end(ctx)
	w.received()
	header, trailer := echoed(ctx)
	_ = stream.SetHeader(header)
	stream.SetTrailer(trailer)
	for i := uint32(0); req.GetCount() == 0 || i < req.GetCount(); i++ {
		if err := stream.Send(&echo.EchoResponse{Payload: pattern(i, int(req.GetSize())), Seq: i}); err != nil {
			return err
		}
		w.sent()
		if req.GetCount() == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return fails(ctx, req)
}

func (s *echoServer) ClientStream(stream grpc.ClientStreamingServer[echo.EchoRequest, echo.Summary]) error {
	sum := &echo.Summary{}
	w := &watch{}
	defer func() { w.end(stream.Context()) }()
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(sum)
		}
		if err != nil {
			return err
		}
		if sum.Messages == 0 {
			w = s.begin(stream.Context(), req.GetCallId())
		}
		w.received()
		if err := fails(stream.Context(), req); err != nil {
			return err
		}
		if req.GetSeq() != sum.Messages {
			return status.Errorf(codes.DataLoss, "message %d arrived as number %d", req.GetSeq(), sum.Messages)
		}
		sum.Messages++
		sum.Bytes += uint64(len(req.GetPayload()))
		sum.Crc32 = crc32.Update(sum.Crc32, crc32.IEEETable, req.GetPayload())
	}
}

func (s *echoServer) BidiStream(stream grpc.BidiStreamingServer[echo.EchoRequest, echo.EchoResponse]) error {
	header, trailer := echoed(stream.Context())
	_ = stream.SendHeader(header)
	stream.SetTrailer(trailer)
	w := &watch{}
	defer func() { w.end(stream.Context()) }()
	for first := true; ; first = false {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if first {
			w = s.begin(stream.Context(), req.GetCallId())
		}
		w.received()
		if err := fails(stream.Context(), req); err != nil {
			return err
		}
		if err := stream.Send(reply(req)); err != nil {
			return err
		}
		w.sent()
	}
}

func (s *echoServer) Observe(_ context.Context, req *echo.ObserveRequest) (*echo.ObserveResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.calls[req.GetCallId()]
	if seen == nil {
		return &echo.ObserveResponse{State: "unknown"}, nil
	}
	return &echo.ObserveResponse{State: seen.state, Sent: seen.sent, Received: seen.received, HadDeadline: seen.hadDeadline}, nil
}

func serve(args []string) error {
	fs := flag.NewFlagSet("peer-grpc server", flag.ExitOnError)
	address := fs.String("address", "127.0.0.1:0", "address to listen on")
	cert := fs.String("tls-cert", "", "certificate (PEM); with --tls-key, TLS")
	key := fs.String("tls-key", "", "private key (PEM)")
	maxStreams := fs.Uint("max-streams", 0, "SETTINGS_MAX_CONCURRENT_STREAMS (0: grpc-go's default, none)")
	maxAge := fs.Duration("max-age", 0, "send GOAWAY to connections of this age (0: never)")
	_ = fs.Parse(args)

	var opts []grpc.ServerOption
	if *cert != "" {
		creds, err := credentials.NewServerTLSFromFile(*cert, *key)
		if err != nil {
			return err
		}
		opts = append(opts, grpc.Creds(creds))
	}
	if *maxStreams > 0 {
		opts = append(opts, grpc.MaxConcurrentStreams(uint32(*maxStreams)))
	}
	if *maxAge > 0 {
		opts = append(opts, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: *maxAge, MaxConnectionAgeGrace: 10 * time.Second}))
	}
	srv := grpc.NewServer(opts...)
	echo.RegisterEchoServiceServer(srv, &echoServer{calls: map[string]*observed{}})
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-stop
		srv.Stop()
	}()
	fmt.Println("READY", listener.Addr().(*net.TCPAddr).Port)
	return srv.Serve(listener)
}
