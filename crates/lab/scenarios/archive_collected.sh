# technique: T1560.001
# title: what was found is packed
mkdir -p /home/user/documents
echo secret > /home/user/documents/plan.txt
tar czf /tmp/.loot.tgz /home/user/documents
