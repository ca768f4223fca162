//go:build !dubbo330

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"reflect"

	"dubbo.apache.org/dubbo-go/v3"
	"dubbo.apache.org/dubbo-go/v3/client"
	"dubbo.apache.org/dubbo-go/v3/common/constant"
	"dubbo.apache.org/dubbo-go/v3/protocol"
	"dubbo.apache.org/dubbo-go/v3/server"
	hessian "github.com/apache/dubbo-go-hessian2"
)

// Part of interop.peer.users.UserProvider: no .proto file, hessian2.
const usersInterface = "interop.peer.users.UserProvider"

// Address is a class with a name in Java.
type Address struct {
	Street string
	Number int32
}

func (Address) JavaClassName() string { return "interop.peer.users.Address" }

// Users is exported as dubbo-go demands of a service type.
type Users struct{}

func (*Users) Reference() string { return "Users" }

func (*Users) Greet(_ context.Context, name string) (string, error) { return "hello " + name, nil }

func (*Users) Sum(_ context.Context, a int32, b int64, c float64) (float64, error) {
	return float64(a) + float64(b) + c, nil
}

func (*Users) Move(_ context.Context, from *Address, number int32) (*Address, error) {
	return &Address{from.Street, number}, nil
}

func (*Users) Fail(_ context.Context, why string) (string, error) {
	return "", fmt.Errorf("refused: %s", why)
}

func init() {
	hessian.RegisterPOJO(&Address{})
	commands["users-server"] = serveUsers
	commands["users-client"] = callUsers
}

func serveUsers(args []string, out io.Writer) error {
	var s settings
	fs := flag.NewFlagSet("peer-go users-server", flag.ExitOnError)
	s.declare(fs, "go-users")
	port := fs.Int("port", 20000, "port to listen on")
	_ = fs.Parse(args)
	ins, err := s.instance(dubbo.WithProtocol(protocol.WithTriple(), protocol.WithPort(*port)))
	if err != nil {
		return err
	}
	srv, err := ins.NewServer()
	if err != nil {
		return err
	}
	if err := srv.RegisterService(&Users{}, server.WithInterface(usersInterface),
		server.WithSerialization(constant.Hessian2Serialization), server.WithNotRegister()); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve() }()
	if err := waitReady(*port, false, failed); err != nil {
		return err
	}
	fmt.Fprintln(out, "READY")
	return <-failed
}

// callUsers prints one line of JSON for each thing that it tries.
func callUsers(args []string, out io.Writer) error {
	fs := flag.NewFlagSet("peer-go users-client", flag.ExitOnError)
	url := fs.String("url", "", "tri://host:port")
	_ = fs.Parse(args)
	cli, err := client.NewClient(client.WithClientURL(*url))
	if err != nil {
		return err
	}
	conn, err := cli.Dial(usersInterface, client.WithIDL(constant.NONIDL), client.WithSerialization(constant.Hessian2Serialization))
	if err != nil {
		return err
	}
	anything, err := cli.NewGenericService(usersInterface)
	if err != nil {
		return err
	}
	ctx := context.Background()
	bad := 0
	check := func(name string, want, got any, err error) {
		ok := err == nil && reflect.DeepEqual(want, got)
		line := map[string]any{"check": name, "ok": ok}
		if !ok {
			line["expected"], line["got"] = fmt.Sprint(want), fmt.Sprint(got, " ", err)
			bad++
		}
		text, _ := json.Marshal(line)
		fmt.Fprintln(out, string(text))
	}
	var text string
	err = conn.CallUnary(ctx, []any{"x"}, &text, "find")
	check("overload of String", "name x", text, err)
	err = conn.CallUnary(ctx, []any{int64(5)}, &text, "find")
	check("overload of long", "number 5", text, err)
	var sum float64
	err = conn.CallUnary(ctx, []any{int32(1), int64(2), 3.25, float32(0.5)}, &sum, "sum")
	check("numbers", 6.75, sum, err)
	err = conn.CallUnary(ctx, []any{"rpc"}, &text, "fail")
	check("status", true, err != nil, nil)
	got, err := anything.Invoke(ctx, "getUser", []string{"java.lang.String"}, []hessian.Object{"1"})
	user, _ := got.(map[any]any)
	check("generic get", "EDITOR", user["role"], err)
	got, err = anything.Invoke(ctx, "find", []string{"long"}, []hessian.Object{int64(5)})
	check("generic overload", "number 5", got, err)
	if bad > 0 {
		return fmt.Errorf("%d checks failed", bad)
	}
	return nil
}
