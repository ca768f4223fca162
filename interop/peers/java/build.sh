#!/bin/sh
# Builds target/<dubbo version>/peer-java.jar and .../lib for both versions, where the sources are newer than what is there.
set -eu
cd "$(dirname "$0")"
build() {
  jar=target/$1/peer-java.jar
  [ -f "$jar" ] && [ -z "$(find src pom.xml -newer "$jar")" ] && return
  shift
  mvn -B -q package "$@"
  touch "$jar"
}
build 3.3.6
build 3.2.19 -Ddubbo.version=3.2.19 -Pdubbo32
