# technique: T1552.004
# title: keys that lie about
mkdir -p /home/user/.ssh
printf -- '-----BEGIN OPENSSH PRIVATE KEY-----\n' > /home/user/.ssh/id_rsa
find / -xdev -name id_rsa -o -xdev -name '*.pem' > /tmp/.keys 2>/dev/null
cat /home/user/.ssh/id_rsa > /tmp/.k
