package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	triple "dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"

	"peer-go/gen/greet"
)

const (
	// Far above any stream's first window.
	largeName = 1 << 20
	manyCount = 1000
	// Asked by this name, a server answers how many streams clients have given up.
	cancelledStreams = "cancelled streams?"
)

// heavyCalls are the calls that reach the limits of flow control, and the one that gives up.
var heavyCalls = map[string]func(*caller, context.Context) ([]result, error){
	"large": (*caller).large, "many": (*caller).many, "cancel": (*caller).cancel,
}

func (c *caller) large(ctx context.Context) ([]result, error) {
	name := strings.Repeat("0123456789abcdef", largeName/16)
	results, err := c.unary(ctx, "Greet", &greet.GreetRequest{Name: name})
	if err != nil {
		return nil, err
	}
	if results[0].Greeting != "hello "+name {
		return nil, fmt.Errorf("large: the answer has %d bytes and differs", len(results[0].Greeting))
	}
	results[0].Greeting = fmt.Sprintf("%d bytes", len(results[0].Greeting))
	return results, nil
}

// many reads a long server stream, then writes and reads a long bidirectional one at once; the last answer of each.
func (c *caller) many(ctx context.Context) ([]result, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	raw, err := c.conn.CallServerStream(ctx, &greet.GreetRequest{Name: c.name, Count: manyCount}, "GreetServerStream")
	if err != nil {
		return nil, err
	}
	down := &greet.GreetServiceGreetServerStreamClient{ServerStreamForClient: raw.(*triple.ServerStreamForClient)}
	defer down.Close()
	var last *greet.GreetResponse
	n := 0
	for ; down.Recv(); n++ {
		last = down.Msg()
		if last.GetIndex() != int32(n) {
			return nil, fmt.Errorf("many: message %d has index %d", n, last.GetIndex())
		}
	}
	if err := down.Err(); err != nil || n != manyCount {
		return nil, fmt.Errorf("many: %d messages: %w", n, err)
	}
	results := []result{show(last)}

	bidi, err := c.bidi(ctx)
	if err != nil {
		return results, err
	}
	defer bidi.CloseResponse()
	sent := make(chan error, 1)
	go func() {
		for i := 0; i < manyCount; i++ {
			if err := bidi.Send(&greet.GreetRequest{Name: fmt.Sprint(c.name, "-", i)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- bidi.CloseRequest()
	}()
	for i := 0; i < manyCount; i++ {
		if last, err = bidi.Recv(); err != nil {
			return results, fmt.Errorf("many: answer %d: %w", i, err)
		}
		if want := fmt.Sprint("hello ", c.name, "-", i); last.GetGreeting() != want || last.GetIndex() != int32(i) {
			return results, fmt.Errorf("many: answer %d is %q %d", i, last.GetGreeting(), last.GetIndex())
		}
	}
	return append(results, show(last)), <-sent
}

func (c *caller) bidi(ctx context.Context) (*greet.GreetServiceGreetBidiStreamClient, error) {
	raw, err := c.conn.CallBidiStream(ctx, "GreetBidiStream")
	if err != nil {
		return nil, err
	}
	return &greet.GreetServiceGreetBidiStreamClient{BidiStreamForClient: raw.(*triple.BidiStreamForClient)}, nil
}

// cancel gives a stream up after its first answer and waits until the server has noticed; the error is the stream's.
func (c *caller) cancel(ctx context.Context) ([]result, error) {
	before, err := c.unary(ctx, "Greet", &greet.GreetRequest{Name: cancelledStreams})
	if err != nil {
		return nil, fmt.Errorf("cancel: %v", err)
	}
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.bidi(limited)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&greet.GreetRequest{Name: c.name}); err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	cancel()
	_, gone := stream.Recv()
	if gone == nil {
		return nil, nil
	}
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		after, err := c.unary(ctx, "Greet", &greet.GreetRequest{Name: cancelledStreams})
		if err == nil && after[0].Index > before[0].Index {
			return []result{show(first)}, gone
		}
	}
	return nil, errors.Join(errors.New("cancel: the server has not noticed"), gone)
}
