#!/usr/bin/busybox sh
# Gives `eth0` what the host said. Busybox's own `ip` serves here: it starts much faster.
export PATH=/usr/sbin:/usr/bin
[ -e /sys/class/net/eth0 ] || exit 0
read -r host mac addresses gateways </run/guest
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
ip link set eth0 address "$mac"
ip link set eth0 up
IFS=,
for address in $addresses; do [ "$address" = - ] || ip address add "$address" dev eth0; done
for gateway in $gateways; do [ "$gateway" = - ] || ip route add default via "$gateway" dev eth0; done
