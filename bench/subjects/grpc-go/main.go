// The reference in Go: the same service, and the same load, as the Node subjects. It speaks with the bench like they do:
// words on standard input, JSON lines on standard output, and it ends when its input ends.
//
// Usage: bench-grpc-go serve OPTIONS-JSON | load JOB-JSON | occupy TARGET-JSON
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bench-grpc-go serve|load|occupy JSON")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(os.Args[2])
	case "load":
		err = load(os.Args[2])
	case "occupy":
		err = occupy(os.Args[2])
	default:
		err = fmt.Errorf("no command %q", os.Args[1])
	}
	if err != nil {
		say("failed", map[string]any{"error": err.Error()})
		os.Exit(1)
	}
}

var out sync.Mutex

func say(kind string, fields map[string]any) {
	message := map[string]any{"kind": kind}
	for name, value := range fields {
		message[name] = value
	}
	line, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	out.Lock()
	defer out.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

type words map[string]func(argument string) (map[string]any, error)

// answer answers each word with what its function returns, until the input ends.
func answer(more words) {
	known := words{"usage": usage, "memory": memory}
	for word, function := range more {
		known[word] = function
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word, argument, _ := strings.Cut(lines.Text(), " ")
		function := known[word]
		if function == nil {
			say("failed", map[string]any{"error": "no word " + word})
			continue
		}
		fields, err := function(argument)
		if err != nil {
			say("failed", map[string]any{"error": err.Error()})
			continue
		}
		say(word, fields)
	}
	os.Exit(0)
}

// cpu is the user and system time of this process so far.
func cpu() time.Duration {
	var spent syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &spent); err != nil {
		panic(err)
	}
	return time.Duration(spent.Utime.Nano() + spent.Stime.Nano())
}

func usage(string) (map[string]any, error) {
	return map[string]any{"cpuMicros": cpu().Microseconds()}, nil
}

func memory(string) (map[string]any, error) {
	runtime.GC()
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	rss, err := residentBytes()
	if err != nil {
		return nil, err
	}
	return map[string]any{"rss": rss, "heap": stats.HeapAlloc + stats.StackInuse}, nil
}

func residentBytes() (int, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize(), err
}
