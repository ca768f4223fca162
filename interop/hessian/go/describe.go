package main

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"
	"unicode/utf16"
)

// describe gives a value as text that tells apart what Hessian tells apart; ../describe.mjs says the same of ours.
func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case int32:
		return fmt.Sprintf("i%d", v)
	case int64:
		return fmt.Sprintf("l%d", v)
	case float64:
		if math.IsNaN(v) {
			return "d7ff8000000000000"
		}
		return fmt.Sprintf("d%x", math.Float64bits(v))
	case string:
		units := utf16.Encode([]rune(v))
		bytes := make([]byte, 0, 2*len(units))
		for _, unit := range units {
			bytes = append(bytes, byte(unit>>8), byte(unit))
		}
		return "s" + bytesText(bytes)
	case []byte:
		return "b" + bytesText(v)
	case time.Time:
		return fmt.Sprintf("t%d", v.UnixMilli())
	case []any:
		return list(len(v), func(i int) any { return v[i] })
	case []int32:
		return list(len(v), func(i int) any { return v[i] })
	case []int64:
		return list(len(v), func(i int) any { return v[i] })
	case []string:
		return list(len(v), func(i int) any { return v[i] })
	case map[any]any:
		return "(" + entries(v) + ")"
	case *Point:
		return "<interop.Point " + entries(map[any]any{"x": v.X, "y": v.Y, "label": v.Label, "next": point(v.Next)}) + ">"
	default:
		return fmt.Sprintf("?%T", value)
	}
}

func point(p *Point) any {
	if p == nil {
		return nil
	}
	return p
}

func bytesText(bytes []byte) string {
	if len(bytes) <= 80 {
		return hex.EncodeToString(bytes)
	}
	sum := sha1.Sum(bytes)
	return fmt.Sprintf("#%d:%s", len(bytes), hex.EncodeToString(sum[:]))
}

func list(length int, item func(int) any) string {
	parts := make([]string, length)
	for i := range parts {
		parts[i] = describe(item(i))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func entries(v map[any]any) string {
	parts := make([]string, 0, len(v))
	for key, item := range v {
		parts = append(parts, describe(key)+"="+describe(item)+";")
	}
	sort.Strings(parts)
	return strings.Join(parts, "")
}
