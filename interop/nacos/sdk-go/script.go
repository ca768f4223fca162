package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// bound is how long anything may take that a server does at once or after its usual pause.
const bound = 20 * time.Second

// answer is what a step saw, as it is printed.
type answer map[string]any

type script struct {
	host   string
	port   uint64
	prefix string
	folder string
	wire   *wireLog
	// made counts clients: each has a folder of its own, else they read each other's snapshots.
	made   int
	failed int
}

// step runs fn and prints its answer. An error means that something awaited never came.
func (s *script) step(name string, fn func() (answer, error)) {
	saw, err := fn()
	line := map[string]any{"step": name, "answer": s.normal(saw)}
	if err != nil {
		s.failed++
		line["failed"] = s.normal(err.Error())
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if err := out.Encode(line); err != nil {
		panic(err)
	}
}

// await asks cond until it says yes.
func await(what string, cond func() bool) error {
	return awaitEach(5*time.Millisecond, what, cond)
}

// awaitEach is for conditions that cost the server something.
func awaitEach(pause time.Duration, what string, cond func() bool) error {
	for until := time.Now().Add(bound); !cond(); time.Sleep(pause) {
		if time.Now().After(until) {
			return fmt.Errorf("waited %v for %s", bound, what)
		}
	}
	return nil
}

func text(err error) any {
	if err == nil {
		return nil
	}
	return err.Error()
}
