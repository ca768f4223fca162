#!/bin/sh
# Builds bin/oracle.
set -eu
cd "$(dirname "$0")"
mkdir -p bin
exec env GOFLAGS="${GOFLAGS:--buildvcs=false}" go build -o bin/oracle .
