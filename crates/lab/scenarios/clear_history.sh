# technique: T1070.003
# title: no history
echo ls > /root/.bash_history
bash -c 'unset HISTFILE; export HISTSIZE=0; history -c; ln -sf /dev/null /root/.bash_history'
rm -f /root/.bash_history
