# technique: T1018
# title: who else is here
ip neigh
cat /etc/hosts
for i in 1 2 3 4; do getent hosts host$i.corp.example.test; done
arp -a 2>/dev/null || true
