// Command peer-grpc is a grpc-go peer for interop tests: a server and a client of interop.echo.v1.EchoService.
// The client is a list of cases, each with a bar of its own; see README.md.
package main

import (
	"fmt"
	"os"
)

const usage = `usage:
  peer-grpc server [--address 127.0.0.1:0] [--tls-cert F --tls-key F] [flags]
  peer-grpc client --address 127.0.0.1:50051 [--tls-ca F] [--cases unary,cancel] [flags]

A server prints "READY <port>" on stdout once it serves; a client prints one JSON object per case and exits 0 when each
passed. Logs go to stderr. "-h" after server or client lists its flags.
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "server":
		err = serve(os.Args[2:])
	case "client":
		err = call(os.Args[2:])
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer-grpc:", err)
		os.Exit(1)
	}
}
