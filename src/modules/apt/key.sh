#!/bin/sh
# KEYSERVER ID FILE: the public key of that id, in ASCII, to the file.
GNUPGHOME=$(mktemp -d) || exit
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
for pause in 2 10 0; do
    gpg --batch --keyserver "$1" --recv-keys "$2" && break
    sleep $pause
done
mkdir -p "${3%/*}" && gpg --batch --armor --export "$2" >"$3.new" && [ -s "$3.new" ] && mv "$3.new" "$3"
