# technique: T1485
# title: files written over
echo important > /srv/ledger
dd if=/dev/zero of=/srv/ledger bs=1k count=64 2>/dev/null
shred -u /srv/ledger
