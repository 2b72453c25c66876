# technique: T1564.001
# title: a program in a hidden place
mkdir -p /tmp/.ICE-unix/.x
cp /bin/sleep /tmp/.ICE-unix/.x/.d
/tmp/.ICE-unix/.x/.d 0.1
