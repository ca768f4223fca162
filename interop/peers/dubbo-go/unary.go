//go:build !dubbo330

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	triple "dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"

	"peer-go/gen/greet"
)

// plainClient makes a client of dubbo-go's Triple without gRPC's framing, which dubbo-go's own clients use over HTTP/1.1
// only and by no option.
func plainClient(kind, url string, s settings, serialization string, timeout time.Duration) (*triple.Client, error) {
	protocols := new(http.Protocols)
	switch kind {
	case "triple":
		protocols.SetUnencryptedHTTP2(true)
	case "triple-http1":
		protocols.SetHTTP1(true)
	default:
		return nil, fmt.Errorf("--unary: %q is neither triple nor triple-http1", kind)
	}
	opts := []triple.ClientOption{
		triple.WithTriple(), triple.WithSendGzip(), triple.WithTimeout(timeout), triple.WithGroup(s.group), triple.WithVersion(s.version),
	}
	if serialization == "json" {
		opts = append(opts, triple.WithProtoJSON())
	}
	base := "http://" + strings.TrimPrefix(url, "tri://")
	return triple.NewClient(&http.Client{Transport: &http.Transport{Protocols: protocols}}, base+"/"+s.iface, opts...), nil
}

func plainUnary(ctx context.Context, plain *triple.Client, method string, msg *greet.GreetRequest) ([]result, error) {
	req := triple.NewRequest(msg)
	req.Header().Set("peer-trace", "trace-1")
	resp := new(greet.GreetResponse)
	if err := plain.CallUnary(ctx, req, method, triple.NewResponse(resp)); err != nil {
		return nil, err
	}
	return []result{show(resp)}, nil
}
