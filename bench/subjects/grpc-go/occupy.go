package main

import (
	"encoding/json"
	"strconv"
	"time"
)

// Opened so many at a time, so that a burst does not set the high-water mark.
const batch = 100

// occupy opens connections, streams and calls when it is told to, and holds them.
func occupy(text string) error {
	var to target
	if err := json.Unmarshal([]byte(text), &to); err != nil {
		return err
	}
	first, err := connect(to)
	if err != nil {
		return err
	}
	for range 2000 {
		if err := first.unary(); err != nil {
			return err
		}
	}
	for range 500 {
		stream, err := first.openStream(first.deadline)
		if err != nil {
			return err
		}
		if err := stream.exchange(); err != nil {
			return err
		}
		if err := stream.end(); err != nil {
			return err
		}
	}
	var connections []*subject
	var streams []*echoStream
	words := words{
		"connections": each(func() error {
			connection, err := connect(to)
			if err != nil {
				return err
			}
			connections = append(connections, connection)
			return connection.unary()
		}),
		"streams": each(func() error {
			stream, err := first.openStream(sessionDeadline)
			if err != nil {
				return err
			}
			streams = append(streams, stream)
			return stream.exchange()
		}),
		"calls": each(func() error {
			go first.park()
			return nil
		}),
	}
	say("ready", nil)
	answer(words)
	return nil
}

func each(open func() error) func(string) (map[string]any, error) {
	return func(argument string) (map[string]any, error) {
		count, err := strconv.Atoi(argument)
		if err != nil {
			return nil, err
		}
		for i := range count {
			if err := open(); err != nil {
				return nil, err
			}
			if i%batch == batch-1 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		time.Sleep(300 * time.Millisecond) // until the server has them too
		return nil, nil
	}
}
