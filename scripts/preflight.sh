#!/bin/sh
# One line naming the package when a piece that make needs is missing. $PYTHON is the interpreter to use.
set -u
PYTHON=${PYTHON:-python3}

lack() {  # WHAT DEBIAN-PACKAGE OTHERS
    echo "vmtool: missing: $1 (Debian, Ubuntu: apt install $2; elsewhere: $3)" >&2
    exit 1
}

command -v "$PYTHON" >/dev/null 2>&1 || lack "$PYTHON" python3 "python 3.10 or newer"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    lack "Python 3.10 or newer ($PYTHON is older or does not start)" python3 "python 3.10 or newer, then make PYTHON=…"
"$PYTHON" -c 'import venv; from ensurepip import bootstrap' 2>/dev/null ||
    lack "Python's venv" "python3-venv" "the python package that has venv and ensurepip"

cc=${CC:-$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")')}
command -v "${cc%% *}" >/dev/null 2>&1 ||
    lack "a C compiler (${cc%% *})" "build-essential" "gcc or clang, and CC=… when it has another name"

compiles() {  # HEADER [FLAGS]: does a file that includes it compile?
    printf '#include <%s>\nint vmtool;\n' "$1" | $cc ${2:+"$2"} -x c -c -o /dev/null - 2>/dev/null
}
compiles stdio.h || lack "the C library's headers (stdio.h)" "libc6-dev" "glibc-devel or musl-dev"
compiles Python.h "-I$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')" ||
    lack "Python's headers (Python.h)" "python3-dev" "python3-devel"
