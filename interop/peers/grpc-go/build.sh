#!/bin/sh
# Builds bin/peer-grpc. The generated stubs are in gen/; generate.sh makes them anew.
set -eu
cd "$(dirname "$0")"
mkdir -p bin
exec env GOFLAGS="${GOFLAGS:--buildvcs=false}" go build -o bin/peer-grpc .
