package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/nacos-group/nacos-sdk-go/v2/api/grpc"
	"github.com/nacos-group/nacos-sdk-go/v2/common/logger"
)

// wireLog is the SDK's logger. The SDK logs each answer of the server before it interprets it: that is kept here.
type wireLog struct {
	verbose bool
	mu      sync.Mutex
	all     []exchange
}

type exchange struct {
	connection string
	request    string
	asked      string
	response   json.RawMessage
}

func recordWire(verbose bool) *wireLog {
	log := &wireLog{verbose: verbose}
	logger.SetLogger(log)
	return log
}

// mark is a moment, for since.
func (w *wireLog) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}

// since gives the answers to requests of one type after a mark, on one connection ("" = any). The SDK repeats a request
// that failed: the same answer counts once.
func (w *wireLog) since(mark int, request, connection string) []json.RawMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	answers := []json.RawMessage{}
	for _, e := range w.all[mark:] {
		same := func(other json.RawMessage) bool { return string(other) == string(e.response) }
		if e.request == request && (connection == "" || e.connection == connection) && !slices.ContainsFunc(answers, same) {
			answers = append(answers, e.response)
		}
	}
	return answers
}

// connectionOf is where the last request was sent that had a word in it.
func (w *wireLog) connectionOf(word string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range slices.Backward(w.all) {
		if strings.Contains(e.asked, word) {
			return e.connection
		}
	}
	return ""
}

func (w *wireLog) Debugf(format string, args ...any) {
	w.print("debug", fmt.Sprintf(format, args...))
	if !strings.Contains(format, "grpc request nacos server success") || len(args) != 3 {
		return
	}
	connection, hasID := args[0].(string)
	request, isPayload := args[1].(*auto.Payload)
	response, isText := args[2].(string)
	if !hasID || !isPayload || !isText {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, exchange{
		connection, request.GetMetadata().GetType(), string(request.GetBody().GetValue()), json.RawMessage(response),
	})
}

func (w *wireLog) Info(args ...any)             { w.print("info", fmt.Sprint(args...)) }
func (w *wireLog) Warn(args ...any)             { w.print("warn", fmt.Sprint(args...)) }
func (w *wireLog) Error(args ...any)            { w.print("error", fmt.Sprint(args...)) }
func (w *wireLog) Debug(args ...any)            { w.print("debug", fmt.Sprint(args...)) }
func (w *wireLog) Infof(f string, args ...any)  { w.print("info", fmt.Sprintf(f, args...)) }
func (w *wireLog) Warnf(f string, args ...any)  { w.print("warn", fmt.Sprintf(f, args...)) }
func (w *wireLog) Errorf(f string, args ...any) { w.print("error", fmt.Sprintf(f, args...)) }
func (w *wireLog) Close() error                 { return nil }

func (w *wireLog) print(level, text string) {
	if w.verbose {
		fmt.Fprintln(os.Stderr, level, text)
	}
}
