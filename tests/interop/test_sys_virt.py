"""Perl's Sys::Virt against virtoryd."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

pytestmark = pytest.mark.interop

SCRIPT = r"""
use strict; use warnings;
use Sys::Virt; use Sys::Virt::Domain;
my $c = Sys::Virt->new(uri => $ARGV[0]);
die "type" unless length $c->get_type;
die "host" unless length $c->get_hostname;
die "info" unless $c->get_node_info->{cpus} > 0;
my @domains = $c->list_all_domains;
die "list" unless @domains == 1 and $domains[0]->get_name eq "test";
my $xml = "<domain type='test'><name>perl</name><memory>32768</memory><vcpu>1</vcpu>"
        . "<os><type>hvm</type></os></domain>";
my $d = $c->define_domain($xml);
$d->create;
die "active" unless $d->is_active;
my ($state, $reason) = $d->get_state;
die "state" unless $state == Sys::Virt::Domain::STATE_RUNNING;
die "memory" unless $d->get_info->{memory} == 32768;
my %stats = map { $_->{dom}->get_name => $_->{data} } $c->get_all_domain_stats(0);
die "stats" unless $stats{perl}{"state.state"} == 1;
$d->suspend; $d->resume; $d->destroy; $d->undefine;
eval { $c->get_domain_by_name("perl") };
die "code" unless ref $@ and $@->code == Sys::Virt::Error::ERR_NO_DOMAIN;
print "done\n";
"""


def test_perl_drives_a_domain_through_its_life(memory_daemon: Any) -> None:
    perl = shutil.which("perl", path="/usr/bin:/bin")
    if perl is None or subprocess.run([perl, "-MSys::Virt", "-e1"], check=False).returncode:
        pytest.skip("Perl's Sys::Virt is not installed")
    done = subprocess.run(
        [perl, "-e", SCRIPT, memory_daemon.uri],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
