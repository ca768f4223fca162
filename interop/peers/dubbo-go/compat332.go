//go:build !dubbo330

package main

import "dubbo.apache.org/dubbo-go/v3/protocol"

type protocolOption = protocol.ServerOption
