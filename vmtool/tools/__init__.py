"""What procps computes from the text of /proc, simulated or captured."""
