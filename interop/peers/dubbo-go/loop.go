package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"peer-go/gen/greet"
)

const loopCallers, loopDelayMs, loopFailuresShown = 8, 20, 20

// awaitProvider makes calls until one succeeds.
func (c *caller) awaitProvider(limit time.Duration, out io.Writer) error {
	var err error
	for until, waiting := time.Now().Add(limit), false; time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err = c.unary(ctx, "Greet", &greet.GreetRequest{Name: c.name})
		cancel()
		if err == nil {
			return nil
		}
		if !waiting {
			waiting = true
			fmt.Fprintln(out, "WAITING")
		}
	}
	return fmt.Errorf("--wait: no call succeeded: %w", err)
}

type loopLine struct {
	Loop   string `json:"loop"`
	At     int64  `json:"at"`
	Peer   string `json:"peer,omitempty"`
	Error  string `json:"error,omitempty"`
	Calls  int64  `json:"calls,omitempty"`
	Failed int64  `json:"failed"`
}

// loop keeps several calls in flight until stdin ends. It tells of each server that answers for the first time, of the
// first failures, and of the counts in the end.
func (c *caller) loop(out io.Writer) error {
	began := time.Now()
	var calls, failed atomic.Int64
	var lock sync.Mutex
	seen, encoder := map[string]bool{}, json.NewEncoder(out)
	tell := func(line loopLine) {
		line.At = time.Since(began).Milliseconds()
		_ = encoder.Encode(line)
	}
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	var callers sync.WaitGroup
	for i := 0; i < loopCallers; i++ {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				results, err := c.unary(context.Background(), "Greet", &greet.GreetRequest{Name: c.name, DelayMs: loopDelayMs})
				calls.Add(1)
				lock.Lock()
				if err != nil {
					if failed.Add(1) <= loopFailuresShown {
						tell(loopLine{Loop: "failure", Error: err.Error()})
					}
				} else if peer := results[0].Peer; !seen[peer] {
					seen[peer] = true
					tell(loopLine{Loop: "peer", Peer: peer})
				}
				lock.Unlock()
				if err != nil {
					time.Sleep(loopDelayMs * time.Millisecond)
				}
			}
		}()
	}
	callers.Wait()
	tell(loopLine{Loop: "end", Calls: calls.Load(), Failed: failed.Load()})
	return nil
}
