#!/bin/sh
# Makes gen/ from bench/proto/dubhe/bench/v1/echo.proto with the repository's buf and the two pinned Go plugins.
set -eu
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
tools="$root/.tools/bin"
map=Mdubhe/bench/v1/echo.proto=bench-grpc-go/gen/echo
GOBIN="$tools" go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN="$tools" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
PATH="$tools:$PATH" exec "$root/node_modules/.bin/buf" generate "$root/bench/proto" --path "$root/bench/proto/dubhe/bench/v1/echo.proto" --template \
  '{"version":"v2","plugins":[{"local":"protoc-gen-go","out":".","opt":["module=bench-grpc-go","'"$map"'"]},{"local":"protoc-gen-go-grpc","out":".","opt":["module=bench-grpc-go","'"$map"'"]}]}'
