# Sourced by `start` of a target that speaks TLS. The authority of the world, which `verify` in a
# scenario trusts, and a certificate of mx.magedu.test under it, made once for all labs:
#   $CERTIFICATES/ca.pem, mx.pem (with the authority's certificate behind its own), mx.key
CERTIFICATES=${BIN%/*}/certificates
certificates() (
    umask 077
    mkdir -p "$CERTIFICATES"
    exec 9>"$CERTIFICATES/.lock"            # labs side by side
    flock 9
    cd "$CERTIFICATES"
    openssl x509 -noout -checkend 86400 -in mx.pem >/dev/null 2>&1 && return
    key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
    key ca.key
    openssl req -x509 -new -key ca.key -days 30 -subj "/CN=The authority of the world" \
        -addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem
    key mx.key
    printf '%s\n' basicConstraints=CA:FALSE keyUsage=digitalSignature extendedKeyUsage=serverAuth \
        "subjectAltName=DNS:$HOST_NAME" >mx.ext
    openssl req -new -key mx.key -subj "/CN=$HOST_NAME" | openssl x509 -req -days 30 -CA ca.pem \
        -CAkey ca.key -set_serial 2 -extfile mx.ext -out mx.new 2>/dev/null
    cat ca.pem >>mx.new
    chmod 644 ca.pem mx.new
    mv mx.new mx.pem
)
certificates
