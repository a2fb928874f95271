#!/bin/sh
# Compile what changed, with the interpreter $1 on $2 cores, and say how far that is: setup.py itself says nothing until it is done.
set -eu
python=$1
jobs=$2
mode=release
case ${VMTOOL_DEBUG:-0} in '' | 0) ;; *) mode=debug ;; esac

count() { find "$@" 2>/dev/null | wc -l | tr -d ' '; }
total=$(count vmtool -name '*.pyx')
cores="$jobs cores"
[ "$jobs" = 1 ] && cores="1 core"
echo "vmtool: compiling what changed of $total modules ($mode, $cores)"

mkdir -p build
mark=build/.began
touch "$mark"
"$python" setup.py -q build_ext --inplace -j "$jobs" &
building=$!
trap 'kill "$building" 2>/dev/null || :; rm -f "$mark"' EXIT
trap 'exit 130' INT TERM HUP

seconds=0
while kill -0 "$building" 2>/dev/null; do
    sleep 1
    seconds=$((seconds + 1))
    if [ $((seconds % 10)) = 0 ] && kill -0 "$building" 2>/dev/null; then
        translated=$(count "build/cython/$mode" -name '*.c' -newer "$mark")
        compiled=$(count build -path '*temp*' -path "*$mode*" -name '*.o' -newer "$mark")
        echo "vmtool: $seconds s: $translated modules translated to C, $compiled compiled"
    fi
done
wait "$building"
