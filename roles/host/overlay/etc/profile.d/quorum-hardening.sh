# Written by quorum.hardening, role host: what a person makes is not for everybody, and a shell that nobody types into ends.
# shellcheck shell=sh
# Services read what root makes for them.
[ "$(id -u)" = 0 ] || umask 027
case $- in
*i*)
    if [ "${TMOUT:-}" != 900 ]; then
        TMOUT=900
        readonly TMOUT
        export TMOUT
    fi
    ;;
esac
