package main

import (
	"bytes"
	"fmt"
)

// pattern gives the payload of a message: byte i depends on the seed and on i, so that a shifted, swapped or truncated
// payload shows. The other side has the same function.
func pattern(seed uint32, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(uint32(i)*31 + uint32(i>>8) + seed*17)
	}
	return b
}

// same says where two payloads differ first, with the bytes around.
func same(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	n := min(len(got), len(want))
	at := n
	for i := 0; i < n; i++ {
		if got[i] != want[i] {
			at = i
			break
		}
	}
	return fmt.Errorf("payload differs at byte %d: got %d bytes […% x…], want %d bytes […% x…]",
		at, len(got), around(got, at), len(want), around(want, at))
}

func around(b []byte, at int) []byte {
	return b[max(0, min(at-8, len(b))):min(len(b), at+8)]
}
