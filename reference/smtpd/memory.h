/* memory.h - is there memory left to take mail with? */
#ifndef REFERENCE_SMTPD_MEMORY_H
#define REFERENCE_SMTPD_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Does the system have so many octets that it can give (MemAvailable of proc(5))? True also when nobody
 * can tell, and with 0. What was read is believed for a second. */
bool memory_left(uint64_t octets);

#endif
