/* optional.h - libraries that a build may do without: what is not installed, or switched off with
 * CFLAGS=-DWITHOUT_LDAP and the like, is left out, and postroad check says what there is. */
#ifndef REFERENCE_AUTH_OPTIONAL_H
#define REFERENCE_AUTH_OPTIONAL_H

#if __has_include(<security/pam_appl.h>) && !defined(WITHOUT_PAM)
#define WITH_PAM 1
#endif
#if __has_include(<mariadb/mysql.h>) && !defined(WITHOUT_MYSQL)
#define WITH_MYSQL 1
#endif
#if __has_include(<ldap.h>) && !defined(WITHOUT_LDAP)
#define WITH_LDAP 1
#endif
#if __has_include(<argon2.h>) && !defined(WITHOUT_ARGON2)
#define WITH_ARGON2 1
#endif
#if __has_include(<curl/curl.h>) && !defined(WITHOUT_CURL)
#define WITH_CURL 1
#endif

#endif
