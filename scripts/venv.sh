#!/bin/sh
# Make the virtual environment $1 for work in this tree: requirements-dev.txt, this tree on the path, the launcher.
# Not `pip install -e .`: that builds in a second environment of its own.
set -eu
venv=$1
PYTHON=${PYTHON:-python3}
log=build/venv.log

mkdir -p build
"$PYTHON" -m venv --clear "$venv" >"$log" 2>&1 || { tail -n 3 "$log" >&2; exit 1; }
echo "vmtool: fetching the packages of requirements-dev.txt into $venv"
"$venv/bin/python" -m pip install -q -r requirements-dev.txt >"$log" 2>&1 || {
    grep -m 1 ERROR "$log" >&2 || tail -n 1 "$log" >&2
    echo "vmtool: pip could not fetch the packages (the log: $log)" >&2
    exit 1
}

root=$(pwd)
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$root" >"$site/vmtool-tree.pth"
bin=$(cd "$venv/bin" && pwd)
# Ctrl-C while Python starts would be a traceback: where env can block it (coreutils 8.31), it waits until vmtool can catch it.
# Nor does a command need `site` (a third of a bare start-up), so it is left out, and the tree put on the path by hand; what is not
# found then is looked for with it (vmtool/_loader.py).
first="#!$bin/python"
path=
case $bin$root in
*[!A-Za-z0-9_./-]*) ;;
*) first="$first -S"
   path="import sys; sys.path[0] = \"$root\""
   if [ "${#bin}" -lt 80 ] && /usr/bin/env -S '--block-signal=INT true' 2>/dev/null; then
       first="#!/usr/bin/env -S --block-signal=INT $bin/python -S"
   fi ;;
esac
sed "1s|.*|$first|
/^from vmtool/i\\
$path
" bin/vmtool >"$bin/vmtool"
chmod +x "$bin/vmtool"
