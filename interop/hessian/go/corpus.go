package main

import (
	"fmt"
	"math"
	"math/rand"
	"strings"
	"time"
)

// Point is a POJO, as Go programs declare them.
type Point struct {
	X     int32
	Y     float64
	Label string
	Next  *Point
}

func (Point) JavaClassName() string { return "interop.Point" }

type named struct {
	name  string
	value any
}

// corpus is what Go writes: values by hand, and some hundreds by chance.
func corpus(seed int64) []named {
	random := rand.New(rand.NewSource(seed))
	var all []named
	add := func(name string, value any) { all = append(all, named{name, value}) }
	for _, n := range []int64{0, 1, -1, 15, 16, -8, -9, 47, 48, -16, -17, 2047, 2048, -2048, -2049, 262143, 262144, -262144, -262145,
		math.MaxInt32, math.MinInt32, math.MaxInt32 + 1, 1<<53 - 1, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64} {
		add(fmt.Sprintf("long %d", n), n)
		add(fmt.Sprintf("int %d", n), int32(n))
		add(fmt.Sprintf("double %d", n), float64(n))
	}
	for _, d := range []float64{0.1, 1.5, -1.001, 1e300, math.Inf(1), math.NaN(), 127, 128, -129, 32767, 32768, -32769, 12.25} {
		add(fmt.Sprintf("double %g", d), d)
	}
	for _, n := range []int{0, 1, 31, 32, 1023, 1024, 32767, 32768, 32769, 65535, 65536, 200000} {
		add(fmt.Sprintf("ascii %d", n), strings.Repeat("a", n))
		add(fmt.Sprintf("umlauts %d", n), strings.Repeat("ä", n))
		add(fmt.Sprintf("emoji %d", n), strings.Repeat("a", n%2)+strings.Repeat("😀", n/2))
		bytes := make([]byte, n)
		random.Read(bytes)
		add(fmt.Sprintf("bytes %d", n), bytes)
	}
	add("null", nil)
	add("date", time.UnixMilli(894621091000))
	add("int list", []int32{1, -1, 100000})
	add("long list", []int64{1, 1 << 60})
	add("string list", []string{"a", "b", ""})
	add("map", map[any]any{"a": int32(1), "b": []any{int64(2)}, "c": nil})
	add("pojo", &Point{X: 1, Y: 0.5, Label: "😀", Next: &Point{X: 2}})
	for i := 0; i < 400; i++ {
		add(fmt.Sprintf("random %d", i), value(random, 0))
	}
	return all
}

func value(random *rand.Rand, depth int) any {
	kinds := 11
	if depth > 3 {
		kinds = 8
	}
	switch random.Intn(kinds) {
	case 0:
		return nil
	case 1:
		return random.Intn(2) == 1
	case 2:
		return int32(random.Uint32()) >> random.Intn(32)
	case 3:
		return int64(random.Uint64()) >> random.Intn(64)
	case 4:
		return random.NormFloat64() * 1e6
	case 5:
		return text(random, random.Intn(60))
	case 6:
		return text(random, random.Intn(3000))
	case 7:
		return time.UnixMilli(random.Int63n(1 << 41))
	case 8, 9:
		list := make([]any, random.Intn(12))
		for i := range list {
			list[i] = value(random, depth+1)
		}
		return list
	default:
		entries := map[any]any{}
		for i := random.Intn(8); i > 0; i-- {
			entries[text(random, 5)] = value(random, depth+1)
		}
		return entries
	}
}

func text(random *rand.Rand, length int) string {
	var text strings.Builder
	for i := 0; i < length; i++ {
		switch random.Intn(4) {
		case 0:
			text.WriteRune(rune(0x10000 + random.Intn(0xfffff)))
		case 1:
			text.WriteRune(rune(1 + random.Intn(0xd7ff)))
		default:
			text.WriteRune(rune(32 + random.Intn(95)))
		}
	}
	return text.String()
}
