"""Sequences of virtual networks."""

import re

import libvirt
from transcript import UUID

NETWORK = """<network><name>{name}</name><uuid>{uuid}</uuid>{forward}
<bridge name='{bridge}' stp='on' delay='0'/>
<ip address='192.168.{third}.1' netmask='255.255.255.0'>
<dhcp><range start='192.168.{third}.2' end='192.168.{third}.254'/>
<host mac='52:54:00:00:00:07' name='seven' ip='192.168.{third}.7'/></dhcp></ip></network>"""


def networks(t):
    """A NAT network and its changes."""
    c = t.c
    t.listen()
    xml = NETWORK.format(
        name="n", uuid=UUID % 1, forward="<forward mode='nat'/>", bridge="vbr71", third=171
    )
    n = t("define", c.networkDefineXML, xml)
    t("state", lambda: [n.isActive(), n.isPersistent(), n.autostart()])
    t("xml", n.XMLDesc, libvirt.VIR_NETWORK_XML_INACTIVE)
    t("destroy when inactive", n.destroy)
    t("start", n.create)
    t("start again", n.create)
    t("state", lambda: [n.isActive(), n.bridgeName()])
    t("live xml", n.XMLDesc, 0)
    t("leases", n.DHCPLeases)
    t("autostart", n.setAutostart, 1)
    t("autostart", n.autostart)
    host = "<host mac='52:54:00:00:00:08' name='eight' ip='192.168.171.8'/>"
    both = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE | libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
    section = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
    add = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST
    t("add a host", n.update, add, section, -1, host, both)
    t("add it again", n.update, add, section, -1, host, both)
    t("hosts", lambda: re.findall("<host .*/>", n.XMLDesc(0)))
    t("hosts in the config", lambda: re.findall("<host .*/>", n.XMLDesc(1)))
    delete = libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE
    t("delete it", n.update, delete, section, -1, host, both)
    t("delete it again", n.update, delete, section, -1, host, both)
    dns = "<host ip='192.168.171.9'><hostname>nine</hostname></host>"
    t("add a name", n.update, add, libvirt.VIR_NETWORK_SECTION_DNS_HOST, -1, dns, both)
    t("names", lambda: re.findall("<hostname>.*", n.XMLDesc(0)))
    t("ports", lambda: len(n.listAllPorts()))
    t(
        "lists",
        lambda: [
            sorted(x.name() for x in c.listAllNetworks(f) if x.name() != "default")
            for f in (0, 1, 2, 4, 8, 16, 32)
        ],
    )
    t("define its name with another uuid", c.networkDefineXML, xml.replace(UUID % 1, UUID % 2))
    t("define its uuid with another name", c.networkDefineXML, xml.replace(">n<", ">m<"))
    t("undefine while active", n.undefine)
    t("state", lambda: [n.isActive(), n.isPersistent()])
    t("destroy", n.destroy)
    t("lost", n.isActive)
    isolated = NETWORK.format(name="i", uuid=UUID % 3, forward="", bridge="vbr72", third=172)
    i = t("create", c.networkCreateXML, isolated)
    t("xml", i.XMLDesc, 0)
    t("autostart of a transient one", i.setAutostart, 1)
    overlap = isolated.replace("vbr72", "vbr73").replace(">i<", ">o<").replace(UUID % 3, UUID % 4)
    t("an overlapping one", c.networkCreateXML, overlap)
    t(
        "the same bridge",
        c.networkDefineXML,
        isolated.replace(">i<", ">o<").replace(UUID % 3, UUID % 5),
    )
    t("destroy", i.destroy)
    for label, wrong in (
        ("no xml", "nix"),
        ("no name", "<network/>"),
        ("another mode", xml.replace("'nat'", "'nix'")),
        ("a bad address", xml.replace("192.168.171.1'", "192.168.171.1000'")),
        ("a range outside", xml.replace("192.168.171.254", "192.168.172.254")),
        ("a range backwards", xml.replace("192.168.171.2'", "192.168.171.255'")),
        ("a slash", xml.replace(">n<", ">a/b<")),
    ):
        t(f"define with {label}", c.networkDefineXML, wrong)
    t.heard()
