# SPDX-License-Identifier: BSD-3-Clause
"""What a review of the sidecar found."""

import os
import resource
import socket

from harness.conn25 import Conn25d, connector_config
from harness.process import free_port
from harness.wait import wait_for


def control_answers(connector):
    return "(pid " in connector.control("status")


def test_out_of_descriptors_it_says_so_pauses_and_goes_on(keeper):
    port = free_port("127.0.0.2")
    connector = Conn25d(keeper, "connector", connector_config(port)).start()
    connector.process.allow("can't accept")
    pid = int(connector.control("status").partition("(pid ")[2].split(")")[0])
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 8, used + 8))
    socks = [socket.create_connection(("127.0.0.2", port))
             for _ in range(20)]
    connector.process.wait_log("can't accept")
    for sock in socks:
        sock.close()
    wait_for(lambda: control_answers(connector), "conn25d to go on")
    connector.stop()
