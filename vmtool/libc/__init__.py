"""The C library's heap: glibc 2.36's malloc as a program has it, above the simulated system calls. README.md has the map."""
