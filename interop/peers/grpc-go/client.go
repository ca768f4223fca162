package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"peer-grpc/gen/echo"
)

// verdict is a line that the client prints.
type verdict struct {
	Case   string  `json:"case"`
	OK     bool    `json:"ok"`
	Saw    string  `json:"saw,omitempty"`
	Error  string  `json:"error,omitempty"`
	Millis float64 `json:"ms"`
}

// target is what a case calls.
type target struct {
	address string
	creds   credentials.TransportCredentials
	conn    *grpc.ClientConn
	echo    echo.EchoServiceClient
}

// dial opens another connection to the same server.
func (t *target) dial(opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	opts = append(opts, grpc.WithTransportCredentials(t.creds))
	return grpc.NewClient("passthrough:///"+t.address, opts...)
}

func call(args []string) error {
	fs := flag.NewFlagSet("peer-grpc client", flag.ExitOnError)
	address := fs.String("address", "", "host:port of the server")
	ca := fs.String("tls-ca", "", "certificate to trust (PEM); with it, TLS")
	names := fs.String("cases", "all", "comma separated names, or all")
	timeout := fs.Duration("timeout", 30*time.Second, "limit for each case")
	_ = fs.Parse(args)

	t := &target{address: *address, creds: insecure.NewCredentials()}
	if *ca != "" {
		creds, err := credentials.NewClientTLSFromFile(*ca, "localhost")
		if err != nil {
			return err
		}
		t.creds = creds
	}
	conn, err := t.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	t.conn, t.echo = conn, echo.NewEchoServiceClient(conn)

	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	failed, ran := 0, 0
	for _, c := range cases {
		if *names != "all" && !strings.Contains(","+*names+",", ","+c.name+",") {
			continue
		}
		ran++
		ctx, cancel := context.WithTimeout(context.Background(), *timeout)
		began := time.Now()
		saw, err := c.run(ctx, t)
		cancel()
		line := verdict{Case: c.name, OK: err == nil, Saw: saw, Millis: float64(time.Since(began).Microseconds()) / 1000}
		if err != nil {
			line.Error = err.Error()
			failed++
		}
		_ = out.Encode(line)
	}
	if failed > 0 || ran == 0 {
		return fmt.Errorf("%d of %d cases failed", failed, ran)
	}
	return nil
}
