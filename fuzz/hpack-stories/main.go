// Encodes and decodes header blocks with golang.org/x/net/http2/hpack. JSON on stdin, JSON on stdout; see make.mjs.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"

	"golang.org/x/net/http2/hpack"
)

type field struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

type block struct {
	// The peer's SETTINGS_HEADER_TABLE_SIZE that comes into force before this block.
	TableSize *uint32 `json:"tableSize,omitempty"`
	Fields    []field `json:"fields"`
	Wire      string  `json:"wire,omitempty"`
}

func main() {
	var blocks []block
	check(json.NewDecoder(os.Stdin).Decode(&blocks))
	if len(os.Args) > 1 && os.Args[1] == "decode" {
		decode(blocks)
	} else {
		encode(blocks)
	}
	check(json.NewEncoder(os.Stdout).Encode(blocks))
}

func encode(blocks []block) {
	var out bytes.Buffer
	encoder := hpack.NewEncoder(&out)
	for i := range blocks {
		if size := blocks[i].TableSize; size != nil {
			encoder.SetMaxDynamicTableSizeLimit(*size)
			encoder.SetMaxDynamicTableSize(*size)
		}
		out.Reset()
		for _, f := range blocks[i].Fields {
			check(encoder.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value, Sensitive: f.Sensitive}))
		}
		blocks[i].Wire = hex.EncodeToString(out.Bytes())
	}
}

func decode(blocks []block) {
	decoder := hpack.NewDecoder(4096, nil)
	for i := range blocks {
		if size := blocks[i].TableSize; size != nil {
			decoder.SetAllowedMaxDynamicTableSize(*size)
		}
		wire, err := hex.DecodeString(blocks[i].Wire)
		check(err)
		fields, err := decoder.DecodeFull(wire)
		check(err)
		blocks[i].Fields = nil
		for _, f := range fields {
			blocks[i].Fields = append(blocks[i].Fields, field{Name: f.Name, Value: f.Value, Sensitive: f.Sensitive})
		}
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
