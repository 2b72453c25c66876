# technique: T1562.004
# title: the firewall is opened
nft add table inet filter
nft flush ruleset
