"""PID/net: the tables of sockets. No process has one here, so each is its heading; lsof, fuser and psutil ask for them.

Counterparts: Linux v6.18 net/unix/af_unix.c:unix_seq_show(), net/ipv4/tcp_ipv4.c:tcp4_seq_show(), net/ipv4/udp.c:udp4_seq_show(),
net/ipv6/tcp_ipv6.c, net/ipv6/udp.c.
"""

TCP_LINE, UDP_LINE = 149, 127
"""The tables of IPv4 have lines of one length."""

TABLES = {
    "unix": "Num       RefCount Protocol Flags    Type St Inode Path\n",
    "tcp": "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode".ljust(TCP_LINE) + "\n",
    "tcp6": "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt"
            "   uid  timeout inode\n",
    "udp": "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops"
           .ljust(UDP_LINE) + "\n",
    "udp6": "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt"
            "   uid  timeout inode ref pointer drops\n",
}  # fmt: skip


def render(name: str) -> str:
    return TABLES[name]
