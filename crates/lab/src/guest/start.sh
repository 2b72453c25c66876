#!/usr/bin/busybox sh
# What a guest does once its disk is there: mounts, the test's own boot script, then the network. The boot script
# comes first, as a unit ordered before the network would, so that an endpoint can be cut before a byte leaves it.
export PATH=/usr/sbin:/usr/bin
mkdir -p /dev/pts /dev/shm
mount -a
chmod 1777 /tmp /var/tmp
ip link set lo up
[ -f /etc/rc.local ] && /usr/bin/bash /etc/rc.local </dev/null >/var/log/rc.local.log 2>&1
. /usr/sbin/quell-guest-network
