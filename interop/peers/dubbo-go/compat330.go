//go:build dubbo330

package main

import (
	"context"
	"errors"
	"time"

	"dubbo.apache.org/dubbo-go/v3/protocol"
	triple "dubbo.apache.org/dubbo-go/v3/protocol/triple/triple_protocol"

	"peer-go/gen/greet"
)

type protocolOption = protocol.Option

var errNotHere = errors.New("--unary: not with dubbo-go 3.3.0")

func plainClient(string, string, settings, string, time.Duration) (*triple.Client, error) {
	return nil, errNotHere
}

func plainUnary(context.Context, *triple.Client, string, *greet.GreetRequest) ([]result, error) {
	return nil, errNotHere
}
