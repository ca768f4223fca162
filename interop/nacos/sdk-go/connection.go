package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/api/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// connection speaks the protocol without the SDK: what the server says is kept as it came.
type connection struct {
	conn     *grpc.ClientConn
	requests auto.RequestClient
	stream   auto.BiRequestStream_RequestBiStreamClient
	mu       sync.Mutex
	pushes   []push
	ended    string
}

type push struct {
	kind string
	body json.RawMessage
}

func (s *script) dial() (*connection, error) {
	target := fmt.Sprintf("passthrough:///%s:%d", s.host, s.port+1000)
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(10<<20)))
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, requests: auto.NewRequestClient(conn)}, nil
}

// connect dials and does the handshake of a client that understands abilities: the server acknowledges it.
func (s *script) connect() (*connection, error) {
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	if err := c.send("ConnectionSetupRequest", setup); err != nil {
		return nil, err
	}
	_, err = c.awaitPush("SetupAckRequest", 0)
	return c, err
}

const setup = `{"requestId":"2","clientVersion":"Nacos-Java-Client:v3.1.0","tenant":"","labels":{"source":"sdk","module":"naming"},"module":"internal","abilityTable":{"supportPersistentInstanceByGrpc":true}}`

// open starts the client's stream. Each push is answered as it comes.
func (c *connection) open() error {
	stream, err := auto.NewBiRequestStreamClient(c.conn).RequestBiStream(context.Background())
	if err != nil {
		return err
	}
	c.stream = stream
	go func() {
		for {
			payload, err := stream.Recv()
			c.mu.Lock()
			if err != nil {
				c.ended = err.Error()
				c.mu.Unlock()
				return
			}
			kind, body := payload.GetMetadata().GetType(), payload.GetBody().GetValue()
			c.pushes = append(c.pushes, push{kind, body})
			c.mu.Unlock()
			var request struct{ RequestId string }
			if json.Unmarshal(body, &request) != nil {
				continue
			}
			reply := fmt.Sprintf(`{"resultCode":200,"errorCode":0,"success":true,"requestId":%q}`, request.RequestId)
			_ = c.send(strings.TrimSuffix(kind, "Request")+"Response", reply)
		}
	}()
	return nil
}

func (c *connection) send(kind, body string) error { return c.stream.Send(payload(kind, body)) }

// ask sends a request; the answer has the type and body of the response, or the status of the failed call.
func (c *connection) ask(kind, body string) answer {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	response, err := c.requests.Request(ctx, payload(kind, body))
	if err != nil {
		st := status.Convert(err)
		return answer{"status": st.Code().String(), "message": st.Message()}
	}
	return answer{"type": response.GetMetadata().GetType(), "body": json.RawMessage(response.GetBody().GetValue())}
}

func (c *connection) pushed() []push {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]push(nil), c.pushes...)
}

// awaitPush gives the first push of a type, from a position on, in which all words occur.
func (c *connection) awaitPush(kind string, from int, words ...string) (answer, error) {
	var found *push
	err := await(fmt.Sprintf("a %s with %q", kind, words), func() bool {
		for _, p := range c.pushed()[from:] {
			all := p.kind == kind
			for _, word := range words {
				all = all && strings.Contains(string(p.body), word)
			}
			if all {
				found = &p
				return true
			}
		}
		return false
	})
	if err != nil {
		return answer{"pushes": c.kinds(from)}, err
	}
	return answer{"type": found.kind, "body": found.body}, nil
}

func (c *connection) kinds(from int) []string {
	kinds := []string{}
	for _, p := range c.pushed()[from:] {
		kinds = append(kinds, p.kind)
	}
	return kinds
}

// probe is alive as long as the server answers it.
func (c *connection) probe() answer {
	return c.ask("HealthCheckRequest", `{"requestId":"3","module":"internal"}`)
}

func (c *connection) close() { _ = c.conn.Close() }

func payload(kind, body string) *auto.Payload {
	return &auto.Payload{
		Metadata: &auto.Metadata{Type: kind, ClientIp: "127.0.0.1"},
		Body:     &anypb.Any{Value: []byte(body)},
	}
}

// ready awaits a server that has started: before, it says so in its answer.
func (s *script) ready() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.close()
	return awaitEach(100*time.Millisecond, "the server to have started", func() bool {
		saw := c.ask("ServerCheckRequest", serverCheck)
		body, ok := saw["body"].(json.RawMessage)
		return ok && strings.Contains(string(body), `"success":true`)
	})
}

const serverCheck = `{"requestId":"1","module":"internal"}`
