"""The command line: each command declared once as data, read by hand or by click, run, printed."""
