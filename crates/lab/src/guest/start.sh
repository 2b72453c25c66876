#!/bin/sh
# What a guest does once its disk is there: mounts, name, the test's own boot script, then the network. The boot script
# comes first, as a unit ordered before the network would, so that an endpoint can be cut before a byte leaves it.
export PATH=/usr/sbin:/usr/bin
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t securityfs security /sys/kernel/security
mount -t tracefs tracing /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
chmod 1777 /tmp /var/tmp
hostname "$(cat /run/guest/host)"
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
ip link set lo up
[ -f /etc/rc.local ] && sh /etc/rc.local </dev/null >/var/log/rc.local.log 2>&1
[ -e /sys/class/net/eth0 ] || exit 0
ip link set eth0 address "$(cat /run/guest/mac)"
ip link set eth0 up
while read -r address; do
  case $address in
    -) ;;
    *:*) ip address add "$address" dev eth0 nodad ;;
    *) ip address add "$address" dev eth0 ;;
  esac
done </run/guest/addresses
while read -r gateway; do
  [ "$gateway" = - ] || ip route add default via "$gateway" dev eth0
done </run/guest/gateways
