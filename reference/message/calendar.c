#include "reference/message/date.h"

/* Years begin in March here, so that the leap day is the last of its year. */
int32_t date_days(int year, int month, int day)
{
    enum { DAYS_TO_1970 = 719468, DAYS_OF_400 = 146097 };
    int y = month <= 2 ? year - 1 : year;
    int era = (y >= 0 ? y : y - 399) / 400;
    int of_era = y - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * DAYS_OF_400 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}
