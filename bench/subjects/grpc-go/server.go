package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"bench-grpc-go/gen/echo"
)

type serveOptions struct {
	TLS *struct{ Key, Cert string }
}

func serve(text string) error {
	var options serveOptions
	if err := json.Unmarshal([]byte(text), &options); err != nil {
		return err
	}
	var serverOptions []grpc.ServerOption
	if options.TLS != nil {
		pair, err := tls.X509KeyPair([]byte(options.TLS.Cert), []byte(options.TLS.Key))
		if err != nil {
			return err
		}
		serverOptions = append(serverOptions, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(serverOptions...)
	echo.RegisterEchoServiceServer(server, echoServer{})
	go answer(nil)
	say("listening", map[string]any{"port": listener.Addr().(*net.TCPAddr).Port})
	return server.Serve(listener)
}

type echoServer struct {
	echo.UnimplementedEchoServiceServer
}

func (echoServer) Unary(_ context.Context, request *echo.EchoRequest) (*echo.EchoResponse, error) {
	return &echo.EchoResponse{Data: request.Data}, nil
}

func (echoServer) Park(ctx context.Context, _ *echo.EchoRequest) (*echo.EchoResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (echoServer) Chat(stream grpc.BidiStreamingServer[echo.EchoRequest, echo.EchoResponse]) error {
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&echo.EchoResponse{Data: request.Data}); err != nil {
			return err
		}
	}
}

func (echoServer) Fire(request *echo.FireRequest, stream grpc.ServerStreamingServer[echo.EchoResponse]) error {
	for range request.Count {
		if err := stream.Send(&echo.EchoResponse{Data: request.Data}); err != nil {
			return err
		}
	}
	return nil
}
