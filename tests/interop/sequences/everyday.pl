# The everyday by Perl's Sys::Virt: `everyday.pl URI DIRECTORY`; prints one line a call, to compare.
use strict; use warnings;
use Sys::Virt; use Sys::Virt::Domain; use Sys::Virt::DomainSnapshot; use Sys::Virt::Network;
use Sys::Virt::StorageVol;
my ($uri, $directory) = @ARGV;
my $c = Sys::Virt->new(uri => $uri);

sub told {
    my ($label, $call) = @_;
    my @answer = eval { $call->() };
    @answer = ("error", $@->code, $@->domain >= 0) if ref $@;
    die $@ if $@ and not ref $@;
    print join(" ", $label, map { defined $_ ? ref $_ ? ref $_ : $_ : "undef" } @answer), "\n";
    return $answer[0];
}

my $image = "$directory/perl.qcow2";
system("qemu-img", "create", "-q", "-f", "qcow2", $image, "8M") == 0 or die "qemu-img";
chmod 0666, $image;
my $xml = "<domain type='qemu'><name>perl</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
    . "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
    . "<emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file' device='disk'>"
    . "<driver name='qemu' type='qcow2'/><source file='$image'/><target dev='hda' bus='ide'/></disk>"
    . "</devices></domain>";
my $d = told("define", sub { $c->define_domain($xml) });
told("inactive", sub { $d->suspend });
my $s = told("snapshot", sub {
    $d->create_snapshot("<domainsnapshot><name>one</name></domainsnapshot>") });
told("names", sub { map { $_->get_name } $d->list_all_snapshots });
told("current", sub { $d->current_snapshot->get_name });
told("create", sub { $d->create; $d->get_state });
told("managed save", sub { $d->managed_save; $d->has_managed_save_image, $d->get_state });
told("start", sub { $d->create; $d->has_managed_save_image, $d->get_state });
told("block info", sub { my $i = $d->get_block_info("hda"); $i->{capacity} });
told("revert", sub { $s->revert_to; $d->get_state });
told("delete", sub { $s->delete; $d->num_of_snapshots });
told("lost", sub { $s->get_xml_description });
told("undefine", sub { $d->undefine; $c->get_domain_by_name("perl") });

my $n = told("network", sub { $c->define_network(
    "<network><name>perl</name><bridge name='vbrperl'/><ip address='192.168.199.1' "
    . "netmask='255.255.255.0'><dhcp><range start='192.168.199.2' end='192.168.199.9'/></dhcp></ip>"
    . "</network>") });
told("inactive network", sub { $n->destroy });
told("start network", sub { $n->create; $n->is_active, $n->get_bridge_name });
told("leases", sub { scalar $n->get_dhcp_leases });
told("stop network", sub { $n->destroy; $n->is_active });
told("undefine network", sub { $n->undefine; $c->get_network_by_name("perl") });

my $p = told("pool", sub { $c->define_storage_pool(
    "<pool type='dir'><name>perl</name><target><path>$directory/pool</path></target></pool>") });
told("build", sub { $p->build; $p->create; $p->is_active });
my $v = told("volume", sub { $p->create_volume(
    "<volume><name>v.qcow2</name><capacity>1048576</capacity>"
    . "<target><format type='qcow2'/></target></volume>") });
told("info", sub { my $i = $v->get_info; $i->{type}, $i->{capacity} });
told("resize", sub { $v->resize(2097152); $v->get_info->{capacity} });
told("volumes", sub { map { $_->get_name } $p->list_all_volumes });
told("delete volume", sub { $v->delete; $p->get_volume_by_name("v.qcow2") });
told("end", sub { $p->destroy; $p->undefine; $c->get_storage_pool_by_name("perl") });
