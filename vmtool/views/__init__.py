"""What Linux does not show: walks, entries, frames, TLBs and the steps the kernel took, as text."""
