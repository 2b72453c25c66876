#!/usr/bin/busybox sh
# What a guest does once its disk is there: mounts, name, the test's own boot script, then the network. The boot script
# comes first, as a unit ordered before the network would, so that an endpoint can be cut before a byte leaves it. Busybox's own `ip` serves here: it starts much faster.
export PATH=/usr/sbin:/usr/bin
mkdir -p /dev/pts /dev/shm
mount -a
chmod 1777 /tmp /var/tmp
read -r host mac addresses gateways </run/guest
hostname "$host"
if [ ! -s /etc/machine-id ]; then
  read -r id </proc/sys/kernel/random/uuid
  echo "${id//-/}" >/etc/machine-id
fi
ip link set lo up
[ -f /etc/rc.local ] && /usr/bin/bash /etc/rc.local </dev/null >/var/log/rc.local.log 2>&1
[ -e /sys/class/net/eth0 ] || exit 0
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
ip link set eth0 address "$mac"
ip link set eth0 up
IFS=,
for address in $addresses; do [ "$address" = - ] || ip address add "$address" dev eth0; done
for gateway in $gateways; do [ "$gateway" = - ] || ip route add default via "$gateway" dev eth0; done
