#!/bin/sh
# make demo: a real program's address space, a page fault, a fork with copy-on-write, a page walk. In a directory of its own.
set -eu
tree=$(pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/vmtool-demo.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
unset VMTOOL_STATE
export VMTOOL_SYNC=off

say() { printf '\n# %s\n' "$@"; }
show() {  # the command as one would type it, then what it does
    printf '$ vmtool'
    for word in "$@"; do
        case $word in *' '*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    vmtool "$@"
}
keep() { printf "\$ %s=\$(vmtool %s)\n" "$1" "$2"; eval "$1=\$(vmtool $2)"; }

program=/bin/cat
[ -x "$program" ] || program=$(command -v cat)

say "A machine with 1 GiB of memory, and your $program started on it: laid out as Linux's execve() does, stopped at its first instruction."
keep pid "spawn --exe $program"
show cat-maps "$pid"

say "It asks for 16 pages of memory. The kernel notes down an area, and nothing else: no frame, no entry."
show explain on
keep addr "mmap $pid 64K"
show pagewalk "$pid" "$addr"

say "It writes to the first byte. The processor finds no entry: a page fault. What the kernel did about it:"
show touch "$pid" "$addr"
show explain
show store "$pid" "$addr" "hello from $program"

say "The same walk now ends at a frame of physical memory."
show pagewalk "$pid" "$addr"

say "fork(): the child gets tables of its own over the same frames, and nobody may write to them."
keep child "fork $pid"
show pagemap "$pid" "$addr"
show pagemap "$child" "$addr"

say "The child writes: the kernel copies that one page, and neither process notices."
show store "$child" "$addr" HELLO
show explain
show load "$pid" "$addr" 24
show load "$child" "$addr" 24

say "Where the machine's memory is, and whether all its books agree (fsck prints what does not)."
show free -m
show frames --summary
show fsck
printf '\nThe machine was one file, %s/machine.vmt. Yours: . %s/.venv/bin/activate, then vmtool spawn. README.md goes on from here.\n' "$dir" "$tree"
