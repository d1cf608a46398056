"""A network of this machine's own: the daemon in a namespace, the server out
here, and between them a router that can swallow packets without a word."""

import os
import shutil
import subprocess
import uuid

import pytest


class Network:
    """Needs root and network namespaces: skips the test where it may not.

    prefix      what runs a command in the daemon's namespace
    server      the address under which it reaches this one
    """

    def __init__(self):
        name = "rip" + uuid.uuid4().hex[:6]
        self.far, self.router = name + "d", name + "r"
        net = f"10.{os.getpid() % 100 + 100}.{int(name[3:5], 16)}"
        self.server, self.daemon = f"{net}.1", f"{net}.130"
        if os.geteuid() != 0 or shutil.which("ip") is None:
            pytest.skip("needs root and iproute2")
        self.made = []
        try:
            self.build(name, net)
        except subprocess.CalledProcessError as error:
            self.remove()
            pytest.skip(f"no network namespaces here: {error.stderr}")
        self.prefix = f"ip netns exec {self.far}"

    def build(self, name, net):
        for namespace in (self.far, self.router):
            ip("netns", "add", namespace)
            self.made.append(namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        near, far = name + "n", name + "f"
        ip("link", "add", near, "type", "veth", "peer", "name", "near",
           "netns",
           self.router)
        ip("link", "add", far, "netns", self.far, "type", "veth", "peer",
           "name", "far", "netns", self.router)
        ip("address", "add", f"{net}.1/25", "dev", near)
        ip("link", "set", near, "up")
        ip("route", "add", f"{net}.128/25", "via", f"{net}.2")
        ip("-n", self.router, "address", "add", f"{net}.2/25", "dev",
           "near")
        ip("-n", self.router, "address", "add", f"{net}.129/25", "dev",
           "far")
        for link in ("near", "far"):
            ip("-n", self.router, "link", "set", link, "up")
        ip("netns", "exec", self.router, "sysctl", "-qw",
           "net.ipv4.ip_forward=1")
        ip("-n", self.far, "address", "add", f"{net}.130/25", "dev", far)
        ip("-n", self.far, "link", "set", far, "up")
        ip("-n", self.far, "route", "add", "default", "via", f"{net}.129")

    def swallow(self, *addresses):
        """What is for them vanishes from now on."""
        for address in addresses:
            ip("-n", self.router, "route", "add", "blackhole",
               f"{address}/32")

    def heal(self, *addresses):
        for address in addresses:
            ip("-n", self.router, "route", "del", "blackhole",
               f"{address}/32")

    def remove(self):
        for namespace in self.made:     # their links go with them
            ip("netns", "del", namespace)


def ip(*args):
    subprocess.run(["ip", *args], check=True, capture_output=True, text=True)
