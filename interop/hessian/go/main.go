// Go's view of Hessian: what dubbo-go writes and reads. "write SEED" prints a line for each value of the corpus: name, bytes,
// description; "read" takes lines of name and bytes and prints name and description, or name and "!" with what went wrong.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	hessian "github.com/apache/dubbo-go-hessian2"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	hessian.RegisterPOJO(&Point{})
	if os.Args[1] == "write" {
		seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
		for _, one := range corpus(seed) {
			encoder := hessian.NewEncoder()
			if err := encoder.Encode(one.value); err != nil {
				panic(err)
			}
			fmt.Fprintf(out, "%s\t%s\t%s\n", one.name, hex.EncodeToString(encoder.Buffer()), describe(one.value))
		}
		return
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		name, text, _ := strings.Cut(in.Text(), "\t")
		bytes, err := hex.DecodeString(text)
		said := ""
		if err == nil {
			said, err = read(bytes)
		}
		if err != nil {
			said = "!" + strings.ReplaceAll(strings.ReplaceAll(err.Error(), "\n", " "), "\t", " ")
		}
		fmt.Fprintf(out, "%s\t%s\n", name, said)
	}
}

func read(bytes []byte) (said string, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("panic: %v", thrown)
		}
	}()
	value, err := hessian.NewDecoder(bytes).Decode()
	if err != nil {
		return "", err
	}
	return describe(value), nil
}
