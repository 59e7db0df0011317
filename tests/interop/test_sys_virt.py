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

STORAGE = r"""
use strict; use warnings;
use Sys::Virt; use Sys::Virt::StoragePool; use Sys::Virt::StorageVol; use Sys::Virt::Stream;
my $c = Sys::Virt->new(uri => $ARGV[0]);
my ($default) = $c->list_all_storage_pools;
die "list" unless $default->get_name eq "default-pool" and $default->is_active;
my $p = $c->define_storage_pool("<pool type='dir'><name>perl</name><target><path>/p</path>"
      . "</target></pool>");
$p->build; $p->create; $p->set_autostart(1);
die "state" unless $p->get_info->{state} == Sys::Virt::StoragePool::STATE_RUNNING;
my $v = $p->create_volume("<volume><name>v</name><capacity>1048576</capacity></volume>");
die "path" unless $v->get_path eq "/p/v" and $v->get_info->{capacity} == 1048576;
my $s = $c->new_stream; $v->upload($s, 0, 0); my $data = "perl" x 1000;
while (length $data) { my $n = $s->send($data, length $data); $data = substr($data, $n); }
$s->finish;
$s = $c->new_stream; $v->download($s, 4, 8); my $got = "";
while ((my $n = $s->recv(my $piece, 65536)) > 0) { $got .= $piece; }
$s->finish; die "bytes" unless $got eq "perlperl";
my $w = $p->clone_volume("<volume><name>w</name></volume>", $v);
die "names" unless join(",", sort map { $_->get_name } $p->list_all_volumes) eq "v,w";
$v->resize(2097152); die "size" unless $v->get_info->{capacity} == 2097152;
$w->wipe; $_->delete for $v, $w; $p->refresh; $p->destroy; $p->delete; $p->undefine;
eval { $c->get_storage_pool_by_name("perl") };
die "code" unless ref $@ and $@->code == Sys::Virt::Error::ERR_NO_STORAGE_POOL;
print "done\n";
"""


@pytest.mark.parametrize("script", [SCRIPT, STORAGE], ids=["domain", "storage"])
def test_perl_drives_an_object_through_its_life(memory_daemon: Any, script: str) -> None:
    perl = shutil.which("perl", path="/usr/bin:/bin")
    if perl is None or subprocess.run([perl, "-MSys::Virt", "-e1"], check=False).returncode:
        pytest.skip("Perl's Sys::Virt is not installed")
    done = subprocess.run(
        [perl, "-e", script, memory_daemon.uri],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
