// Command sdk-go does to a Nacos server what its clients do, and prints what they see: one line of JSON a step, with
// everything left out that differs between two runs (times, connection ids). The lines of two servers can be compared.
//
// The first part uses nacos-sdk-go; with each answer of the SDK it prints the server's own, since the SDK hides much of
// it. The second part speaks the protocol by the SDK's generated stubs, for what the SDK never asks.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	host := flag.String("host", "127.0.0.1", "address of the server")
	port := flag.Uint64("port", 8848, "its HTTP port; only port + 1000, of gRPC, need be reachable")
	prefix := flag.String("prefix", "", "goes before all names of services, groups, namespaces and configurations; must be new")
	verbose := flag.Bool("verbose", false, "the SDK's own log on stderr")
	flag.Parse()
	if *prefix == "" {
		fmt.Fprintln(os.Stderr, "sdk-go: -prefix is missing")
		os.Exit(2)
	}
	folder, err := os.MkdirTemp("", "sdk-go-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "sdk-go:", err)
		os.Exit(1)
	}
	wire := recordWire(*verbose)
	s := &script{host: *host, port: *port, prefix: *prefix, folder: folder, wire: wire}
	// Closing a naming client touches a map of the SDK without its lock; config clients read it in the background. So naming
	// is done when the first config client starts.
	if err := s.ready(); err != nil {
		fmt.Fprintln(os.Stderr, "sdk-go:", err)
		os.Exit(1)
	}
	for _, part := range []func(){s.naming, s.protocol, s.config} {
		part()
	}
	_ = os.RemoveAll(folder)
	if s.failed > 0 {
		fmt.Fprintf(os.Stderr, "sdk-go: %d steps did not come to their end\n", s.failed)
		os.Exit(1)
	}
}
