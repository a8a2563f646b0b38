# Written by quorum.hardening, role host: a shell that nobody types into ends by itself.
case $- in
*i*)
    if [ "${TMOUT:-}" != 900 ]; then
        TMOUT=900
        readonly TMOUT
        export TMOUT
    fi
    ;;
esac
