/* label_words.h: a task's labels in words, for tables. */
#ifndef UMB_LABEL_WORDS_H
#define UMB_LABEL_WORDS_H

#include "label_set.h"

struct umb_label_words {
    char kind[48];    /* "5 classes", "2 classes a pixel", "10 numbers" */
    char share[16];   /* "84.1 %"; "–" where there are no samples */
    char entropy[16]; /* "0.98" bits, of classes; "–" for numbers and without labels */
    char spread[128]; /* "cat: 12.5 %", "0.1 … 0.9", "–" */
};
void umb__label_words(const struct umb_label_set *s, struct umb_label_words *ret_words);
/* Classes that occur; 0 for numbers. */
size_t umb__label_classes(const struct umb_label_set *s);

#endif
