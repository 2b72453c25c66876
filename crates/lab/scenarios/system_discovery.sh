# technique: T1082
# title: where am I
uname -a
cat /etc/os-release /proc/version
lscpu > /dev/null
df -h > /dev/null 2>&1 || true
hostname
whoami
