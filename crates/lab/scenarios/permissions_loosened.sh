# technique: T1222.002
# title: what was closed is opened
echo x > /srv/private
chmod 777 /srv/private
chmod -R 777 /srv
