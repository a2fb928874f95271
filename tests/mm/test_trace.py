"""Records of what happened, in order, with their arguments."""


def test_nothing_is_recorded_unless_asked(machine):
    machine.alloc()
    assert machine.traced() == []


def test_steps_are_recorded_in_order_with_named_arguments(machine):
    machine.trace(True)
    pfn = machine.alloc()
    machine.map(0x7F0000000000, pfn)
    machine.access(0x7F0000000000)
    machine.access(0x7F0000000008)
    machine.trace(False)
    events = machine.traced()
    assert events[0] == ("frame_alloc", {"pfn": pfn, "order": 0})
    assert [args["level"] for name, args in events if name == "pgtable_alloc"] == [2, 1, 0]
    assert events[-2:] == [("tlb_fill", {"vpn": 0x7F0000000, "pfn": pfn}), ("tlb_hit", {"vpn": 0x7F0000000, "level": 1})]


def test_a_flush_tells_how_many_entries_went(machine):
    machine.map(0x7F0000000000, machine.alloc())
    machine.access(0x7F0000000000)
    machine.trace(True)
    machine.load_cr3()
    machine.trace(False)
    assert machine.traced()[-1] == ("tlb_flush", {"pcid": 0, "nr_entries": 2})  # one in each level


def test_the_buffer_is_bounded(machine):
    machine.trace(True)
    for _ in range(40000):
        machine.free(machine.alloc())
    machine.trace(False)
    assert len(machine.traced()) == 65536
