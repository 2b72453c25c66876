# technique: T1496
# title: somebody else mines here
cp /bin/sh /tmp/xmrig
/tmp/xmrig -c ': -o stratum+tcp://pool.example.test:3333 -u 4wallet --donate-level 1'
