package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// connectionID is what a server calls a connection: when it began, and from where.
var connectionID = regexp.MustCompile(`\d{13}_127\.0\.0\.1_\d+`)

// normal takes out of a value what cannot be the same in two runs, and sorts what has no order.
func (s *script) normal(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		panic(err)
	}
	return s.normalValue("", plain)
}

func (s *script) normalValue(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			v[name] = s.normalValue(name, field)
		}
		return v
	case []any:
		for i, item := range v {
			v[i] = s.normalValue("", item)
		}
		if key == "hosts" {
			sort.Slice(v, func(i, j int) bool { return compact(v[i]) < compact(v[j]) })
		}
		return v
	case float64:
		if v > 1e12 && (key == "lastRefTime" || key == "lastModified") {
			return "<time>"
		}
		return v
	case string:
		if key == "requestId" && v != "" {
			return "<id>"
		}
		return connectionID.ReplaceAllString(strings.ReplaceAll(v, s.prefix, "<prefix>"), "<connection>")
	default:
		return value
	}
}

// digest stands for what is too long to print.
func digest(normal any) answer {
	text := compact(normal)
	return answer{"bytes": len(text), "sha256": fmt.Sprintf("%x", sha256.Sum256([]byte(text)))}
}

func compact(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
