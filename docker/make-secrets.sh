#!/bin/sh
# Makes what docker/compose.yaml mounts as secrets, into docker/secrets (or the folder in SECRETS):
#
#     docker/make-secrets.sh explain.bank.example        # the names, and addresses, that clients will use
#
#   ca.pem, ca.key          an authority of your own. Clients get ca.pem. Move ca.key away when all is signed
#   server.pem, server.key  the service's certificate, for a year
#   redis.pem, redis.key    the cache's
#   redis.acl               the one user of the cache, and all it may do
#   xaisvc.toml             settings that are secret: that user's password
#   master.key              encrypts records. Without it they cannot be read: keep a copy where records are not kept
#
# Certificates of your bank's authority serve as well: put them under the same names instead.
set -eu
umask 077

folder=${SECRETS:-$(dirname "$0")/secrets}
mkdir "$folder" || { echo "remove $folder first, if nothing in it is needed any more" >&2; exit 1; }
cd "$folder"

alternatives() {
    list=
    for name; do
        case $name in
        *:*) kind=IP ;;
        *[!0-9.]*) kind=DNS ;;
        *) kind=IP ;;
        esac
        list=${list:+$list,}$kind:$name
    done
    echo "$list"
}

certificate() { # FILE, then its names
    file=$1
    shift
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$file.key" -out "$file.csr"
    printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "$(alternatives "$@")" > "$file.ext"
    openssl x509 -req -in "$file.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -sha256 -extfile "$file.ext" \
        -out "$file.pem"
    rm "$file.csr" "$file.ext"
}

{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 -subj "/CN=xaisvc authority" \
        -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
    certificate server "$@" localhost 127.0.0.1
    certificate redis redis localhost 127.0.0.1
} 2> openssl.log || { cat openssl.log >&2; exit 1; }
rm openssl.log ca.srl

password=$(openssl rand -hex 32)
digest=$(printf %s "$password" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
cat > redis.acl << END
user default off
user xaisvc on #$digest ~xaisvc:* -@all +getrange +get +set +exists +del +eval
END
cat > xaisvc.toml << END
cache_username = "xaisvc"
cache_password = "$password"
END
openssl rand -hex 32 > master.key

# Containers run under users of their own, who must be able to read what is mounted for them. On this machine the
# folder keeps everybody else out.
chmod 444 ./*
chmod 400 ca.key
echo "Made $folder for: $* localhost 127.0.0.1"
