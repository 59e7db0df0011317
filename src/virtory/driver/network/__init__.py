"""Virtual networks for real: bridges, addresses, rules, DHCP and DNS.

The rule kept here: what is the host's or another program's is read, never changed; all that is made
here bears a name or mark by which it is found again.
"""
