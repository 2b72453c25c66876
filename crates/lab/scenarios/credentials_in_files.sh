# technique: T1552.001
# title: passwords that lie about
mkdir -p /home/user/app
echo 'db_password=hunter2' > /home/user/app/.env
grep -rniE 'password|passwd|secret' /home/user /etc/*.conf > /tmp/.found 2>/dev/null || true
find / -xdev -name '*.env' -o -name id_rsa -o -name '.pgpass' > /tmp/.found2 2>/dev/null
