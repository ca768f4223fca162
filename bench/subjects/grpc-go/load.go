package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pollInterval = 25 * time.Millisecond
	// One call in this many has its latency noted in a closed loop.
	sampled    = 16
	maxSamples = 200_000
	drainTime  = 15 * time.Second
	settleTime = 300 * time.Millisecond
	// An open loop gives up above so many open calls.
	maxOpen = 50_000
)

// job is that of lib/load.mjs.
type job struct {
	Run             string
	Target          target
	Concurrency     int
	WarmConcurrency int
	Connections     int
	Streams         int
	Messages        int
	Rate            float64
	Budget          struct{ WarmCpuMs, WarmWallMs, CpuMs, WallMs float64 }
}

func load(text string) error {
	var job job
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	var subjects []*subject
	for range job.Connections {
		subject, err := connect(job.Target)
		if err != nil {
			return err
		}
		if err := subject.unary(); err != nil {
			return err
		}
		subjects = append(subjects, subject)
	}
	go answer(nil)

	meter := &meter{sampled: sampled}
	closed := &closedLoop{job: &job, subjects: subjects, meter: meter}
	closed.limit.Store(math.MaxInt64)
	if err := closed.run(max(job.Concurrency, job.WarmConcurrency)); err != nil {
		return err
	}
	spend(job.Budget.WarmCpuMs, job.Budget.WarmWallMs)
	stop := closed.stop
	settle := job.WarmConcurrency > job.Concurrency
	cpuBudget := job.Budget.CpuMs
	if job.Rate > 0 {
		closed.stop()
		meter.sampled = 1
		open := &openLoop{subjects: subjects, rate: job.Rate, meter: meter}
		go open.run()
		stop, settle, cpuBudget = open.stop, true, math.Inf(1)
	} else if settle {
		closed.limit.Store(int64(job.Concurrency))
	}
	if settle {
		time.Sleep(settleTime)
	}

	meter.measuring.Store(true)
	say("begin", nil)
	spent, from := cpu(), time.Now()
	spend(cpuBudget, job.Budget.WallMs)
	wall := time.Since(from)
	spent = cpu() - spent
	meter.measuring.Store(false)
	say("end", nil)
	stop()
	result, err := meter.result(wall, spent)
	if err != nil {
		return err
	}
	say("result", map[string]any{"result": result})
	select {}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// spend returns once this process has used so much CPU, or so much time has passed.
func spend(cpuMs, wallMs float64) {
	spent, from := cpu(), time.Now()
	for milliseconds(cpu()-spent) < cpuMs && milliseconds(time.Since(from)) < wallMs {
		time.Sleep(pollInterval)
	}
}

// meter counts the calls of the window, and samples how long they took.
type meter struct {
	measuring  atomic.Bool
	sampled    int64
	calls      atomic.Int64
	mutex      sync.Mutex
	samples    []float64
	errors     int
	firstError string
}

// count notes a finished call. A zero time: it has no latency.
func (m *meter) count(startedAt time.Time) {
	if !m.measuring.Load() || m.calls.Add(1)%m.sampled != 0 || startedAt.IsZero() {
		return
	}
	took := float64(time.Since(startedAt)) / float64(time.Microsecond)
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if len(m.samples) < maxSamples {
		m.samples = append(m.samples, took)
	}
}

func (m *meter) failed(err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.errors++
	if m.firstError == "" {
		m.firstError = err.Error()
	}
}

func (m *meter) result(wall, spent time.Duration) (map[string]any, error) {
	calls := m.calls.Load()
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if calls == 0 {
		return nil, fmt.Errorf("no call finished; %s", m.firstError)
	}
	slices.Sort(m.samples)
	result := map[string]any{
		"calls":          calls,
		"errors":         m.errors,
		"callsPerSecond": float64(calls) / wall.Seconds(),
		"clientMicros":   float64(spent.Microseconds()) / float64(calls),
	}
	if m.errors > 0 {
		result["firstError"] = m.firstError
	}
	for name, share := range map[string]float64{"p50Micros": 0.5, "p99Micros": 0.99, "p999Micros": 0.999} {
		result[name] = nil
		if len(m.samples) > 0 {
			result[name] = m.samples[int(share*float64(len(m.samples)-1))]
		}
	}
	return result, nil
}

// closedLoop is workers, each of which begins its next call when the last has been answered.
type closedLoop struct {
	job      *job
	subjects []*subject
	meter    *meter
	// Workers from this number on stop.
	limit   atomic.Int64
	working sync.WaitGroup
	// Long streams that the workers share: each goes round its own part.
	streams []*echoStream
}

func (c *closedLoop) run(workers int) error {
	for i := range c.job.Streams {
		stream, err := c.subjects[i%len(c.subjects)].openStream(sessionDeadline)
		if err != nil {
			return err
		}
		c.streams = append(c.streams, stream)
	}
	for index := range workers {
		c.working.Add(1)
		go func() {
			defer c.working.Done()
			for int64(index) < c.limit.Load() {
				if err := c.work(index, workers); err != nil {
					c.meter.failed(err)
					time.Sleep(10 * time.Millisecond)
				}
			}
		}()
	}
	return nil
}

func (c *closedLoop) stop() {
	c.limit.Store(0)
	drain(&c.working, c.meter)
}

func (c *closedLoop) work(index, workers int) error {
	subject := c.subjects[index%len(c.subjects)]
	switch c.job.Run {
	case "unary":
		startedAt := time.Now()
		if err := subject.unary(); err != nil {
			return err
		}
		c.meter.count(startedAt)
		return nil
	case "ping-pong":
		stream, err := subject.openStream(sessionDeadline)
		if err != nil {
			return err
		}
		for int64(index) < c.limit.Load() {
			startedAt := time.Now()
			if err := stream.exchange(); err != nil {
				return err
			}
			c.meter.count(startedAt)
		}
		return stream.end()
	case "shared-streams":
		for at := index; int64(index) < c.limit.Load(); {
			startedAt := time.Now()
			if err := c.streams[at].exchange(); err != nil {
				return err
			}
			c.meter.count(startedAt)
			if at += workers; at >= len(c.streams) {
				at = index
			}
		}
		return nil
	case "short-stream":
		startedAt := time.Now()
		stream, err := subject.openStream(subject.deadline)
		if err != nil {
			return err
		}
		if err := stream.exchange(); err != nil {
			return err
		}
		if err := stream.end(); err != nil {
			return err
		}
		c.meter.count(startedAt)
		return nil
	case "fire":
		return subject.fire(c.job.Messages, func() { c.meter.count(time.Time{}) })
	}
	return fmt.Errorf("grpc-go does not run %q", c.job.Run)
}

// openLoop is unary calls that begin at the times of a Poisson process, whether or not earlier ones have been answered.
type openLoop struct {
	subjects []*subject
	rate     float64
	meter    *meter
	open     atomic.Int64
	stopped  atomic.Bool
	working  sync.WaitGroup
}

func (o *openLoop) run() {
	random := rand.New(rand.NewSource(1))
	next := time.Now()
	for given := 0; !o.stopped.Load(); given++ {
		next = next.Add(time.Duration(random.ExpFloat64() / o.rate * float64(time.Second)))
		time.Sleep(time.Until(next))
		if o.open.Load() >= maxOpen {
			o.meter.failed(fmt.Errorf("%d calls are open: it does not carry %.0f calls/s", maxOpen, o.rate))
			continue
		}
		intendedAt, subject := next, o.subjects[given%len(o.subjects)]
		o.open.Add(1)
		o.working.Add(1)
		go func() {
			defer o.working.Done()
			defer o.open.Add(-1)
			if err := subject.unary(); err != nil {
				o.meter.failed(err)
				return
			}
			o.meter.count(intendedAt)
		}()
	}
}

func (o *openLoop) stop() {
	o.stopped.Store(true)
	time.Sleep(pollInterval) // run adds no more
	drain(&o.working, o.meter)
}

func drain(working *sync.WaitGroup, meter *meter) {
	drained := make(chan struct{})
	go func() {
		working.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(drainTime):
		meter.failed(fmt.Errorf("calls were still open %v after the end", drainTime))
	}
}
