# Sourced by `install` of a target: fetches Debian packages with what they need that the system
# lacks, and unpacks them under $INSTALLED without installing anything. usage: unpack PACKAGE...
unpack() {
    rm -rf "$INSTALLED.part"
    mkdir -p "$INSTALLED.part/debs"
    (
        cd "$INSTALLED.part/debs"
        # What apt would install, asked without doing it.
        wanted=$(apt-get install -s --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
        apt-get download $wanted $(for p in "$@"; do
            case " $wanted " in *" $p "*) ;; *) echo "$p" ;; esac
        done)
        for deb in *.deb; do dpkg-deb -x "$deb" ..; done
    )
    rm -rf "$INSTALLED"
    mv "$INSTALLED.part" "$INSTALLED"
}
