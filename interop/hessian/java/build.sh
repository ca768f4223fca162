#!/bin/sh
# Compiles the oracle against both of dubbo's Hessians, where the sources are newer than what is there: classes in
# target/<version>/classes, the class path in target/<version>/classpath.
set -eu
cd "$(dirname "$0")"
build() {
  made=target/$1/classpath
  [ -f "$made" ] && [ -z "$(find src pom.xml -newer "$made")" ] && return
  mvn -B -q compile dependency:build-classpath "-Dmdep.outputFile=$made" "-Dhessian.version=$1" "-Dhessian.group=$2"
  touch "$made"
}
build 4.0.4 org.apache.dubbo
build 3.2.13 com.alibaba
